//! API, second part: asking, and what is left.

use crate::support::Needs::Nothing;
use crate::support::{Client, Target, statements, unique};
use serde_json::{Value, json};

/// A new subscriber of the channel, as this member where it has members.
async fn joins(target: &Target, channel: &str, member: &str) -> Client {
    let mut client = target.connect().await;
    if channel.starts_with("presence-") {
        client.join(channel, &json!({ "user_id": member }).to_string()).await;
    } else {
        client.subscribe(channel).await;
    }
    client
}

async fn channels(target: &Target, parameters: &str) -> Value {
    target.look("/channels", parameters).await["channels"].clone()
}

async fn channel(target: &Target, name: &str, info: &str) -> Value {
    target.look(&format!("/channels/{name}"), &format!("info={info}")).await
}

statements! {
    "API-25" "no channels are an empty object" Nothing, |t| {
        assert_eq!(channels(&t, &format!("filter_by_prefix={}", unique("none"))).await, json!({}));
    }
    "API-26" "only occupied channels are listed, without attributes" Nothing, |t| {
        let (kept, here) = (unique("cache-"), unique("c"));
        t.publish(&kept, "e", "x").await;
        let _client = joins(&t, &here, "").await;
        let listed = channels(&t, "").await;
        assert_eq!((&listed[&here], listed.get(&kept)), (&json!({}), None));
    }
    "API-27" "filter_by_prefix filters" Nothing, |t| {
        let (prefix, other) = (unique("c"), unique("d"));
        let name = format!("{prefix}-1");
        let _clients = [joins(&t, &name, "").await, joins(&t, &other, "").await];
        assert_eq!(channels(&t, &format!("filter_by_prefix={prefix}")).await, json!({ name: {} }));
    }
    "API-28" "user_count is listed for presence channels only" Nothing, |t| {
        let name = unique("presence-");
        let _clients = [joins(&t, &name, "1").await, joins(&t, &name, "1").await];
        assert_eq!(channels(&t, "filter_by_prefix=presence-&info=user_count").await[&name], json!({ "user_count": 1 }));
        t.get("/channels", "info=user_count").await.is(400);
        t.get("/channels", "filter_by_prefix=private-&info=user_count").await.is(400);
    }
    "API-29" "an unknown channel is not occupied" Nothing, |t| {
        let answer = t.get(&format!("/channels/{}", unique("c")), "").await;
        assert_eq!(answer.ok(), json!({ "occupied": false }));
    }
    "API-30" "user_count of a public channel is refused" Nothing, |t| {
        t.get(&format!("/channels/{}", unique("c")), "info=user_count").await.is(400);
    }
    "API-31" "subscription_count counts connections" Nothing, |t| {
        let name = unique("presence-");
        let _clients = [joins(&t, &name, "1").await, joins(&t, &name, "1").await];
        let expect = json!({ "occupied": true, "subscription_count": 2 });
        assert_eq!(channel(&t, &name, "subscription_count").await, expect);
    }
    "API-32" "user_count counts distinct users" Nothing, |t| {
        let name = unique("presence-");
        let _clients = [joins(&t, &name, "1").await, joins(&t, &name, "1").await];
        assert_eq!(channel(&t, &name, "user_count").await, json!({ "occupied": true, "user_count": 1 }));
    }
    "API-33" "info=cache is the kept event and its time, or null" Nothing, |t| {
        let name = unique("cache-");
        assert_eq!(channel(&t, &name, "cache").await, json!({ "occupied": false, "cache": null }));
        t.publish(&name, "e", "é").await;
        let cache = channel(&t, &name, "cache").await["cache"].clone();
        assert_eq!(cache["data"], "é", "{cache}");
        assert!(cache["ttl"].as_u64().is_some_and(|ttl| ttl > 0 && ttl <= 1800), "{cache}");
    }
    "API-34" "info=cache of another channel is refused" Nothing, |t| {
        t.get(&format!("/channels/{}", unique("c")), "info=cache").await.is(400);
    }
    "API-35" "users are distinct and have texts for ids" Nothing, |t| {
        let name = unique("presence-");
        let mut clients = vec![joins(&t, &name, "1").await, joins(&t, &name, "1").await];
        let mut third = t.connect().await;
        third.join(&name, r#"{"user_id":2}"#).await;
        clients.push(third);
        let users = t.look(&format!("/channels/{name}/users"), "").await["users"].clone();
        let mut users: Vec<_> = users.as_array().expect("users").clone();
        users.sort_by_key(Value::to_string);
        assert_eq!(users, [json!({ "id": "1" }), json!({ "id": "2" })]);
    }
    "API-36" "users of a public channel are refused" Nothing, |t| {
        t.get(&format!("/channels/{}/users", unique("c")), "").await.is(400);
    }
    "API-37" "an empty presence channel has no users" Nothing, |t| {
        let users = t.look(&format!("/channels/{}/users", unique("presence-")), "").await;
        assert_eq!(users, json!({ "users": [] }));
    }
    "API-38" "an unknown route is 404, a wrong method 405 or 404" Nothing, |t| {
        t.get("/nonsense", "").await.is(404);
        let status = t.post("/channels", "{}").await.status;
        assert!(status == 404 || status == 405, "{status}");
    }
    "API-39" "the deprecated publish is answered with 202 and delivered" Nothing, |t| {
        let channel = unique("c");
        let mut client = joins(&t, &channel, "").await;
        let path = t.path(&format!("/channels/{channel}/events"));
        t.http().await.post(&path, "name=e", "raw é").await.is(202);
        assert_eq!(client.hears("e").await["data"], "raw é");
    }
    "API-40" "a body that is not JSON is refused" Nothing, |t| {
        t.post("/events", "not json").await.is(400);
    }
}
