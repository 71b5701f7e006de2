//! PNG: pings, idleness, closing.

use crate::support::Needs::{App, Nothing, Us};
use crate::support::{Client, Target, statements, unique};
use futures_util::SinkExt;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, interval, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

const IDLE: crate::support::Needs = App {
    why: "needs an app that probes after 1 s and waits 1 s",
    config: "limits = { activity_timeout_secs = 1, ping_interval_secs = 1, pong_timeout_secs = 1 }",
};

/// Several times what an idle connection has before it is closed.
const LONG: Duration = Duration::from_secs(5);

async fn pong(target: &Target, ping: &str) -> Value {
    let mut client = target.connect().await;
    client.text(ping).await;
    timeout(Duration::from_secs(1), client.hears("pusher:pong")).await.expect("within a second")
}

/// Does something once every half second, for long.
async fn keeps(client: &mut Client, message: impl Fn() -> Message) {
    let (mut due, end) = (interval(Duration::from_millis(500)), Instant::now() + LONG);
    while Instant::now() < end {
        tokio::select! {
            _ = due.tick() => client.socket.send(message()).await.unwrap(),
            message = client.raw() => assert!(!matches!(message, Message::Close(_)), "{message:?}"),
        }
    }
}

/// One who stays in a presence channel, and one who is about to leave it.
async fn pair(target: &Target) -> (Client, Client) {
    let channel = unique("presence-");
    let (mut stays, mut leaves) = (target.connect().await, target.connect().await);
    stays.join(&channel, r#"{"user_id":"1"}"#).await;
    leaves.join(&channel, r#"{"user_id":"2"}"#).await;
    stays.hears("pusher_internal:member_added").await;
    (stays, leaves)
}

/// Closes as a browser does, which must be answered with a Close: the end of the stream is none.
async fn closes(mut client: Client) {
    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    client.socket.close(Some(close)).await.unwrap();
    while !matches!(client.raw().await, Message::Close(_)) {}
}

statements! {
    "PNG-01" "pusher:ping is answered within a second" Nothing, |t| {
        pong(&t, r#"{"event":"pusher:ping","data":{}}"#).await;
    }
    "PNG-02" "pusher:ping without data is answered" Nothing, |t| {
        pong(&t, r#"{"event": "pusher:ping"}"#).await;
    }
    "PNG-03" "pusher:ping with a string for data is answered" Nothing, |t| {
        pong(&t, r#"{"event":"pusher:ping","data":"{}"}"#).await;
    }
    "PNG-04" "the pong has a data member" Nothing, |t| {
        let pong = pong(&t, r#"{"event":"pusher:ping","data":{}}"#).await;
        assert!(pong.get("data").is_some(), "{pong}");
    }
    "PNG-05" "a WebSocket ping is answered with its payload" Nothing, |t| {
        let mut client = t.connect().await;
        client.socket.send(Message::Ping("abc".into())).await.unwrap();
        assert_eq!(client.raw().await, Message::Pong("abc".into()));
    }
    "PNG-06" "a client that answers nothing is closed with 4201" IDLE, |t| {
        let mut stream = tokio::net::TcpStream::connect(t.place().address).await.unwrap();
        let key = crate::support::credentials().key;
        let upgrade = format!(
            "GET /app/{key}?protocol=7 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(upgrade.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        timeout(LONG, stream.read_to_end(&mut all)).await.expect("closed in time").unwrap();
        let close = b"\x88\x19\x10\x69Pong reply not received";
        assert!(all.ends_with(close), "{:?}", String::from_utf8_lossy(&all[all.len().saturating_sub(60)..]));
    }
    "PNG-07" "a client that only sends WebSocket pings stays" IDLE, |t| {
        keeps(&mut t.connect().await, || Message::Ping(Vec::new().into())).await;
    }
    "PNG-08" "a client that only sends pusher:ping stays" IDLE, |t| {
        keeps(&mut t.connect().await, || Message::text(r#"{"event":"pusher:ping"}"#)).await;
    }
    "PNG-09" "a client whose stack answers probes stays" IDLE, |t| {
        let mut client = t.connect().await;
        let end = Instant::now() + LONG;
        // Reading is what makes the stack answer.
        while let Ok(message) = tokio::time::timeout_at(end, client.raw()).await {
            assert!(matches!(message, Message::Ping(_)), "{message:?}");
        }
        client.hears_nothing().await;
    }
    "PNG-10" "a pusher:pong is taken silently" Nothing, |t| {
        let mut client = t.connect().await;
        client.text(r#"{"event":"pusher:pong","data":{}}"#).await;
        client.hears_nothing().await;
    }
    "PNG-11" "a client of protocol 4 never gets pusher:ping" IDLE, |t| {
        let mut client = t.connect_as("protocol=4").await;
        let end = Instant::now() + LONG;
        while let Ok(message) = tokio::time::timeout_at(end, client.raw()).await {
            assert!(matches!(message, Message::Ping(_)), "{message:?}");
        }
    }
    "PNG-12" "a server that stops closes with 4200" Us { why: "stops the server" }, |t| {
        let mut client = t.connect().await;
        t.terminate();
        assert_eq!(client.closed().await.0, 4200);
    }
    "PNG-13" "a client's close is echoed and ends its subscriptions" Nothing, |t| {
        let (mut stays, leaves) = pair(&t).await;
        closes(leaves).await;
        stays.hears("pusher_internal:member_removed").await;
    }
    "PNG-14" "a lost connection ends its subscriptions" Nothing, |t| {
        let (mut stays, leaves) = pair(&t).await;
        leaves.lose().await;
        stays.hears("pusher_internal:member_removed").await;
    }
    "PNG-15" "no close code is from 4300 to 4399" Us { why: "looks at every close code that the code knows" }, |_t| {
        for close in fanfare::protocol::CloseCode::ALL {
            assert!(!(4300..4400).contains(&close.code()), "{close:?}");
        }
    }
    "PNG-16" "close reasons have at most 123 bytes" Us { why: "looks at every close code that the code knows" }, |_t| {
        for close in fanfare::protocol::CloseCode::ALL {
            assert!(close.reason().len() <= 123, "{close:?}");
        }
    }
}
