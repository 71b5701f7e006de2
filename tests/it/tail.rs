//! `GET /apps/{id}/tail`.

use crate::support::{APP, Client, Http, KEY, PATIENCE, Receiver, Reply, TestServer, eventually};
use fanfare::app::EventKind;
use serde_json::{Value, json};
use tokio::io::AsyncBufReadExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Somebody who follows the app.
struct Tail(Http);

impl Tail {
    async fn start(server: &TestServer, query: &str) -> Self {
        let mut tail = Self::open(server, query).await;
        let first = tail.next().await;
        assert_eq!((&first["type"], &first["app"]), (&json!("tail"), &json!(APP)));
        assert_eq!((&first["node"], &first["nodes"]), (&json!(server.node(0).identity().id.to_string()), &json!(1)));
        tail
    }

    /// Asks, and reads the head of the answer.
    async fn open(server: &TestServer, query: &str) -> Self {
        let mut http = server.http().await;
        let answer = http.get(&format!("/apps/{APP}/tail"), query).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        for header in ["content-type: application/x-ndjson", "x-accel-buffering: no", "cache-control: no-store"] {
            assert!(answer.head.contains(&format!("\r\n{header}\r\n")), "{}", answer.head);
        }
        Self(http)
    }

    /// The next record: a line that holds one, and not the length of a chunk. `None` at the end.
    async fn try_next(&mut self) -> Option<Value> {
        let mut lines = (&mut self.0.0).lines();
        loop {
            let line = timeout(PATIENCE, lines.next_line()).await.expect("nothing happens").ok().flatten()?;
            if line.starts_with('{') {
                return Some(serde_json::from_str(&line).unwrap());
            }
        }
    }

    async fn next(&mut self) -> Value {
        self.try_next().await.expect("it has ended")
    }

    /// The next record must be so, besides its time.
    #[track_caller]
    fn expect(&mut self, expect: Value) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let mut record = self.next().await;
            let time = record.as_object_mut().unwrap().remove("time").expect("a time");
            assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
            assert_eq!(record, expect, "at {place}");
        }
    }
}

fn alone() -> TestServer {
    TestServer::alone("it tells what happens on one node", |_| {})
}

