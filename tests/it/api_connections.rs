//! Connections and statistics over HTTP.

use crate::support::{APP, TestServer};
use serde_json::{Value, json};

/// Why these are tests of one node.
const LOCAL: &str = "a node lists its own connections, and what others add up to comes with their signs of life";

fn path() -> String {
    format!("/apps/{APP}/connections")
}

#[tokio::test]
async fn connections_are_counted_as_reverb_does() {
    let server = TestServer::start();
    let mut http = server.http().await;
    http.get(&path(), "").await.expect(200, r#"{"connections":0}"#);
    let _client = server.connect().await;
    http.get(&path(), "").await.expect(200, r#"{"connections":1}"#);
    http.get(&path(), "unknown=1").await.expect(200, r#"{"connections":1}"#);
}

#[tokio::test]
async fn pages_follow_one_another_and_hold_everyone_once() {
    let server = TestServer::alone(LOCAL, |_| {});
    let mut clients = Vec::new();
    for n in 0..7 {
        let mut client = server.connect().await;
        if n % 2 == 0 {
            client.subscribe("even").await;
        }
        clients.push(client);
    }
    let mut http = server.http().await;
    for (filter, count) in [("", 7), ("&channel=even", 4)] {
        let (mut seen, mut query, mut pages) = (Vec::new(), format!("limit=3{filter}"), 0);
        loop {
            let answer: Value = serde_json::from_str(&http.get(&path(), &query).await.body).unwrap();
            assert_eq!(answer["connections"], count, "{answer}");
            let page = answer["page"].as_array().unwrap();
            assert!(page.iter().all(|connection| connection["user_id"].is_null()));
            seen.extend(page.iter().map(|connection| connection["socket_id"].as_str().unwrap().to_owned()));
            pages += 1;
            let Some(cursor) = answer["cursor"].as_str() else { break };
            assert_eq!((page.len(), page[2]["socket_id"].as_str()), (3, Some(cursor)));
            query = format!("cursor={cursor}&limit=3{filter}");
        }
        assert_eq!((pages, seen.len()), (count / 3 + 1, count));
        let mut expected: Vec<_> = clients.iter().step_by(if filter.is_empty() { 1 } else { 2 }).collect();
        expected
            .sort_by_key(|client| client.socket_id.split('.').map(|n| n.parse::<u64>().unwrap()).collect::<Vec<_>>());
        assert_eq!(seen, expected.iter().map(|client| client.socket_id.clone()).collect::<Vec<_>>());
    }
    http.get(&path(), "user=nobody").await.expect(200, r#"{"connections":0,"page":[],"cursor":null}"#);
}

#[tokio::test]
async fn malformed_filters_are_refused() {
    let server = TestServer::start();
    let mut http = server.http().await;
    for (query, part) in [
        ("limit=0", "Invalid limit: it must be a whole number from 1 to 1000"),
        ("limit=1001", "Invalid limit"),
        ("limit=-1", "Invalid limit"),
        ("limit=+1", "Invalid limit"),
        ("limit=", "Invalid limit"),
        ("limit=99999999999999999999", "Invalid limit"),
        ("cursor=x", "Invalid cursor"),
        ("cursor=0.1", "Invalid cursor"),
        ("channel=a b", "Invalid channel name"),
        ("channel=%23server-to-user-1", "Invalid channel name"),
    ] {
        http.get(&path(), query).await.expect_error(400, part);
    }
}

#[tokio::test]
async fn statistics_add_up() {
    let server = TestServer::alone(LOCAL, |_| {});
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    for client in [&mut one, &mut two] {
        client.subscribe("private-a").await;
    }
    server.publish("private-a", "e", "x").await;
    one.send(&json!({ "event": "client-e", "channel": "private-a", "data": "x" })).await;
    for _ in 0..2 {
        two.next().await;
    }
    one.close().await;
    crate::support::eventually("one is gone", || server.connections() == 1).await;
    let answer = server.http().await.get(&format!("/apps/{APP}/stats"), "").await;
    let mut answer: Value = serde_json::from_str(&answer.body).unwrap();
    for name in ["published", "client_events", "deliveries"] {
        let rate = answer["events"][name]["per_second"].take();
        assert!(rate.as_f64().unwrap() > 0.0, "{name}: {rate}");
    }
    let volume = |total: u64| json!({ "total": total, "per_second": null });
    let parts = answer.as_object_mut().unwrap().remove("nodes").unwrap();
    assert_eq!((parts.as_array().unwrap().len(), &parts[0]["events"]["deliveries"]["total"]), (1, &json!(3)));
    let expected = json!({
        "connections": 1, "peak_connections": 2, "users": 0, "channels": 1,
        "events": { "published": volume(1), "client_events": volume(1), "deliveries": volume(3) }
    });
    assert_eq!(answer, expected);
}
