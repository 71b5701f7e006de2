//! Connecting (CON) and keeping alive (PNG).

use crate::support::{Client, KEY, PATIENCE, SECRET, TestServer};
use fanfare::app::{App, Origins};
use futures_util::SinkExt;
use serde_json::json;
use std::collections::HashSet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

#[tokio::test]
async fn the_first_frame_names_the_socket() {
    let server = TestServer::start();
    for query in [
        "?protocol=7&client=js&version=8.6.0&flash=false",
        "?protocol=4",
        "?protocol=5",
        "?protocol=6",
        "",
        "?cluster=eu&x=1",
    ] {
        let client = Client::connect(server.place(), &format!("/app/{KEY}{query}")).await;
        assert_eq!(client.established["activity_timeout"], 120);
        let (high, low) = client.socket_id.split_once('.').unwrap();
        assert!([high, low].iter().all(|half| half.parse::<u32>().is_ok_and(|n| (1..=1_000_000_000).contains(&n))));
    }
    server.has_counted(|metrics| &metrics.connections_total, 6);
}

#[tokio::test]
async fn socket_ids_are_distinct() {
    let server = TestServer::start();
    let mut ids = HashSet::new();
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(server.connect().await);
        assert!(ids.insert(clients.last().unwrap().socket_id.clone()));
    }
    assert_eq!(server.connections(), 200);
}

#[tokio::test]
async fn refusals_are_told_by_close_code_after_the_upgrade() {
    let server = TestServer::with(|config| {
        let mut disabled = App::new("4", "disabled", SECRET);
        disabled.enabled = false;
        config.apps.push(disabled);
    });
    for (path, code) in [
        ("/app/nobody?protocol=7".to_owned(), 4001),
        ("/app/%ff?protocol=7".to_owned(), 4001),
        ("/app/disabled?protocol=7".to_owned(), 4003),
        ("/nonsense?protocol=7".to_owned(), 4005),
        ("/app/?protocol=7".to_owned(), 4005),
        (format!("/app/{KEY}?protocol=3"), 4007),
        (format!("/app/{KEY}?protocol=8"), 4007),
        (format!("/app/{KEY}?protocol=0"), 4007),
        (format!("/app/{KEY}?protocol=-7"), 4007),
        (format!("/app/{KEY}?protocol=abc"), 4007),
    ] {
        let mut client = Client::open(server.place(), &path).await;
        if path.ends_with("=3") || path.ends_with("=0") {
            assert_eq!(client.next().await["data"]["code"], code, "{path}");
        }
        let Message::Close(Some(frame)) = client.message().await else { panic!("{path} was not closed") };
        assert_eq!(u16::from(frame.code), code, "{path}");
        assert!(!frame.reason.is_empty() && frame.reason.len() <= 123);
    }
}

#[tokio::test]
async fn protocol_5_reads_an_error_before_the_close() {
    let server = TestServer::start();
    let mut client = Client::open(server.place(), "/app/nobody?protocol=5").await;
    let frame = client.next().await;
    let expect = json!({ "event": "pusher:error", "data": { "code": 4001, "message": "Application does not exist" } });
    assert_eq!(frame, expect);
    assert_eq!(client.closed().await, (4001, "Application does not exist".to_owned()));
}

#[tokio::test]
async fn an_app_at_its_limit_refuses_one_more_until_one_leaves() {
    let server = TestServer::with_limits(|limits| limits.max_connections = 2);
    let (first, mut second) = (server.connect().await, server.connect().await);
    let mut third = Client::open(server.place(), &format!("/app/{KEY}?protocol=7")).await;
    assert_eq!(third.closed().await.0, 4004);
    second.hears_nothing().await;
    first.close().await;
    crate::support::eventually("the first one's place is free", || server.connections() == 1).await;
    server.connect().await.hears_nothing().await;
}

#[tokio::test]
async fn apps_do_not_mix() {
    let server = TestServer::with(|config| {
        config.apps.push(App::new("4", "other", SECRET));
    });
    let mut ours = server.connect().await;
    let mut theirs = Client::connect(server.place(), "/app/other").await;
    ours.subscribe("a").await;
    theirs.subscribe("a").await;
    server.publish("a", "e", "x").await;
    assert_eq!(ours.next().await["event"], "e");
    theirs.hears_nothing().await;
}

