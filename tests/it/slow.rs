//! Clients that do not take what they are sent (G6).

use crate::support::{Http, TestServer, eventually};
use serde_json::json;
use tokio::io::AsyncWriteExt;

/// Publishes 50 KiB events until `enough`; sockets' own buffers take some megabytes before a client counts as slow.
async fn flood(http: &mut Http, mut enough: impl FnMut() -> bool) -> usize {
    let data = "x".repeat(50 * 1024);
    for n in 0..2000 {
        if enough() {
            return n;
        }
        http.trigger(&json!({ "name": n.to_string(), "channel": "a", "data": data })).await.expect(200, "{}");
    }
    panic!("2,000 events were not enough");
}

#[tokio::test]
async fn one_that_falls_behind_is_closed_with_4100_and_misses_nothing_before() {
    let server = TestServer::with_limits(|limits| {
        (limits.max_event_data_bytes, limits.outbox_bytes) = (64 * 1024, 256 * 1024);
    });
    let (mut slow, mut fast) = (server.connect().await, server.connect().await);
    slow.subscribe("a").await;
    fast.subscribe("a").await;
    let reader = tokio::spawn(async move {
        let mut heard = 0;
        while fast.next().await["event"] != "end" {
            heard += 1;
        }
        heard
    });
    let sent = flood(&mut server.http().await, || server.total(|metrics| &metrics.closed_over_bytes_total) > 0).await;
    server.publish("a", "end", "").await;
    let mut heard = 0;
    let code = loop {
        match slow.message().await {
            tokio_tungstenite::tungstenite::Message::Text(text) => {
                let expect = format!(r#"{{"event":"{heard}","#);
                assert!(text.starts_with(&expect), "{}", &text[..40]);
                heard += 1;
            }
            tokio_tungstenite::tungstenite::Message::Close(frame) => break u16::from(frame.unwrap().code),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 4100);
    assert!(heard > 0 && heard < sent);
    assert_eq!(reader.await.unwrap(), sent);
    assert_eq!(
        (
            server.total(|metrics| &metrics.closed_over_bytes_total),
            server.total(|metrics| &metrics.closed_over_deadline_total)
        ),
        (1, 0)
    );
}

#[tokio::test]
async fn one_that_stops_reading_is_given_up_after_the_deadline() {
    let server = TestServer::with_limits(|limits| {
        (limits.max_event_data_bytes, limits.outbox_bytes, limits.write_timeout_secs) = (64 * 1024, 64 << 20, 1);
    });
    let mut stuck = server.connect().await;
    stuck.subscribe("a").await;
    let mut sent = 0;
    flood(&mut server.http().await, || {
        sent += 1;
        sent > 600
    })
    .await;
    eventually("the stuck client is given up", || server.total(|metrics| &metrics.closed_over_deadline_total) == 1)
        .await;
    eventually("its place is free", || server.connections() == 0).await;
    assert_eq!(server.total(|metrics| &metrics.closed_over_bytes_total), 0);
}

#[tokio::test]
async fn one_that_asks_and_never_listens_is_closed_too() {
    let server = TestServer::with_limits(|limits| limits.write_timeout_secs = 1);
    let mut raw = server.http().await;
    raw.raw(crate::connect::upgrade("").as_bytes()).await;
    raw.answer().await;
    let ping = br#"{"event":"pusher:ping"}"#;
    let frame = [&[0x81, 0x80 | 23, 0, 0, 0, 0][..], ping].concat();
    let pings = frame.repeat(10_000);
    // The writes fail once the server has hung up.
    let ask = async { while raw.0.get_mut().write_all(&pings).await.is_ok() {} };
    tokio::select! {
        () = ask => {}
        () = eventually("the connection is closed", || server.connections() == 0) => {}
    }
    drop(raw);
}

/// A hundred large events in one request, and hundreds of requests without a pause: who reads gets them all.
#[tokio::test(flavor = "multi_thread")]
async fn bursts_do_not_make_fast_readers_look_slow() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    let channels: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    for channel in &channels {
        client.subscribe(channel).await;
    }
    // Quotes are two bytes on the wire, so the hundred frames together pass the outbox's megabyte.
    let data = "\"".repeat(10_000);
    let reader = tokio::spawn(async move {
        for _ in 0..5 * 100 + 300 {
            assert_eq!(client.next().await["event"], "e");
        }
        client
    });
    let mut http = server.http().await;
    for _ in 0..5 {
        http.trigger(&json!({ "name": "e", "channels": channels, "data": data })).await.expect(200, "{}");
    }
    let body = json!({ "name": "e", "channel": "c0", "data": data }).to_string();
    let query = crate::support::signed("POST", "/apps/3/events", &body);
    let head = format!("POST /apps/3/events?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    http.raw(format!("{head}{body}").repeat(300).as_bytes()).await;
    for _ in 0..300 {
        http.answer().await.expect(200, "{}");
    }
    reader.await.unwrap().hears_nothing().await;
    assert_eq!(server.total(|metrics| &metrics.closed_over_bytes_total), 0);
}

/// A client that has read everything before is not slow, however large the next frame is.
#[tokio::test]
async fn a_frame_larger_than_the_outbox_is_delivered() {
    let server = TestServer::with_limits(|limits| {
        (limits.max_event_data_bytes, limits.outbox_bytes) = (512 * 1024, 64 * 1024);
    });
    let mut client = server.connect().await;
    client.subscribe("a").await;
    server.publish("a", "e", &"x".repeat(512 * 1024)).await;
    assert_eq!(client.next().await["data"].as_str().unwrap().len(), 512 * 1024);
    client.hears_nothing().await;
}
