//! `POST /events` and `/batch_events` (API).

use crate::support::{APP, TestServer};
use serde_json::{Value, json};

fn event() -> Value {
    json!({ "name": "e", "channel": "a", "data": "x" })
}

/// The event with one member replaced, or removed by null.
fn with(member: &str, value: Value) -> Value {
    let mut event = event();
    match value {
        Value::Null => drop(event.as_object_mut().unwrap().remove(member)),
        value => event[member] = value,
    }
    event
}

#[tokio::test]
async fn data_arrives_as_it_was_sent() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let mut http = server.http().await;
    let path = format!("/apps/{APP}/events");
    for (name, sent, heard) in [
        (r"App\Events\OrderShipped", json!(r#"{"hello":"world"}"#), r#"{"hello":"world"}"#),
        (
            "with space: and é 😀",
            json!("not json, \"quoted\" \\ \u{2028}\u{0}\u{7f}é😀"),
            "not json, \"quoted\" \\ \u{2028}\u{0}\u{7f}é😀",
        ),
        ("client-from-the-back-end", json!(""), ""),
        ("an object", json!({ "a": [1, { "b": null }] }), r#"{"a":[1,{"b":null}]}"#),
        ("a number", json!(1), "1"),
        ("empty payload of Laravel", json!("[]"), "[]"),
    ] {
        http.trigger(&json!({ "name": name, "channels": ["a"], "data": sent, "more": { "x": 1 } }))
            .await
            .expect(200, "{}");
        assert_eq!(client.next().await, json!({ "event": name, "channel": "a", "data": heard }));
    }
    // The data's escapes are the back end's own, byte for byte.
    let escaped = r#"{"name":"\u00e9","channel":"a","data":"\u00e9\/\ud83d\ude00 {\"a\":1}"}"#;
    http.signed("POST", &path, escaped).await.expect(200, "{}");
    let tokio_tungstenite::tungstenite::Message::Text(text) = client.message().await else { panic!("no text") };
    assert_eq!(text.as_str(), r#"{"event":"é","channel":"a","data":"\u00e9\/\ud83d\ude00 {\"a\":1}"}"#);
}

#[tokio::test]
async fn each_channel_hears_it_once_but_not_the_excluded_socket() {
    let server = TestServer::start();
    let (mut sender, mut other) = (server.connect().await, server.connect().await);
    for client in [&mut sender, &mut other] {
        client.subscribe("a").await;
        client.subscribe("b").await;
    }
    let mut http = server.http().await;
    let body = json!({ "name": "e", "channels": ["a", "b", "a"], "data": "x", "socket_id": sender.socket_id });
    http.trigger(&body).await.expect(200, "{}");
    for channel in ["a", "b"] {
        assert_eq!(other.next().await, json!({ "event": "e", "channel": channel, "data": "x" }));
    }
    other.hears_nothing().await;
    sender.hears_nothing().await;
    server.has_counted(|metrics| &metrics.encodings_total, 2);
    http.trigger(&with("socket_id", json!("1.1"))).await.expect(200, "{}");
    assert_eq!((&sender.next().await["event"], &other.next().await["event"]), (&json!("e"), &json!("e")));
}

/// However many subscribers there are.
#[tokio::test]
async fn an_event_is_encoded_once_for_each_channel() {
    let server = TestServer::start();
    let mut clients = Vec::new();
    for _ in 0..30 {
        let mut client = server.connect().await;
        client.subscribe("a").await;
        clients.push(client);
    }
    for n in 1..=3 {
        server.publish("a", "e", "x").await;
        server.has_counted(|metrics| &metrics.encodings_total, n);
    }
    for client in &mut clients {
        for _ in 0..3 {
            assert_eq!(client.next().await["event"], "e");
        }
    }
    assert_eq!(server.total(|metrics| &metrics.deliveries_total), 90);
}

#[tokio::test]
async fn every_fault_has_its_answer_and_nothing_is_published() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let mut http = server.http().await;
    let names = |count: usize| json!((0..count).map(|n| format!("c{n}")).collect::<Vec<_>>());
    let cases = [
        (with("name", json!(null)), 400, "Missing required parameter: name"),
        (with("name", json!("")), 400, "Missing required parameter: name"),
        (with("name", json!(7)), 400, "Expected name parameter to be a string"),
        (with("name", json!("x".repeat(201))), 400, "at most 200 characters"),
        (with("name", json!("pusher:foo")), 400, "reserved"),
        (with("name", json!("pusher_internal:foo")), 400, "reserved"),
        (with("data", json!(null)), 400, "Missing required parameter: data"),
        (
            with("data", json!("x".repeat(10_241))),
            413,
            "The data content of this event exceeds the allowed maximum (10240 bytes).",
        ),
        (with("data", json!({ "x": "x".repeat(10_233) })), 413, "exceeds the allowed maximum"),
        (with("channel", json!(null)), 400, "Missing required parameter: channel"),
        (with("channel", json!(7)), 400, "Expected channel parameter to be a string"),
        (with("channel", json!("a b")), 400, "Invalid channel name"),
        (with("channel", json!("")), 400, "Invalid channel name"),
        (with("channel", json!("#other")), 400, "Invalid channel name"),
        (with("channel", json!("x".repeat(165))), 400, "Invalid channel name"),
        (with("channels", json!([])), 400, "Missing required parameter: channels"),
        (with("channels", json!("a")), 400, "Expected channels parameter to be an array"),
        (with("channels", json!(["a", 7])), 400, "Expected channels parameter to be an array"),
        (with("channels", json!(["a", "b c"])), 400, "Invalid channel name"),
        (with("channels", names(101)), 400, "Too many channels (101 > 100)"),
        (with("socket_id", json!("a.b")), 400, "Invalid socket_id"),
        (with("socket_id", json!("")), 400, "Invalid socket_id"),
        (with("socket_id", json!(1.5)), 400, "Invalid socket_id"),
        (with("info", json!("bogus")), 400, "info should be a comma separated list of attributes"),
        (with("info", json!(7)), 400, "info should be a comma separated list of attributes"),
    ];
    for (body, status, part) in &cases {
        http.trigger(body).await.expect_error(*status, part);
        let batch = json!({ "batch": [event(), body] });
        if body.get("channels").is_none() {
            http.batch(&batch).await.expect_error(*status, part);
        }
    }
    let path = format!("/apps/{APP}/events");
    for body in
        ["x", "[]", "7", "null", r#"["e","x","a"]"#, r#"{"name":"e","channel":"a","data":"\ud800"}"#, "{\"name\":"]
    {
        http.signed("POST", &path, body).await.expect_error(400, "nvalid");
    }
    client.hears_nothing().await;
    http.trigger(&with("channels", names(100))).await.expect(200, "{}");
    http.trigger(&with("name", json!("é".repeat(200)))).await.expect(200, "{}");
    http.trigger(&with("data", json!("é".repeat(5_120)))).await.expect(200, "{}");
}

#[tokio::test]
async fn info_counts_connections_and_members() {
    let server = TestServer::start();
    let mut http = server.http().await;
    let ask = json!({
        "name": "e", "channels": ["my-channel", "presence-my-channel"], "data": "x", "info": "user_count,subscription_count"
    });
    let zeros = json!({ "channels": {
        "my-channel": { "subscription_count": 0 }, "presence-my-channel": { "user_count": 0, "subscription_count": 0 }
    } });
    http.trigger(&ask).await.expect(200, &zeros.to_string());
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    for client in [&mut one, &mut two] {
        client.join("presence-my-channel", r#"{"user_id":"1"}"#).await;
    }
    one.subscribe("my-channel").await;
    let counts = json!({ "channels": {
        "my-channel": { "subscription_count": 1 }, "presence-my-channel": { "user_count": 1, "subscription_count": 2 }
    } });
    http.trigger(&ask).await.expect(200, &counts.to_string());
    let batch = json!({ "batch": [with("info", json!("subscription_count")), event()] });
    http.batch(&batch).await.expect(200, r#"{"batch":[{"subscription_count":0},{}]}"#);
}

#[tokio::test]
async fn batches_are_published_in_order_or_not_at_all() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let mut http = server.http().await;
    let named = |count: usize| (0..count).map(|n| with("name", json!(n.to_string()))).collect::<Vec<_>>();
    http.batch(&json!({ "batch": named(10) })).await.expect(200, "{}");
    for n in 0..10 {
        assert_eq!(client.next().await["event"], n.to_string());
    }
    http.batch(&json!({ "batch": [] })).await.expect(200, "{}");
    for (body, part) in [
        (json!({ "batch": named(11) }), "Batch too large (11 > 10)"),
        (json!({}), "Missing required parameter: batch"),
        (json!({ "batch": {} }), "Expected batch parameter to be an array"),
        (json!({ "batch": [7] }), "Invalid JSON"),
        (json!({ "batch": [{ "name": "e", "channels": ["a"], "data": "x" }] }), "Missing required parameter: channel"),
    ] {
        http.batch(&body).await.expect_error(400, part);
    }
    client.hears_nothing().await;
}

#[tokio::test]
async fn parameters_may_come_in_the_query() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    client.subscribe("a").await;
    client.subscribe("b").await;
    let path = format!("/apps/{APP}/events");
    let base = crate::support::signed("POST", &path, "");
    let (base, _) = base.split_once("&auth_signature").unwrap();
    let signed = format!("{base}&channels[]=a&channels[]=b&data=x y&name=e");
    let mut pairs: Vec<_> = signed.split('&').collect();
    pairs.sort_by_key(|pair| pair.split('=').next());
    let signature = crate::support::sign("POST", &path, &pairs.join("&"));
    let sent = signed.replace("[]", "%5B%5D").replace(' ', "+");
    server
        .http()
        .await
        .request("POST", &format!("{path}?{sent}&auth_signature={signature}"), "")
        .await
        .expect(200, "{}");
    for channel in ["a", "b"] {
        assert_eq!(client.next().await, json!({ "event": "e", "channel": channel, "data": "x y" }));
    }
}

#[tokio::test]
async fn other_routes_and_methods_are_refused_in_plain_text() {
    let server = TestServer::start();
    let mut http = server.http().await;
    http.request("GET", "/up", "").await.expect(200, r#"{"health":"OK"}"#);
    http.request("GET", "/apps/3/nothing", "").await.expect_error(404, "Not found");
    http.request("GET", "/", "").await.expect_error(404, "Not found");
    let answer = http.request("GET", "/apps/3/events", "").await;
    answer.expect_error(405, "Method not allowed");
    assert!(answer.head.contains("\r\nallow: post\r\n"), "{}", answer.head);
    http.request("POST", "/app/key", "").await.expect_error(405, "Method not allowed");
    let twice = r#"{"name":"a","name":"b","channel":"a","data":"x"}"#;
    http.signed("POST", &format!("/apps/{APP}/events"), twice).await.expect_error(400, "duplicate field `name`");
}