#[tokio::test]
async fn the_prefix_is_one_way_in_and_the_root_another() {
    let server = TestServer::with(|config| config.server.path = "/ws".to_owned());
    for prefix in ["/ws", ""] {
        Client::connect(server.place(), &format!("{prefix}/app/{KEY}?protocol=7")).await.hears_nothing().await;
        let mut http = server.http().await;
        http.request("GET", &format!("{prefix}/up"), "").await.expect(200, r#"{"health":"OK"}"#);
    }
    let mut lost = Client::open(server.place(), &format!("/other/app/{KEY}")).await;
    assert_eq!(lost.closed().await.0, 4005);
}

#[tokio::test]
async fn origins_are_checked_where_they_are_configured() {
    let server = TestServer::with(|config| config.apps[0].allowed_origins = Origins::new(["*.example.test"]));
    for (origin, expect) in
        [(Some("https://app.example.test"), None), (Some("https://evil.test"), Some(4009)), (None, Some(4009))]
    {
        let place = server.place();
        let mut request = format!("ws://{place}/app/{KEY}").into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        let mut client = Client::request(place, request).await;
        match expect {
            Some(code) => assert_eq!(client.closed().await.0, code),
            None => assert_eq!(client.next().await["event"], "pusher:connection_established"),
        }
    }
}

#[tokio::test]
async fn the_subprotocol_is_echoed_if_it_is_ours() {
    let server = TestServer::start();
    for (offered, echoed) in [(Some("chat, pusher-channels-protocol-7"), true), (Some("chat"), false), (None, false)] {
        let mut http = server.http().await;
        let header = offered.map(|value| format!("Sec-WebSocket-Protocol: {value}\r\n")).unwrap_or_default();
        http.raw(upgrade(&header).as_bytes()).await;
        let answer = http.answer().await;
        assert_eq!(answer.status, 101);
        assert!(answer.head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{}", answer.head);
        assert_eq!(answer.head.contains("sec-websocket-protocol: pusher-channels-protocol-7\r\n"), echoed);
        assert_eq!(answer.head.contains("sec-websocket-protocol"), echoed);
    }
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused_by_status() {
    let server = TestServer::start();
    let good = upgrade("");
    for (from, to, status, part) in [
        ("Upgrade: websocket\r\n", "", 426, "Upgrade to websocket"),
        ("Connection: keep-alive, Upgrade\r\n", "", 400, "Connection: Upgrade"),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426, "version 13"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400, "Sec-WebSocket-Key"),
    ] {
        let mut http = server.http().await;
        http.raw(good.replace(from, to).as_bytes()).await;
        http.answer().await.expect_error(status, part);
    }
    let mut http = server.http().await;
    http.request("GET", "/nonsense", "").await.expect_error(404, "Not found");
}

#[tokio::test]
async fn frames_sent_with_the_handshake_are_not_lost() {
    let server = TestServer::start();
    let mut http = server.http().await;
    let ping = br#"{"event":"pusher:ping"}"#;
    let mut request = upgrade("").into_bytes();
    request.extend([0x81, 0x80 | u8::try_from(ping.len()).unwrap(), 0, 0, 0, 0]);
    request.extend(ping);
    http.raw(&request).await;
    assert_eq!(http.answer().await.status, 101);
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("pusher:pong") {
        let read = tokio::time::timeout(PATIENCE, http.0.read_buf(&mut seen)).await.unwrap().unwrap();
        assert!(read > 0);
    }
}

#[tokio::test]
async fn pings_are_answered_in_kind() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    for ping in [
        r#"{"event":"pusher:ping","data":{}}"#,
        r#"{"event": "pusher:ping"}"#,
        r#"{"event":"pusher:ping","data":"{}"}"#,
    ] {
        client.text(ping).await;
        assert_eq!(client.next().await, json!({ "event": "pusher:pong", "data": "{}" }));
    }
    client.socket.send(Message::Ping("abc".into())).await.unwrap();
    assert_eq!(client.message().await, Message::Pong("abc".into()));
}

#[tokio::test]
async fn a_client_that_answers_nothing_is_closed_and_one_that_pongs_is_not() {
    let server = TestServer::with_limits(|limits| (limits.ping_interval_secs, limits.pong_timeout_secs) = (1, 1));
    let mut silent = server.http().await;
    silent.raw(upgrade("").as_bytes()).await;
    let mut polite = server.connect().await;
    let mut seen = Vec::new();
    let (read, ()) = tokio::join!(tokio::time::timeout(PATIENCE, silent.0.read_to_end(&mut seen)), async {
        // tungstenite answers a probe while it is read for, so a third one means that two answers were taken.
        for _ in 0..3 {
            assert_eq!(polite.message().await, Message::Ping("".into()));
        }
    });
    read.expect("a silent client stays connected").unwrap();
    let close = [&[0x88, 25, 0x10, 0x69][..], b"Pong reply not received"].concat();
    assert!(seen.windows(close.len()).any(|window| window == close), "{:?}", String::from_utf8_lossy(&seen));
    polite.hears_nothing().await;
}

#[tokio::test]
async fn a_close_is_echoed_and_a_lost_connection_is_noticed() {
    let server = TestServer::start();
    let mut watcher = server.connect().await;
    watcher.join("presence-a", r#"{"user_id":"w"}"#).await;
    for polite in [true, false] {
        let mut client = server.connect().await;
        client.join("presence-a", r#"{"user_id":"c"}"#).await;
        assert_eq!(watcher.next().await["event"], "pusher_internal:member_added");
        if polite {
            client.socket.send(Message::Close(None)).await.unwrap();
            assert!(matches!(client.message().await, Message::Close(_)));
        } else {
            client.socket.get_mut().shutdown().await.unwrap();
        }
        assert_eq!(watcher.next().await["event"], "pusher_internal:member_removed");
    }
}

/// A handshake as the RFC writes it.
pub(crate) fn upgrade(header: &str) -> String {
    format!(
        "GET /app/{KEY}?protocol=7 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         {header}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}
