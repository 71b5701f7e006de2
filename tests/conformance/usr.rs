//! USR: signed-in users.

use crate::support::Needs::{App, Nothing, Us};
use crate::support::{Client, Needs, Target, auth, data, statements, unique};
use fanfare::protocol::SocketId;
use fanfare::protocol::signature::{Keys, verify_user};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::protocol::Message;

const AUTHORIZED: Needs = App {
    why: "needs an app with authorized connections and a timeout of 1 s",
    config: "features = { authorized_connections = true }\nlimits = { authorization_timeout_secs = 1 }",
};

fn user_data(id: &str) -> String {
    json!({ "id": id }).to_string()
}

/// A connection signed in as the user.
async fn user(target: &Target, id: &str) -> Client {
    target.connect().await.signed_in(&user_data(id)).await
}

async fn terminate(target: &Target, id: &str) {
    assert_eq!(target.post(&format!("/users/{id}/terminate_connections"), "{}").await.ok(), json!({}));
}

/// The code that the connection is closed with; what comes before does not matter.
async fn close_code(client: &mut Client) -> u16 {
    client.closed().await.0
}

statements! {
    "USR-01" "a sign-in is answered with the very same user_data" Nothing, |t| {
        let user_data = r#"{ "id": "12345", "more" : [1, "é"] }"#;
        let frame = t.connect().await.sign_in(user_data).await;
        assert_eq!(frame["event"], "pusher:signin_success", "{frame}");
        let data = if frame["data"].is_string() { data(&frame) } else { frame["data"].clone() };
        assert_eq!(data["user_data"], user_data);
    }
    "USR-02" "the documented signature verifies" Us { why: "verifies with this crate's own code" }, |_t| {
        let keys = Keys::new("278d425bdf160c739803", "7ad3773142a6692b25b8");
        let socket = SocketId::parse("1234.1234").unwrap().unwrap();
        let auth = "278d425bdf160c739803:4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba";
        assert_eq!(verify_user(&keys, socket, r#"{"id":"12345"}"#, Some(auth)), Ok(()));
    }
    "USR-03" "a wrong signature is refused and nobody is signed in" Nothing, |t| {
        let (id, mut client) = (unique("u"), t.connect().await);
        let auth = auth(&["1.1::user::", &user_data(&id)]);
        client.send(&json!({ "event": "pusher:signin", "data": { "auth": auth, "user_data": user_data(&id) } })).await;
        client.complains(false).await;
        client.refused(&json!({ "channel": format!("#server-to-user-{id}"), "auth": "" })).await;
    }
    "USR-04" "an id must be a text that is not empty" Nothing, |t| {
        for user_data in [r#"{"id":1}"#, r#"{"id":""}"#, "{}"] {
            let frame = t.connect().await.sign_in(user_data).await;
            assert_eq!(frame["event"], "pusher:error", "{user_data}: {frame}");
        }
    }
    "USR-05" "a second sign-in as somebody else is refused" Nothing, |t| {
        let (one, two) = (unique("u"), unique("u"));
        let mut client = user(&t, &one).await;
        assert_eq!(client.sign_in(&user_data(&two)).await["event"], "pusher:error");
        client.subscribe(&format!("#server-to-user-{one}")).await;
        client.refused(&json!({ "channel": format!("#server-to-user-{two}"), "auth": "" })).await;
    }
    "USR-06" "a second sign-in as the same user succeeds" Nothing, |t| {
        let id = unique("u");
        user(&t, &id).await.signed_in(&user_data(&id)).await;
    }
    "USR-07" "a user may subscribe to the user's own channel" Nothing, |t| {
        let id = unique("u");
        user(&t, &id).await.granted(&json!({ "channel": format!("#server-to-user-{id}"), "auth": "" })).await;
    }
    "USR-08" "a user may not subscribe to another's" Nothing, |t| {
        let mut client = user(&t, &unique("u")).await;
        client.refused(&json!({ "channel": format!("#server-to-user-{}", unique("u")), "auth": "" })).await;
    }
    "USR-09" "who is not signed in may not subscribe to a user's channel" Nothing, |t| {
        t.connect().await.refused(&json!({ "channel": format!("#server-to-user-{}", unique("u")), "auth": "" })).await;
    }
    "USR-10" "an event to a user reaches every connection of the user" Nothing, |t| {
        let channel = format!("#server-to-user-{}", unique("u"));
        let id = channel.trim_start_matches("#server-to-user-").to_owned();
        let (mut one, mut two) = (user(&t, &id).await, user(&t, &id).await);
        one.subscribe(&channel).await;
        two.subscribe(&channel).await;
        t.publish(&channel, "e", "x").await;
        for client in [&mut one, &mut two] {
            assert_eq!(client.hears("e").await["channel"], *channel);
        }
    }
    "USR-11" "other names with # cannot be published to" Nothing, |t| {
        for channel in ["#a", "#server-to-user-", "#server-to-users-1"] {
            t.trigger(&json!({ "name": "e", "channels": [channel], "data": "x" })).await.is(400);
        }
    }
    "USR-12" "terminating closes every connection of the user with 4009" Nothing, |t| {
        let (id, other) = (unique("u"), unique("u"));
        let (mut one, mut two, mut stays) = (user(&t, &id).await, user(&t, &id).await, user(&t, &other).await);
        terminate(&t, &id).await;
        assert_eq!((close_code(&mut one).await, close_code(&mut two).await), (4009, 4009));
        stays.hears_nothing().await;
    }
    "USR-13" "a mere presence member is not terminated" Nothing, |t| {
        let (id, mut member) = (unique("u"), t.connect().await);
        member.join(&unique("presence-"), &json!({ "user_id": id }).to_string()).await;
        terminate(&t, &id).await;
        member.hears_nothing().await;
    }
    "USR-14" "terminating an unknown user is fine" Nothing, |t| {
        terminate(&t, &unique("u")).await;
    }
    "USR-15" "a connection that is not authorized in time is closed with 4009" AUTHORIZED, |t| {
        // They come first: when the idle one's time is up, theirs would have been, too.
        let (mut signed_in, mut private) = (user(&t, &unique("u")).await, t.connect().await);
        private.subscribe(&unique("private-")).await;
        let start = Instant::now();
        let mut idle = t.connect().await;
        assert_eq!(close_code(&mut idle).await, 4009);
        assert!(start.elapsed() > Duration::from_millis(900), "after only {:?}", start.elapsed());
        for client in [&mut signed_in, &mut private] {
            client.hears_nothing().await;
        }
    }
    "USR-16" "a public subscription does not authorize" AUTHORIZED, |t| {
        let mut client = t.connect().await;
        client.subscribe(&unique("c")).await;
        match client.raw().await {
            Message::Close(close) => assert_eq!(u16::from(close.expect("a code").code), 4009),
            other => panic!("{other:?}"),
        }
    }
}
