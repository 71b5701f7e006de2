//! API, first part: publishing.

use crate::support::Needs::Nothing;
use crate::support::{Client, Target, statements, unique};
use serde_json::{Value, json};

const TOO_LARGE: &str = "The data content of this event exceeds the allowed maximum (10240 bytes)";

/// A subscriber of a new channel.
async fn subscriber(target: &Target) -> (Client, String) {
    let (channel, mut client) = (unique("c"), target.connect().await);
    client.subscribe(&channel).await;
    (client, channel)
}

/// An event for nobody, with one member changed.
fn event(member: &str, value: Value) -> Value {
    let mut event = json!({ "name": "e", "channel": unique("c"), "data": "x" });
    event[member] = value;
    event
}

/// What a subscriber hears of an event with this name and data.
async fn heard(target: &Target, name: &str, data: &str) -> Value {
    let (mut client, channel) = subscriber(target).await;
    target.publish(&channel, name, data).await;
    client.next().await
}

async fn batch(target: &Target, events: Value) -> crate::support::Answer {
    target.post("/batch_events", &json!({ "batch": events }).to_string()).await
}

statements! {
    "API-01" "an event for one channel is answered with {} and delivered" Nothing, |t| {
        let (mut client, channel) = subscriber(&t).await;
        let answer = t.trigger(&json!({ "name": "e", "channel": channel, "data": "x" })).await;
        answer.ok();
        assert_eq!(answer.body, "{}");
        let expect = json!({ "event": "e", "channel": channel, "data": "x" });
        assert_eq!(client.next().await, expect);
    }
    "API-02" "100 channels are accepted, 101 are not" Nothing, |t| {
        let names: Vec<_> = (0..101).map(|n| unique(&n.to_string())).collect();
        t.trigger(&json!({ "name": "e", "channels": names[..100], "data": "x" })).await.ok();
        t.trigger(&json!({ "name": "e", "channels": names, "data": "x" })).await.is(400);
    }
    "API-03" "a channel that is named twice gets the event once" Nothing, |t| {
        let (mut client, channel) = subscriber(&t).await;
        t.trigger(&json!({ "name": "e", "channels": [channel, channel], "data": "x" })).await.ok();
        client.hears("e").await;
        client.hears_nothing().await;
    }
    "API-04" "the connection of socket_id is left out" Nothing, |t| {
        let (mut one, channel) = subscriber(&t).await;
        let mut two = t.connect().await;
        two.subscribe(&channel).await;
        let event = json!({ "name": "e", "channel": channel, "data": "x", "socket_id": one.socket_id });
        t.trigger(&event).await.ok();
        two.hears("e").await;
        one.hears_nothing().await;
    }
    "API-05" "a malformed socket_id is refused" Nothing, |t| {
        t.trigger(&event("socket_id", json!("1.2:3"))).await.is(400);
    }
    "API-06" "data has at most 10,240 bytes" Nothing, |t| {
        t.trigger(&event("data", json!("é".repeat(5120)))).await.ok();
        t.trigger(&event("data", json!(format!("{}x", "é".repeat(5120))))).await.says(413, TOO_LARGE);
    }
    "API-07" "the name is required and a text" Nothing, |t| {
        let mut nameless = event("name", Value::Null);
        nameless.as_object_mut().unwrap().remove("name");
        t.trigger(&nameless).await.says(400, "Missing required parameter: name");
        t.trigger(&event("name", json!(5))).await.says(400, "Expected name parameter to be a string");
    }
    "API-08" "a name has at most 200 characters" Nothing, |t| {
        t.trigger(&event("name", json!("n".repeat(200)))).await.ok();
        t.trigger(&event("name", json!("n".repeat(201)))).await.is(400);
    }
    "API-09" "the protocol's own names are refused" Nothing, |t| {
        t.trigger(&event("name", json!("pusher:foo"))).await.is(400);
        t.trigger(&event("name", json!("pusher_internal:foo"))).await.is(400);
    }
    "API-10" "a PHP class is delivered as it is" Nothing, |t| {
        assert_eq!(heard(&t, r"App\Events\OrderShipped", "x").await["event"], r"App\Events\OrderShipped");
    }
    "API-11" "a bad channel name is refused" Nothing, |t| {
        t.trigger(&event("channel", json!("a b"))).await.says(400, "Invalid channel name");
    }
    "API-12" "an event without a channel is refused" Nothing, |t| {
        t.trigger(&json!({ "name": "e", "data": "x" })).await.is(400);
    }
    "API-13" "any text is delivered as it is" Nothing, |t| {
        let text = "\"quotes\" \\ é \u{2028} 🎉 \0 \u{7f} / {\"a\":1}";
        assert_eq!(heard(&t, "e", text).await["data"], text);
    }
    "API-14" "info=subscription_count counts connections" Nothing, |t| {
        let (_client, channel) = subscriber(&t).await;
        let mut event = event("info", json!("subscription_count"));
        event["channel"] = json!(channel);
        assert_eq!(t.trigger(&event).await.ok(), json!({ "channels": { channel: { "subscription_count": 1 } } }));
    }
    "API-15" "info on empty channels is zero, users only for presence" Nothing, |t| {
        let (plain, presence) = (unique("my-channel"), unique("presence-"));
        let info = "user_count,subscription_count";
        let event = json!({ "name": "e", "channels": [plain, presence], "data": "x", "info": info });
        let expect = json!({ "channels": {
            plain: { "subscription_count": 0 },
            presence: { "user_count": 0, "subscription_count": 0 },
        } });
        assert_eq!(t.trigger(&event).await.ok(), expect);
    }
    "API-16" "an unknown attribute in info is refused" Nothing, |t| {
        t.trigger(&event("info", json!("bogus"))).await.is(400);
    }
    "API-17" "parameters may stand in the query" Nothing, |t| {
        let (mut client, channel) = subscriber(&t).await;
        let other = unique("c");
        client.subscribe(&other).await;
        let parameters = format!("channels[]={channel}&channels[]={other}&data=x&name=e");
        t.http().await.post(&t.path("/events"), &parameters, "").await.ok();
        let heard = [client.hears("e").await, client.hears("e").await];
        for channel in [channel, other] {
            assert!(heard.iter().any(|frame| frame["channel"] == *channel), "{heard:?}");
        }
    }
    "API-18" "unknown members are ignored" Nothing, |t| {
        t.trigger(&event("unheard_of", json!([1]))).await.ok();
    }
    "API-19" "a refusal is a text that ends with a newline" Nothing, |t| {
        let answer = t.trigger(&event("channel", json!("a b"))).await;
        assert!(answer.body.ends_with('\n') && !answer.body.starts_with('{'), "{:?}", answer.body);
    }
    "API-20" "a batch is answered with {} and delivered in order" Nothing, |t| {
        let (mut client, channel) = subscriber(&t).await;
        let one = json!({ "name": "e1", "channel": channel, "data": "x" });
        let two = json!({ "name": "e2", "channel": channel, "data": "y" });
        assert_eq!(batch(&t, json!([one, two])).await.ok(), json!({}));
        client.hears("e1").await;
        client.hears("e2").await;
    }
    "API-21" "a batch of 11 is refused" Nothing, |t| {
        let events: Vec<_> = (0..11).map(|_| event("data", json!("x"))).collect();
        batch(&t, json!(events)).await.says(400, "Batch too large (11 > 10)");
    }
    "API-22" "an event of a batch has one channel" Nothing, |t| {
        let event = json!({ "name": "e", "channels": ["c"], "data": "x" });
        batch(&t, json!([event])).await.says(400, "Missing required parameter: channel");
    }
    "API-23" "info in a batch is answered by position" Nothing, |t| {
        let answer = batch(&t, json!([event("info", json!("subscription_count")), event("data", json!("x"))])).await;
        assert_eq!(answer.ok(), json!({ "batch": [{ "subscription_count": 0 }, {}] }));
    }
    "API-24" "one event that is too large fails its whole batch" Nothing, |t| {
        let (mut client, channel) = subscriber(&t).await;
        let good = json!({ "name": "e", "channel": channel, "data": "x" });
        batch(&t, json!([good, event("data", json!("x".repeat(10_241)))])).await.is(413);
        client.hears_nothing().await;
    }
}
