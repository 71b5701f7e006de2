//! Signed-in users over real sockets: what sessions alone cannot show.

use crate::support::{APP, Http, SECRET, TestServer, auth, connect, eventually};
use fanfare::app::App;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

fn signin(socket_id: &str, user_data: &str) -> Value {
    let auth = auth(&[socket_id, "::user::", user_data]);
    json!({ "event": "pusher:signin", "data": { "auth": auth, "user_data": user_data } })
}

/// Ends the connections of user 1.
async fn terminate(http: &mut Http) {
    http.post(&format!("/apps/{APP}/users/1/terminate_connections"), "", "{}").await.expect(200, "{}");
}

/// Megabytes wait for a user who does not read; once they are terminated, only the frame in hand still goes out.
#[tokio::test]
async fn a_terminated_user_is_not_sent_what_waits() {
    let server = TestServer::with_limits(|limits| {
        (limits.max_event_data_bytes, limits.outbox_bytes, limits.write_timeout_secs) = (64 * 1024, 64 << 20, 30);
    });
    let place = server.place();
    let mut client = connect(place.clone()).await;
    let mut witness = connect(place).await;
    for client in [&mut client, &mut witness] {
        let frame = signin(&client.socket_id, r#"{"id":"1"}"#);
        assert_eq!(client.ask(&frame).await["event"], "pusher:signin_success");
    }
    client.subscribe("a").await;
    let (sent, data) = (300, "x".repeat(50 * 1024));
    let mut http = server.http().await;
    for n in 0..sent {
        http.trigger(&json!({ "name": n.to_string(), "channel": "a", "data": data })).await.expect(200, "{}");
    }
    // What is on its way between nodes would come before the order to end.
    eventually("all of it waits", || server.total(|metrics| &metrics.deliveries_total) >= sent).await;
    terminate(&mut http).await;
    // The order may have come to another node: while it is on its way, reading would let everything out.
    assert_eq!(witness.closed().await.0, 4009);
    let mut heard = 0;
    let close = loop {
        match client.message().await {
            Message::Text(text) => {
                let expect = format!(r#"{{"event":"{heard}","#);
                assert!(text.starts_with(&expect), "{}", &text[..40]);
                heard += 1;
            }
            Message::Close(close) => break close.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (4009, "You got disconnected by the app."));
    assert!(heard < sent, "{heard}");
    eventually("its place is free", || server.connections() == 0).await;
}

#[tokio::test]
async fn a_terminated_user_who_never_reads_is_cut_within_the_write_deadline() {
    let server = TestServer::with_limits(|limits| {
        (limits.max_event_data_bytes, limits.outbox_bytes, limits.write_timeout_secs) = (64 * 1024, 64 << 20, 8);
    });
    let mut client = server.connect().await;
    let frame = signin(&client.socket_id, r#"{"id":"1"}"#);
    client.ask(&frame).await;
    client.subscribe("a").await;
    let data = "x".repeat(50 * 1024);
    let mut http = server.http().await;
    // Ten at a time, so that all of them are published long before the deadline.
    let event = json!({ "name": "e", "channel": "a", "data": data });
    let batch = json!({ "batch": vec![event; 10] }).to_string();
    for _ in 0..30 {
        http.post(&format!("/apps/{APP}/batch_events"), "", &batch).await.expect(200, "{}");
    }
    terminate(&mut http).await;
    eventually("the connection is gone", || server.connections() == 0).await;
    assert_eq!(server.total(|metrics| &metrics.closed_over_deadline_total), 0, "it was terminated, not given up");
}

#[tokio::test]
async fn every_key_of_an_app_connects_and_signs() {
    let server = TestServer::with(|config| config.apps[0].keys.add("next-key", "next-secret"));
    let mut client = crate::support::Client::connect(server.place(), "/app/next-key?protocol=7").await;
    client.subscribe("private-a").await;
    let signature = fanfare::protocol::signature::Secret::new("next-secret");
    let signature = signature.sign(&[&client.socket_id, ":private-b"]);
    let data = json!({ "channel": "private-b", "auth": format!("next-key:{signature}") });
    let frame = client.ask(&json!({ "event": "pusher:subscribe", "data": data })).await;
    assert_eq!(frame["event"], "pusher_internal:subscription_succeeded");
    server.publish("private-b", "e", "x").await;
    assert_eq!(client.next().await["event"], "e");
}

/// Large crowds are told their number some seconds later, by the server's own clock.
#[tokio::test]
async fn a_crowd_hears_its_number_in_the_end() {
    let why = "a hundred joins would each wait for the numbers that nodes tell four times a second";
    let server = TestServer::alone(why, |config| config.apps[0].features.subscription_count_events = true);
    let mut clients = Vec::new();
    for _ in 0..102 {
        let mut client = server.connect().await;
        client.send(&json!({ "event": "pusher:subscribe", "data": { "channel": "a" } })).await;
        assert_eq!(client.next().await["event"], "pusher_internal:subscription_succeeded");
        clients.push(client);
    }
    let mut told = Vec::new();
    while told.last() != Some(&102) {
        let frame = clients[0].next().await;
        assert_eq!(frame["event"], "pusher_internal:subscription_count", "{frame}");
        told.push(crate::support::data(&frame)["subscription_count"].as_u64().unwrap());
    }
    assert_eq!(told, (1..=100).chain([102]).collect::<Vec<_>>());
}

#[tokio::test]
async fn refused_handshakes_of_apps_that_mind() {
    let server = TestServer::with(|config| {
        let mut tls = App::new("4", "tls", SECRET);
        tls.features.require_tls = true;
        let mut strict = App::new("5", "strict", SECRET);
        strict.features.strict_protocol = true;
        config.apps.extend([tls, strict]);
    });
    for (path, code) in [
        ("/app/tls?protocol=7", 4000),
        ("/app/strict", 4008),
        ("/app/strict?version=8.6.0", 4008),
        ("/app/strict?version=x", 4006),
        ("/app/strict?protocol=3", 4007),
    ] {
        let mut client = crate::support::Client::open(server.place(), path).await;
        assert_eq!(client.closed().await.0, code, "{path}");
    }
    crate::support::Client::connect(server.place(), "/app/strict?protocol=7").await;
    for (scheme, accepted) in [("https", true), ("WSS", true), ("https, http", true), ("http", false)] {
        use tokio_tungstenite::tungstenite::client::IntoClientRequest;
        let place = server.place();
        let mut request = format!("ws://{place}/app/tls?protocol=7").into_client_request().unwrap();
        request.headers_mut().insert("x-forwarded-proto", scheme.parse().unwrap());
        let mut client = crate::support::Client::request(place, request).await;
        if accepted {
            assert_eq!(client.next().await["event"], "pusher:connection_established", "{scheme}");
        } else {
            assert_eq!(client.closed().await.0, 4000, "{scheme}");
        }
    }
}

/// A connection that is kept busy for longer than it may stay is not served to the end first.
#[tokio::test]
async fn one_that_is_never_authorized_is_not_sent_what_waits() {
    let server = TestServer::with(|config| {
        let app = &mut config.apps[0];
        app.features.authorized_connections = true;
        app.limits.authorization_timeout_secs = 1;
        (app.limits.max_event_data_bytes, app.limits.outbox_bytes) = (64 * 1024, 64 << 20);
    });
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let (sent, data) = (300, "x".repeat(50 * 1024));
    let mut http = server.http().await;
    for _ in 0..sent {
        http.trigger(&json!({ "name": "e", "channel": "a", "data": data })).await.expect(200, "{}");
    }
    // Came later, so the other's time is over when its own is.
    assert_eq!(server.connect().await.closed().await.0, 4009);
    let mut heard = 0;
    let close = loop {
        match client.message().await {
            Message::Text(_) => heard += 1,
            Message::Close(close) => break close.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(u16::from(close.code), 4009);
    assert!(heard < sent, "{heard}");
}
