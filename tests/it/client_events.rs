//! Client events (CLI).

use crate::support::TestServer;
use fanfare::app::ClientEvents;
use serde_json::json;

#[tokio::test]
async fn others_hear_them_and_the_sender_does_not() {
    let server = TestServer::start();
    let (mut sender, mut other) = (server.connect().await, server.connect().await);
    for client in [&mut sender, &mut other] {
        client.subscribe("private-a").await;
    }
    for (sent, heard) in [
        (json!({ "t": 1 }), r#"{"t":1}"#),
        (json!("as it is"), "as it is"),
        (json!([1, null]), "[1,null]"),
        (json!(null), "null"),
        (json!("\u{2028}😀\"\\\u{0}"), "\u{2028}😀\"\\\u{0}"),
    ] {
        let frame = json!({
            "event": "client-x", "channel": "private-a", "data": sent, "user_id": "forged", "socket_id": "1.1"
        });
        sender.send(&frame).await;
        let expect = json!({ "event": "client-x", "channel": "private-a", "data": heard });
        assert_eq!(other.next().await, expect);
    }
    sender.send(&json!({ "event": "client-x", "channel": "private-a" })).await;
    assert_eq!(other.next().await["data"], "null");
    sender.hears_nothing().await;
}

#[tokio::test]
async fn presence_names_the_sender_also_to_its_other_connections() {
    let server = TestServer::start();
    let (mut sender, mut tab) = (server.connect().await, server.connect().await);
    for client in [&mut sender, &mut tab] {
        client.join("presence-a", r#"{"user_id":7}"#).await;
    }
    sender.send(&json!({ "event": "client-x", "channel": "presence-a", "data": {} })).await;
    let expect = json!({ "event": "client-x", "channel": "presence-a", "data": "{}", "user_id": "7" });
    assert_eq!(tab.next().await, expect);
    sender.hears_nothing().await;
}

#[tokio::test]
async fn the_rules_are_told_and_nothing_is_delivered() {
    let server = TestServer::with_limits(|limits| limits.client_events_per_second = 1000);
    let (mut sender, mut other) = (server.connect().await, server.connect().await);
    for channel in ["private-a", "private-b", "public"] {
        other.subscribe(channel).await;
    }
    sender.subscribe("private-a").await;
    sender.subscribe("public").await;
    let long = format!("client-{}", "x".repeat(194));
    for (event, channel, data, part) in [
        ("client-x", json!("private-b"), json!({}), "not subscribed to channel private-b"),
        ("client-x", json!("public"), json!({}), "only supported on private and presence channels"),
        ("client-x", json!("#server-to-user-1"), json!({}), "only supported on private and presence channels"),
        ("client-x", json!(null), json!({}), "must contain channel and data"),
        ("client-x", json!(5), json!({}), "must contain channel and data"),
        ("client-x", json!("private-a"), json!("x".repeat(10_241)), "at most 10240 bytes"),
        (&*long, json!("private-a"), json!({}), "at most 200 characters"),
        ("my-event", json!("private-a"), json!({}), "Unknown event my-event"),
        ("pusher_internal:member_added", json!("private-a"), json!({}), "Unknown event"),
        ("pusher:foo", json!("private-a"), json!({}), "Unknown event pusher:foo"),
    ] {
        sender.send(&json!({ "event": event, "channel": channel, "data": data })).await;
        let error = sender.error().await;
        assert!(error.contains(part), "{event} {channel}: {error}");
    }
    other.hears_nothing().await;
    sender.send(&json!({ "event": &long[..200], "channel": "private-a", "data": "x".repeat(10_240) })).await;
    assert_eq!(other.next().await["data"].as_str().unwrap().len(), 10_240);
}

#[tokio::test]
async fn each_connection_has_ten_a_second() {
    let server = TestServer::start();
    let (mut fast, mut other) = (server.connect().await, server.connect().await);
    for client in [&mut fast, &mut other] {
        client.subscribe("private-a").await;
    }
    let event = json!({ "event": "client-x", "channel": "private-a", "data": {} });
    for _ in 0..11 {
        fast.send(&event).await;
    }
    assert_eq!(
        fast.next().await,
        json!({ "event": "pusher:error", "data": { "code": 4301, "message": "Client event rejected due to rate limit" } })
    );
    for _ in 0..10 {
        assert_eq!(other.next().await["event"], "client-x");
    }
    other.send(&event).await;
    assert_eq!(fast.next().await["event"], "client-x");
    other.hears_nothing().await;
}

#[tokio::test]
async fn an_app_may_refuse_them_all() {
    let server = TestServer::with(|config| config.apps[0].client_events = ClientEvents::None);
    let mut client = server.connect().await;
    client.subscribe("private-a").await;
    client.send(&json!({ "event": "client-x", "channel": "private-a", "data": {} })).await;
    assert_eq!(
        client.error().await,
        "To send client events, you must enable this feature in the Settings page of your dashboard."
    );
}
