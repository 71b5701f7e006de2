//! ERR: errors and malformed input.

use crate::support::Needs::{App, Nothing};
use crate::support::{Client, Target, statements, unique};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::Message;

/// Sends a text; an error or silence will do, and the connection stays.
async fn survives(target: &Target, text: &str) {
    let mut client = target.connect().await;
    client.text(text).await;
    client.complains(true).await;
}

/// Two subscribers of one private channel, and its name.
async fn pair(target: &Target) -> (Client, Client, String) {
    let channel = unique("private-");
    let (mut one, mut two) = (target.connect().await, target.connect().await);
    one.subscribe(&channel).await;
    two.subscribe(&channel).await;
    (one, two, channel)
}

statements! {
    "ERR-01" "a pusher:error has an object with a message and no text for a code" Nothing, |t| {
        let mut client = t.connect().await;
        client.text("not json").await;
        let error = client.hears("pusher:error").await;
        assert!(error["data"]["message"].is_string(), "{error}");
        let code = error["data"].get("code").unwrap_or(&Value::Null);
        assert!(code.is_null() || code.is_u64(), "{error}");
    }
    "ERR-02" "text that is not JSON is refused, the connection stays" Nothing, |t| {
        let mut client = t.connect().await;
        client.text("not json").await;
        client.complains(false).await;
    }
    "ERR-03" "JSON that is no object is survived" Nothing, |t| {
        for text in ["[]", r#""x""#, "42"] {
            survives(&t, text).await;
        }
    }
    "ERR-04" "an object without an event is survived" Nothing, |t| {
        survives(&t, r#"{"data":{}}"#).await;
    }
    "ERR-05" "an unknown pusher: event is survived" Nothing, |t| {
        survives(&t, r#"{"event":"pusher:foo","data":{}}"#).await;
        // Not even those hear of it who would hear a client event.
        let (mut one, mut two, channel) = pair(&t).await;
        one.send(&json!({ "event": "pusher:foo", "channel": channel, "data": {} })).await;
        one.complains(true).await;
        two.hears_nothing().await;
    }
    "ERR-06" "an event without client- is not relayed" Nothing, |t| {
        let (mut one, mut two, channel) = pair(&t).await;
        one.send(&json!({ "event": "my-event", "channel": channel, "data": {} })).await;
        one.complains(true).await;
        two.hears_nothing().await;
    }
    "ERR-07" "a forged pusher_internal: event is not relayed" Nothing, |t| {
        let (mut one, mut two, channel) = pair(&t).await;
        let data = json!({ "user_id": "1" }).to_string();
        one.send(&json!({ "event": "pusher_internal:member_added", "channel": channel, "data": data })).await;
        one.complains(true).await;
        two.hears_nothing().await;
    }
    "ERR-08" "a binary frame is refused and not processed" Nothing, |t| {
        let (channel, mut client) = (unique("c"), t.connect().await);
        let subscribe = json!({ "event": "pusher:subscribe", "data": { "channel": channel } }).to_string();
        client.socket.send(Message::binary(subscribe.into_bytes())).await.unwrap();
        match client.raw().await {
            Message::Close(close) => assert_eq!(u16::from(close.expect("a code").code), 1003),
            Message::Text(text) => assert!(text.contains("pusher:error"), "{text}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(t.look(&format!("/channels/{channel}"), "").await["occupied"], false);
    }
    "ERR-09" "a frame over the cap is closed with 1009"
        App { why: "needs an app with a message limit of 2,000 bytes", config: "limits = { max_message_bytes = 2000 }" }, |t| {
        let mut client = t.connect().await;
        client.text("x".repeat(2001)).await;
        assert_eq!(client.closed().await.0, 1009);
    }
    "ERR-10" "a subscription without a channel is refused without a code" Nothing, |t| {
        let mut client = t.connect().await;
        client.send(&json!({ "event": "pusher:subscribe", "data": {} })).await;
        client.complains(false).await;
    }
    "ERR-11" "a subscription whose data is a string works" Nothing, |t| {
        let (channel, mut client) = (unique("c"), t.connect().await);
        let data = json!({ "channel": channel }).to_string();
        let frame = client.ask(&json!({ "event": "pusher:subscribe", "data": data })).await;
        assert_eq!(frame["event"], "pusher_internal:subscription_succeeded", "{frame}");
    }
    "ERR-12" "only a fatal pusher:error comes before connection_established" Nothing, |t| {
        let mut accepted = t.open_as("protocol=5").await;
        accepted.hears("pusher:connection_established").await;
        let mut refused = t.open("/app/nobodys-key?protocol=5").await;
        let error = refused.hears("pusher:error").await;
        assert!(error["data"]["code"].is_u64(), "{error}");
    }
}
