//! Public and private channels (SUB, PRV).

use crate::support::{KEY, TestServer, auth};
use serde_json::json;

#[tokio::test]
async fn public_channels_ignore_auth() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    let long = "a".repeat(164);
    for (n, data) in [
        json!({ "auth": "", "channel": "my-channel" }),
        json!({ "channel": "foo-bar_1234@=,.;" }),
        json!({ "auth": "garbage", "channel_data": "{", "channel": "privatefoo" }),
        json!({ "auth": 5, "channel": "presencefoo" }),
        json!({ "channel": long }),
        json!(r#"{"channel":"in-a-string"}"#),
    ]
    .iter()
    .enumerate()
    {
        let frame = client.ask(&json!({ "event": "pusher:subscribe", "data": data })).await;
        assert_eq!(
            (&frame["event"], &frame["data"]),
            (&json!("pusher_internal:subscription_succeeded"), &json!("{}")),
            "{data}"
        );
        assert_eq!(server.channels(), n + 1);
    }
}

#[tokio::test]
async fn invalid_names_are_refused_and_nothing_is_subscribed() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    let long = "a".repeat(165);
    for channel in ["a b", "a/b", "a:b", "a#b", "#server-to-user-", "é", "a\n", "", &long] {
        client.send(&json!({ "event": "pusher:subscribe", "data": { "channel": channel } })).await;
        let refusal = client.refused(channel).await;
        assert_eq!((&refusal["type"], &refusal["status"]), (&json!("InvalidChannel"), &json!(400)), "{channel:?}");
    }
    assert_eq!(server.channels(), 0);
}

#[tokio::test]
async fn events_reach_every_subscriber_once_and_in_order() {
    let server = TestServer::start();
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    one.subscribe("my-channel").await;
    two.subscribe("my-channel").await;
    one.send(&json!({ "event": "pusher:subscribe", "data": { "channel": "my-channel" } })).await;
    assert_eq!(one.error().await, "Existing subscription to channel my-channel");
    for data in ["1", "2", "3"] {
        server.publish("my-channel", "my-event", data).await;
    }
    for client in [&mut one, &mut two] {
        for data in ["1", "2", "3"] {
            let expect = json!({ "event": "my-event", "channel": "my-channel", "data": data });
            assert_eq!(client.next().await, expect);
        }
        client.hears_nothing().await;
    }
}

#[tokio::test]
async fn after_unsubscribing_nothing_comes_until_subscribing_again() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    client.subscribe("a").await;
    client.unsubscribe("a").await;
    client.hears_nothing().await;
    server.publish("a", "e", "lost").await;
    client.hears_nothing().await;
    client.subscribe("a").await;
    server.publish("a", "e", "heard").await;
    assert_eq!(client.next().await["data"], "heard");
    client.unsubscribe("a").await;
    client.unsubscribe("a").await;
    assert_eq!(client.error().await, "No current subscription to channel a, or subscription in progress");
}

/// A publisher that never pauses, and subscribers that come while it publishes: none hears an event before it is told
/// that it is subscribed, and from there on none misses one (SUB-15).
#[tokio::test(flavor = "multi_thread")]
async fn subscribing_and_publishing_at_once_keeps_the_order() {
    let server = TestServer::start();
    let mut http = server.http().await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let publisher = tokio::spawn(async move {
        let mut n = 0;
        while stopped.try_recv().is_err() {
            http.trigger(&json!({ "name": n.to_string(), "channel": "busy", "data": "" })).await.expect(200, "{}");
            n += 1;
        }
    });
    for _ in 0..50 {
        let mut client = server.connect().await;
        client.subscribe("busy").await;
        let number = |frame: serde_json::Value| frame["event"].as_str().unwrap().parse::<u32>().unwrap();
        let first = number(client.next().await);
        for n in 1..5 {
            assert_eq!(number(client.next().await), first + n);
        }
    }
    stop.send(()).unwrap();
    publisher.await.unwrap();
}

#[tokio::test]
async fn one_subscriber_leaving_does_not_disturb_the_others() {
    let server = TestServer::start();
    let (gone, mut stays) = (server.connect().await, server.connect().await);
    stays.subscribe("a").await;
    drop(gone);
    server.publish("a", "e", "x").await;
    assert_eq!(stays.next().await["data"], "x");
}

#[tokio::test]
async fn private_channels_take_exactly_the_right_signature() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    let (id, other) = (client.socket_id.clone(), server.connect().await.socket_id);
    let good = auth(&[&id, ":private-foobar"]);
    let with_data = auth(&[&id, ":private-foobar:{\"a\":1}"]);
    let wrong_digit = if good.ends_with('0') { '1' } else { '0' };
    for (auth, channel_data) in [
        (json!(format!("{}{wrong_digit}", &good[..good.len() - 1])), None),
        (json!(auth(&[&other, ":private-foobar"])), None),
        (json!(auth(&[&id, ":private-other"])), None),
        (json!(good.replace(KEY, "another-key")), None),
        (json!(good.to_uppercase()), None),
        (json!(good.split_once(':').unwrap().1), None),
        (json!(""), None),
        (json!(null), None),
        (json!(7), None),
        (json!(good), Some(r#"{"a":1}"#)),
        (json!(with_data), None),
    ] {
        let mut data = json!({ "channel": "private-foobar", "auth": auth });
        if let Some(channel_data) = channel_data {
            data["channel_data"] = channel_data.into();
        }
        client.send(&json!({ "event": "pusher:subscribe", "data": data })).await;
        let refusal = client.refused("private-foobar").await;
        assert_eq!((&refusal["type"], &refusal["status"]), (&json!("AuthError"), &json!(401)), "{data}");
        let text = refusal["error"].as_str().unwrap();
        let right = if channel_data.is_some() { &with_data } else { &good };
        assert!(text.starts_with("Invalid signature: Expected HMAC SHA256 hex digest of "), "{text}");
        let digest = right.split_once(':').unwrap().1;
        let sent = auth.as_str().is_some_and(|auth| auth.contains(digest));
        assert!(sent || !text.contains(digest), "{text} tells the right digest");
    }
    assert_eq!(server.channels(), 0);
    client.subscribe("private-foobar").await;
    let data = json!({ "channel": "private-foobar2", "auth": auth(&[&id, ":private-foobar2:x"]), "channel_data": "x" });
    let frame = client.ask(&json!({ "event": "pusher:subscribe", "data": data })).await;
    assert_eq!(frame["event"], "pusher_internal:subscription_succeeded");
}
