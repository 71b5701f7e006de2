//! TML: the statistics that old versions of pusher-js send. A browser loads them as a script, so an error page of a
//! server in trouble would end up in the console of every visitor.

use crate::support::Needs::Nothing;
use crate::support::statements;

statements! {
    "TML-01" "statistics are answered with a script or 404" Nothing, |t| {
        // `session=1`, `bundle=1`, `key`, `lib=js`, `version=8.6.0`, each as Base64 of its JSON.
        let values = "session=MQ%3D%3D&bundle=MQ%3D%3D&key=ImsI&lib=Impz&version=IjguNi4wIg%3D%3D&timeline=W10%3D";
        let path = format!("{}/timeline/v2/jsonp/1?{values}", t.prefix);
        let answer = t.http().await.request("GET", &path, "").await;
        if answer.status != 404 {
            answer.says(200, "Pusher.ScriptReceivers[1]");
            assert!(answer.head.contains("\r\ncontent-type: application/javascript"), "{}", answer.head);
        }
    }
}
