//! CLI: client events.

use crate::support::Needs::{App, Nothing};
use crate::support::{Client, PATIENCE, Target, statements, unique};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{interval, timeout};

/// Two subscribers of a new channel with this prefix, members 1 and 2 where it has members.
async fn pair(target: &Target, prefix: &str) -> (Client, Client, String) {
    let channel = unique(prefix);
    let (mut one, mut two) = (target.connect().await, target.connect().await);
    if prefix.starts_with("presence-") {
        one.join(&channel, r#"{"user_id":"1"}"#).await;
        two.join(&channel, r#"{"user_id":"2"}"#).await;
        one.hears("pusher_internal:member_added").await;
    } else {
        one.subscribe(&channel).await;
        two.subscribe(&channel).await;
    }
    (one, two, channel)
}

/// What the second subscriber of a private channel hears of an event with this payload.
async fn relayed(target: &Target, data: Value) -> Value {
    let (mut one, mut two, channel) = pair(target, "private-").await;
    one.send(&json!({ "event": "client-x", "channel": channel, "data": data })).await;
    let told = one.drain().await;
    assert!(told.is_empty(), "it is not relayed, its sender is told {told:?}");
    two.hears("client-x").await["data"].clone()
}

/// Sends an event on a private channel that must be refused; the error.
async fn refused(target: &Target, name: &str, data: &str) -> Option<String> {
    let (mut one, mut two, channel) = pair(target, "private-").await;
    one.send(&json!({ "event": name, "channel": channel, "data": data })).await;
    let error = one.complains(false).await;
    two.hears_nothing().await;
    error
}

async fn burst(client: &mut Client, channel: &str, count: usize) {
    for n in 0..count {
        client.send(&json!({ "event": "client-x", "channel": channel, "data": n })).await;
    }
}

statements! {
    "CLI-01" "an event reaches the others and not its sender" Nothing, |t| {
        let (mut one, mut two, channel) = pair(&t, "private-").await;
        one.send(&json!({ "event": "client-x", "channel": channel, "data": {} })).await;
        assert_eq!(two.hears("client-x").await["channel"], *channel);
        one.hears_nothing().await;
        // Once is all.
        two.hears_nothing().await;
    }
    "CLI-02" "an object arrives as a string that holds it" Nothing, |t| {
        let data = relayed(&t, json!({ "t": 1 })).await;
        let text = data.as_str().unwrap_or_else(|| panic!("expected a string, got {data}"));
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), json!({ "t": 1 }));
    }
    "CLI-03" "a string arrives as it is" Nothing, |t| {
        assert_eq!(relayed(&t, json!("as \"it\" is")).await, json!("as \"it\" is"));
    }
    "CLI-04" "on presence channels the sender's user_id is told" Nothing, |t| {
        let (mut one, mut two, channel) = pair(&t, "presence-").await;
        one.send(&json!({ "event": "client-x", "channel": channel, "data": {} })).await;
        assert_eq!(two.hears("client-x").await["user_id"], "1");
    }
    "CLI-05" "on private channels it is not" Nothing, |t| {
        let (mut one, mut two, channel) = pair(&t, "private-").await;
        one.send(&json!({ "event": "client-x", "channel": channel, "data": {} })).await;
        let frame = two.hears("client-x").await;
        assert!(frame.get("user_id").is_none(), "{frame}");
    }
    "CLI-06" "what the sender forges is not relayed" Nothing, |t| {
        let (mut one, mut two, channel) = pair(&t, "presence-").await;
        let forged = json!({ "event": "client-x", "channel": channel, "data": {}, "user_id": "2", "more": 1 });
        one.send(&forged).await;
        let frame = two.hears("client-x").await;
        assert_eq!((&frame["user_id"], frame.get("more")), (&json!("1"), None), "{frame}");
    }
    "CLI-07" "a sender who is not subscribed is refused" Nothing, |t| {
        let (mut one, _two, channel) = pair(&t, "private-").await;
        let mut stranger = t.connect().await;
        stranger.send(&json!({ "event": "client-x", "channel": channel, "data": {} })).await;
        stranger.complains(false).await;
        one.hears_nothing().await;
    }
    "CLI-08" "a public channel has none" Nothing, |t| {
        let (mut one, mut two, channel) = pair(&t, "public").await;
        one.send(&json!({ "event": "client-x", "channel": channel, "data": {} })).await;
        let error = one.complains(false).await;
        assert_eq!(error.as_deref(), Some("Client event rejected - only supported on private and presence channels"));
        two.hears_nothing().await;
    }
    "CLI-09" "an app without client events says so" App { why: "needs an app without client events", config: "client_events = \"none\"" }, |t| {
        let error = refused(&t, "client-x", "").await;
        let text = "To send client events, you must enable this feature in the Settings page of your dashboard.";
        assert_eq!(error.as_deref(), Some(text));
    }
    "CLI-10" "the 11th event in a second is refused, and later ones pass" Nothing, |t| {
        let (mut one, mut two, channel) = pair(&t, "private-").await;
        burst(&mut one, &channel, 11).await;
        let errors = one.drain().await;
        assert_eq!(errors.iter().map(|frame| &frame["data"]["code"]).collect::<Vec<_>>(), [4301], "{errors:?}");
        assert_eq!(two.drain().await.len(), 10);
        let mut due = interval(Duration::from_millis(200));
        let passes = async {
            while two.drain().await.is_empty() {
                due.tick().await;
                burst(&mut one, &channel, 1).await;
                one.drain().await;
            }
        };
        timeout(PATIENCE, passes).await.expect("no event passed again");
    }
    "CLI-11" "each connection has its own limit" Nothing, |t| {
        let (mut one, mut two, channel) = pair(&t, "private-").await;
        burst(&mut one, &channel, 10).await;
        burst(&mut two, &channel, 10).await;
        assert!(one.drain().await.iter().chain(&two.drain().await).all(|frame| frame["event"] == "client-x"));
    }
    "CLI-12" "data over 10,240 bytes is refused" Nothing, |t| {
        assert_eq!(relayed(&t, json!("x".repeat(10_240))).await.as_str().map(str::len), Some(10_240));
        refused(&t, "client-x", &"x".repeat(10_241)).await;
    }
    "CLI-13" "a name over 200 characters is refused" Nothing, |t| {
        refused(&t, &format!("client-{}", "x".repeat(194)), "").await;
    }
    "CLI-14" "another connection of the same member hears it" Nothing, |t| {
        let (mut one, _two, channel) = pair(&t, "presence-").await;
        let mut tab = t.connect().await;
        tab.join(&channel, r#"{"user_id":"1"}"#).await;
        one.send(&json!({ "event": "client-x", "channel": channel, "data": {} })).await;
        tab.hears("client-x").await;
    }
    "CLI-15" "a user's own channel has none" Nothing, |t| {
        let user = unique("u");
        let channel = format!("#server-to-user-{user}");
        let user_data = json!({ "id": user }).to_string();
        let mut one = t.connect().await.signed_in(&user_data).await;
        let mut two = t.connect().await.signed_in(&user_data).await;
        one.subscribe(&channel).await;
        two.subscribe(&channel).await;
        one.send(&json!({ "event": "client-x", "channel": channel, "data": {} })).await;
        one.complains(false).await;
        two.hears_nothing().await;
    }
    "CLI-16" "without data the string null is delivered" Nothing, |t| {
        let (mut one, mut two, channel) = pair(&t, "private-").await;
        one.send(&json!({ "event": "client-x", "channel": channel })).await;
        assert_eq!(two.hears("client-x").await["data"], "null");
    }
}