#[tokio::test]
async fn everything_is_told_in_its_order() {
    let server = alone();
    let mut tail = Tail::start(&server, "").await;
    let url = format!("ws://{}/app/{KEY}?protocol=7", server.place());
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://app.test".parse().unwrap());
    let mut client = Client::request(server.place(), request).await;
    client.greeted().await;
    let id = client.socket_id.clone();
    tail.expect(json!({ "type": "connected", "socket_id": id, "ip": "127.0.0.1", "origin": "https://app.test" })).await;

    client.join("presence-a", r#"{"user_id":7}"#).await;
    let who = json!({ "channel": "presence-a", "user_id": "7" });
    let with = |kind: &str, more: Value| {
        let mut record = who.clone();
        record["type"] = kind.into();
        for (name, value) in more.as_object().unwrap() {
            record[name] = value.clone();
        }
        record
    };
    tail.expect(json!({ "type": "occupied", "channel": "presence-a" })).await;
    tail.expect(with("member_added", json!({}))).await;
    tail.expect(with("subscribed", json!({ "socket_id": id }))).await;

    client.send(&json!({ "event": "client-x", "channel": "presence-a", "data": { "a": 1 } })).await;
    let said = json!({ "socket_id": id, "event": "client-x", "connections": 0, "data": r#"{"a":1}"#, "bytes": 7 });
    tail.expect(with("client_event", said)).await;

    let mut http = server.http().await;
    http.trigger(&json!({ "name": "e", "channels": ["presence-a", "b"], "data": "é", "socket_id": "1.2" })).await;
    for (channel, connections) in [("presence-a", 1), ("b", 0)] {
        tail.expect(json!({
            "type": "published", "channel": channel, "event": "e", "except": "1.2", "connections": connections,
            "data": "é", "bytes": 2
        }))
        .await;
    }

    client.text("no JSON").await;
    let rejected = tail.next().await;
    assert_eq!((&rejected["type"], &rejected["socket_id"]), (&json!("rejected"), &json!(id)));
    assert!(rejected["message"].as_str().unwrap().contains("invalid JSON"), "{rejected}");
    client.send(&json!({ "event": "pusher:subscribe", "data": { "channel": "private-a", "auth": "x:y" } })).await;
    let rejected = tail.next().await;
    assert_eq!((&rejected["type"], &rejected["channel"]), (&json!("rejected"), &json!("private-a")));
    assert!(rejected["message"].as_str().unwrap().starts_with("Invalid signature"), "{rejected}");

    // The event, an error, and a refusal with its error.
    for _ in 0..4 {
        client.next().await;
    }

    let unsigned = http.request("POST", &format!("/apps/{APP}/events"), "{}").await;
    assert_eq!(unsigned.status, 401);
    let refused = tail.next().await;
    assert_eq!(
        (&refused["type"], &refused["status"], &refused["method"]),
        (&json!("refused"), &json!(401), &json!("POST"))
    );
    assert_eq!(refused["path"], format!("/apps/{APP}/events"));
    assert_eq!(format!("{}\n", refused["message"].as_str().unwrap()), unsigned.body);
    let large = "x".repeat(11_000);
    http.trigger(&json!({ "name": "e", "channel": "a", "data": large })).await.expect_error(413, "The data content");
    assert_eq!(tail.next().await["status"], 413);

    client.unsubscribe("presence-a").await;
    client.subscribe("b").await;
    tail.expect(with("unsubscribed", json!({ "socket_id": id }))).await;
    tail.expect(with("member_removed", json!({}))).await;
    tail.expect(json!({ "type": "vacated", "channel": "presence-a" })).await;
    tail.expect(json!({ "type": "occupied", "channel": "b" })).await;
    tail.expect(json!({ "type": "subscribed", "socket_id": id, "channel": "b", "user_id": null })).await;

    http.post(&format!("/apps/{APP}/channels/b/terminate_connections"), "", "{}").await.expect(200, "{}");
    tail.expect(json!({ "type": "unsubscribed", "socket_id": id, "channel": "b", "user_id": null })).await;
    let mut ended = tail.next().await;
    assert!(ended["ms"].take().is_u64());
    let ended = [&ended["type"], &ended["socket_id"], &ended["code"], &ended["reason"]].map(Value::clone);
    assert_eq!(
        ended,
        ["disconnected", &id, "", "You got disconnected by the app."]
            .map(Value::from)
            .map(|value| { if value == "" { json!(4009) } else { value } })
    );
    tail.expect(json!({ "type": "vacated", "channel": "b" })).await;
}

#[tokio::test]
async fn who_is_turned_away_and_who_signs_in_is_told() {
    let server = TestServer::alone("it tells what happens on one node", |config| {
        config.apps[0].limits.max_connections = 1;
    });
    let mut tail = Tail::start(&server, "type=turned_away,signed_in,disconnected").await;
    let mut client = server.connect().await;
    let user = r#"{"id":"7"}"#;
    let secret = fanfare::protocol::signature::Secret::new(crate::support::SECRET);
    let auth = format!("{KEY}:{}", secret.sign(&[&client.socket_id, "::user::", user]));
    client.send(&json!({ "event": "pusher:signin", "data": { "auth": auth, "user_data": user } })).await;
    tail.expect(json!({ "type": "signed_in", "socket_id": client.socket_id, "user_id": "7" })).await;
    let mut second = Client::open(server.place(), &format!("/app/{KEY}?protocol=7")).await;
    assert_eq!(second.closed().await.0, 4004);
    let reason = "Application is over connection quota";
    let expect = json!({ "type": "turned_away", "ip": "127.0.0.1", "origin": null, "code": 4004, "reason": reason });
    tail.expect(expect).await;
    client.close().await;
    let ended = tail.next().await;
    assert_eq!((&ended["user_id"], &ended["code"]), (&json!("7"), &Value::Null), "{ended}");
}

#[tokio::test]
async fn only_what_is_asked_for_is_told() {
    let server = alone();
    let mut tail = Tail::start(&server, "channel=b-&max_payload=3&type=published").await;
    let mut client = server.connect().await;
    client.subscribe("b-1").await;
    server.publish("a", "no", "").await;
    server.publish("b-1", "yes", "ééé").await;
    let record = tail.next().await;
    assert_eq!([&record["event"], &record["data"], &record["bytes"]], [&json!("yes"), &json!("é"), &json!(6)]);
    let mut http = server.http().await;
    let path = format!("/apps/{APP}/tail");
    http.get(&path, "type=published,nothing").await.expect_error(400, "Invalid type nothing: there are connected, ");
    for most in ["", "x", "-1", "16385"] {
        http.get(&path, &format!("max_payload={most}")).await.expect_error(400, "Invalid max_payload");
    }
    http.request("GET", &path, "").await.expect_error(401, "auth_key");
}

#[tokio::test]
async fn who_does_not_read_is_told_how_much_it_missed_and_slows_nobody() {
    // However slow the machine is, it is not cut off for not reading.
    let server = TestServer::alone("it tells what happens on one node", |config| config.server.body_timeout_secs = 300);
    let mut tail = Tail::start(&server, "").await;
    let mut http = server.http().await;
    let channels: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let event = json!({ "name": "e", "channels": channels, "data": "x".repeat(10_000) });
    // 60 MB: more than the sockets take and the feed holds.
    for _ in 0..60 {
        http.trigger(&event).await.expect(200, "{}");
    }
    let (mut told, mut missed) = (0, 0);
    while told + missed < 6000 {
        let record = tail.next().await;
        match record["type"].as_str() {
            Some("published") => told += 1,
            Some("missed") => missed += record["count"].as_u64().unwrap(),
            _ => panic!("{record}"),
        }
    }
    assert!(missed > 0 && told + missed == 6000, "{told} {missed}");
}

#[tokio::test]
async fn only_so_many_follow_at_a_time() {
    let server = alone();
    let mut tails = Vec::new();
    for _ in 0..16 {
        tails.push(Tail::start(&server, "").await);
    }
    let mut http = server.http().await;
    http.get(&format!("/apps/{APP}/tail"), "").await.expect_error(429, "Too many tails: 16");
    tails.pop();
    let path = format!("/apps/{APP}/tail");
    let mut again = None;
    for _ in 0..1000 {
        let mut http = server.http().await;
        let answer = http.get(&path, "").await;
        if answer.status == 200 {
            again = Some(http);
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(again.is_some(), "no place was given up");
    drop((tails, again));
    eventually("nobody follows", || !server.node(0).apps().iter().any(|app| server.node(0).feed(app).is_watched()))
        .await;
}

#[tokio::test]
async fn a_server_that_stops_ends_it() {
    let mut server = alone();
    let mut tail = Tail::start(&server, "type=published").await;
    server.publish("a", "e", "").await;
    server.begin_stop().await;
    assert_eq!(tail.next().await["type"], "published");
    assert_eq!(tail.try_next().await, None);
}

#[tokio::test]
async fn webhooks_are_told_with_what_became_of_them() {
    let receiver = Receiver::start();
    receiver.answers([Reply::status(500), Reply::status(204)]);
    let endpoint = receiver.endpoint(&[EventKind::ChannelOccupied]);
    let server = TestServer::telling(&[endpoint], |_| {});
    let mut tail = Tail::start(&server, "type=webhook").await;
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let [failed, taken] = [tail.next().await, tail.next().await];
    assert_eq!(
        (&failed["status"], &failed["error"], &failed["attempt"]),
        (&json!(500), &json!("status 500"), &json!(1))
    );
    assert_eq!((&taken["status"], &taken["error"], &taken["attempt"]), (&json!(204), &Value::Null, &json!(2)));
    assert_eq!((&failed["delivery"], &failed["events"]), (&taken["delivery"], &json!(1)));
    assert!(taken["ms"].is_u64() && taken["endpoint"].is_string(), "{taken}");
}
