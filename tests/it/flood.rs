//! Clients that say more, or ask for more, than anybody should: they delay themselves and nobody else.

use crate::support::{Client, TestServer, auth};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::Message;

fn subscribe(channel: &str) -> Value {
    json!({ "event": "pusher:subscribe", "data": { "channel": channel } })
}

/// Says all of it before the server has answered any.
async fn say_at_once(client: &mut Client, frames: impl Iterator<Item = Value>) {
    for frame in frames {
        client.socket.feed(Message::text(frame.to_string())).await.unwrap();
    }
    client.socket.flush().await.unwrap();
}

/// What a page with many channels asks for when it comes back: more than an outbox holds at a time.
#[tokio::test]
async fn answers_to_many_subscriptions_at_once_all_arrive() {
    let server = TestServer::with_limits(|limits| limits.outbox_bytes = 65_536);
    let channels: Vec<_> = (0..60).map(|n| format!("cache-{n}")).collect();
    let data = "x".repeat(10_000);
    for channel in &channels {
        server.publish(channel, "kept", &data).await;
    }
    let mut client = server.connect().await;
    say_at_once(&mut client, channels.iter().map(|channel| subscribe(channel))).await;
    for channel in &channels {
        for event in ["pusher_internal:subscription_succeeded", "kept"] {
            let frame = client.next().await;
            assert_eq!((frame["event"].as_str(), frame["channel"].as_str()), (Some(event), Some(&**channel)));
        }
    }
}

/// Each join and each leave is told to a member that reads all it gets.
#[tokio::test]
async fn coming_and_going_without_end_disconnects_nobody_else() {
    let server = TestServer::with_limits(|limits| limits.outbox_bytes = 65_536);
    let (mut member, mut restless) = (server.connect().await, server.connect().await);
    member.join("presence-a", r#"{"user_id":"1"}"#).await;
    let channel_data = json!({ "user_id": "2", "user_info": "x".repeat(1000) }).to_string();
    let auth = auth(&[&restless.socket_id, ":presence-a:", &channel_data]);
    let data = json!({ "channel": "presence-a", "auth": auth, "channel_data": channel_data });
    let join = json!({ "event": "pusher:subscribe", "data": data });
    let leave = json!({ "event": "pusher:unsubscribe", "data": { "channel": "presence-a" } });
    let times = 1000;
    let restless = tokio::spawn(async move {
        for _ in 0..times / 50 {
            let turns = (0..50).flat_map(|_| [join.clone(), leave.clone()]);
            say_at_once(&mut restless, turns).await;
            for _ in 0..50 {
                assert_eq!(restless.next().await["event"], "pusher_internal:subscription_succeeded");
            }
        }
    });
    for _ in 0..times {
        for event in ["pusher_internal:member_added", "pusher_internal:member_removed"] {
            assert_eq!(member.next().await["event"], event);
        }
    }
    restless.await.unwrap();
    assert_eq!(server.total(|metrics| &metrics.closed_over_bytes_total), 0);
}
