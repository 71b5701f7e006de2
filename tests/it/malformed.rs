//! What no client should send (ERR), and that it stays with the connection that sent it.

use crate::connect::upgrade;
use crate::support::{PATIENCE, TestServer};
use futures_util::SinkExt;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn mistakes_in_text_are_answered_and_survived() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    for text in
        ["not json", "[]", r#""x""#, "42", "{}", r#"{"data":{}}"#, r#"{"event":7}"#, "{\"event\":", "\u{feff}{}"]
    {
        client.text(text).await;
        assert!(!client.error().await.is_empty(), "{text}");
    }
    for data in [json!({}), json!(null), json!("x"), json!({ "channel": 7 }), json!([])] {
        client.send(&json!({ "event": "pusher:subscribe", "data": data })).await;
        assert_eq!(client.error().await, "Missing parameter: data.channel");
    }
    client.socket.send(Message::Binary(br#"{"event":"pusher:ping"}"#[..].into())).await.unwrap();
    assert!(client.error().await.starts_with("Binary messages are not supported"));
    client.text("[".repeat(60_000)).await;
    assert_eq!(client.error().await, "Received invalid JSON");
    client.hears_nothing().await;
}

/// Sends raw bytes after the handshake and returns the code of the close frame that comes back.
async fn close_code(server: &TestServer, bytes: &[u8]) -> u16 {
    let mut raw = server.http().await;
    raw.raw(upgrade("").as_bytes()).await;
    assert_eq!(raw.answer().await.status, 101);
    raw.raw(bytes).await;
    let mut seen = Vec::new();
    timeout(PATIENCE, raw.0.read_to_end(&mut seen)).await.expect("never closed").unwrap();
    let established = 2 + usize::from(seen[1]);
    assert_eq!(seen[established], 0x88, "{:?}", String::from_utf8_lossy(&seen));
    u16::from_be_bytes([seen[established + 2], seen[established + 3]])
}

#[tokio::test]
async fn faults_of_framing_close_the_connection_alone() {
    let server = TestServer::with_limits(|limits| limits.max_message_bytes = 1024);
    let mut bystander = server.connect().await;
    let masked = |first: u8, len: u8| [first, 0x80 | len, 0, 0, 0, 0].to_vec();
    for (what, bytes, code) in [
        ("text that is not UTF-8", [masked(0x81, 2), vec![0xc3, 0x28]].concat(), 1007),
        ("an unmasked frame", vec![0x81, 2, b'{', b'}'], 1002),
        ("a reserved opcode", masked(0x83, 0), 1002),
        ("a reserved bit", masked(0xc1, 0), 1002),
        ("a continuation of nothing", masked(0x80, 0), 1002),
        ("a fragmented ping", masked(0x09, 0), 1002),
        // Only the header: the frame is refused for what it announces.
        ("a frame over the limit", [vec![0x81, 0x80 | 126, 4, 1], vec![0; 4]].concat(), 1009),
        ("a frame of 2^63 - 1 bytes", [vec![0x81, 0xff, 0x7f], vec![0xff; 7], vec![0; 4]].concat(), 1009),
        (
            "fragments over the limit together",
            [masked(0x01, 100), vec![b'x'; 100], vec![0x80, 0x80 | 126, 3, 232, 0, 0, 0, 0], vec![b'x'; 1000]].concat(),
            1009,
        ),
    ] {
        assert_eq!(close_code(&server, &bytes).await, code, "{what}");
    }
    bystander.hears_nothing().await;
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_passes() {
    let server = TestServer::with_limits(|limits| limits.max_message_bytes = 1024);
    let mut client = server.connect().await;
    let ping = |len: usize| format!("{:<len$}", r#"{"event":"pusher:ping"}"#);
    client.text(ping(1024)).await;
    assert_eq!(client.next().await["event"], "pusher:pong");
    client.text(ping(1025)).await;
    assert_eq!(client.closed().await, (1009, "Maximum message size exceeded".to_owned()));
}

#[tokio::test]
async fn a_close_with_much_unread_input_still_arrives() {
    let server = TestServer::with_limits(|limits| limits.max_message_bytes = 1024);
    let bytes = [vec![0x81, 0xff, 0, 0, 0, 0, 0, 4, 0, 0], vec![0; 4], vec![b'x'; 256 * 1024]].concat();
    assert_eq!(close_code(&server, &bytes).await, 1009);
}

#[tokio::test]
async fn fragments_make_one_message() {
    let server = TestServer::start();
    let mut raw = server.http().await;
    raw.raw(upgrade("").as_bytes()).await;
    raw.answer().await;
    let fragment = |first: u8, text: &str| {
        [&[first, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0][..], text.as_bytes()].concat()
    };
    raw.raw(&[fragment(0x01, r#"{"event":"#), fragment(0x89, "x"), fragment(0x80, r#""pusher:ping"}"#)].concat()).await;
    let mut seen = Vec::new();
    while !seen.ends_with(br#"{"event":"pusher:pong","data":"{}"}"#) {
        assert!(timeout(PATIENCE, raw.0.read_buf(&mut seen)).await.unwrap().unwrap() > 0);
    }
    assert!(seen.windows(3).any(|window| window == [0x8a, 1, b'x']), "the ping between was not answered");
}
