//! What back ends may ask about channels (API-25 to API-37), and the deprecated routes (API-39).

use crate::support::{APP, TestServer};
use serde_json::{Value, json};

fn path(rest: &str) -> String {
    format!("/apps/{APP}/channels{rest}")
}

#[tokio::test]
async fn occupied_channels_are_listed_with_what_was_asked_for() {
    let server = TestServer::start();
    let mut http = server.http().await;
    http.get(&path(""), "").await.expect(200, r#"{"channels":{}}"#);
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    one.subscribe("news").await;
    for client in [&mut one, &mut two] {
        client.join("presence-room", r#"{"user_id":"1"}"#).await;
    }
    server.publish("cache-prices", "e", "x").await;
    http.get(&path(""), "").await.expect(200, r#"{"channels":{"news":{},"presence-room":{}}}"#);
    http.get(&path(""), "filter_by_prefix=ne").await.expect(200, r#"{"channels":{"news":{}}}"#);
    http.get(&path(""), "filter_by_prefix=é %2F").await.expect(200, r#"{"channels":{}}"#);
    let presence = r#"{"channels":{"presence-room":{"user_count":1}}}"#;
    http.get(&path(""), "filter_by_prefix=presence-&info=user_count").await.expect(200, presence);
    let both = r#"{"channels":{"presence-room":{"subscription_count":2,"user_count":1}}}"#;
    http.get(&path(""), "filter_by_prefix=presence-&info=user_count,subscription_count").await.expect(200, both);
    http.get(&path(""), "filter_by_prefix=n&info[]=subscription_count")
        .await
        .expect(200, r#"{"channels":{"news":{"subscription_count":1}}}"#);
    let hosted =
        "user_count may only be requested for presence channels - please supply filter_by_prefix begining with";
    for query in ["info=user_count", "filter_by_prefix=private-&info=user_count"] {
        http.get(&path(""), query).await.expect_error(400, hosted);
    }
    for query in ["info=bogus", "info=cache"] {
        http.get(&path(""), query).await.expect_error(400, "info should be a comma separated list of attributes");
    }
}

#[tokio::test]
async fn a_channel_tells_what_was_asked_for() {
    let server = TestServer::start();
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    for client in [&mut one, &mut two] {
        client.join("presence-room", r#"{"user_id":"1"}"#).await;
        client.subscribe("a@b;c").await;
    }
    let mut http = server.http().await;
    for (name, query, answer) in [
        ("nobody", "", r#"{"occupied":false}"#),
        ("nobody", "info=subscription_count", r#"{"occupied":false,"subscription_count":0}"#),
        ("presence-nobody", "info=user_count", r#"{"occupied":false,"user_count":0}"#),
        ("a@b;c", "", r#"{"occupied":true}"#),
        ("a%40b%3Bc", "", r#"{"occupied":true}"#),
        ("a@b;c", "info=subscription_count", r#"{"occupied":true,"subscription_count":2}"#),
        (
            "presence-room",
            "info=user_count,subscription_count",
            r#"{"occupied":true,"subscription_count":2,"user_count":1}"#,
        ),
        ("cache-a", "info=cache", r#"{"occupied":false,"cache":null}"#),
    ] {
        http.get(&path(&format!("/{name}")), query).await.expect(200, answer);
    }
    for (name, query, part) in [
        ("a", "info=user_count", "Cannot retrieve the user count unless the channel is a presence channel"),
        ("a", "info=cache", "unless the channel is a cache channel"),
        ("a", "info=bogus", "info should be a comma separated list of attributes"),
        ("a%20b", "", "Invalid channel name \"a b\""),
        ("a%2Fb", "", "Invalid channel name \"a/b\""),
        ("%23server-to-user-1", "", "Invalid channel name \"#server-to-user-1\""),
        ("%ff", "", "must be UTF-8"),
        (&"x".repeat(165), "", "Invalid channel name"),
    ] {
        http.get(&path(&format!("/{name}")), query).await.expect_error(400, part);
    }
}

#[tokio::test]
async fn a_cache_channel_tells_its_last_event() {
    let server = TestServer::start();
    server.publish("cache-prices", "e", r#"{"p":1}"#).await;
    let answer = server.http().await.get(&path("/cache-prices"), "info=cache").await;
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["cache"]["data"], r#"{"p":1}"#);
    let ttl = answer["cache"]["ttl"].as_u64().unwrap();
    assert!((1790..=1800).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn an_app_may_keep_its_subscription_counts() {
    let server = TestServer::with(|config| config.apps[0].features.subscription_counts = false);
    let mut http = server.http().await;
    for path in [path(""), path("/a")] {
        http.get(&path, "info=subscription_count").await.expect_error(400, "subscription_count is switched off");
    }
    let event = json!({ "name": "e", "channel": "a", "data": "x", "info": "subscription_count" });
    http.trigger(&event).await.expect_error(400, "subscription_count is switched off");
    http.batch(&json!({ "batch": [event] })).await.expect_error(400, "subscription_count is switched off");
}

#[tokio::test]
async fn members_are_listed_once() {
    let server = TestServer::start();
    let mut http = server.http().await;
    http.get(&path("/presence-room/users"), "").await.expect(200, r#"{"users":[]}"#);
    let mut clients = Vec::new();
    for data in [r#"{"user_id":2,"user_info":{"name":"B"}}"#, r#"{"user_id":"1"}"#, r#"{"user_id":"2"}"#] {
        let mut client = server.connect().await;
        client.join("presence-room", data).await;
        clients.push(client);
    }
    http.get(&path("/presence-room/users"), "").await.expect(200, r#"{"users":[{"id":"1"},{"id":"2"}]}"#);
    let with_info = r#"{"users":[{"id":"1","user_info":{}},{"id":"2","user_info":{"name":"B"}}]}"#;
    http.get(&path("/presence-room/users"), "with_user_info=1").await.expect(200, with_info);
    for name in ["room", "private-room", "presencex"] {
        http.get(&path(&format!("/{name}/users")), "")
            .await
            .expect_error(400, "Users can only be retrieved for presence channels");
    }
    http.get(&path("/presence-a%20b/users"), "").await.expect_error(400, "Invalid channel name");
}

#[tokio::test]
async fn the_deprecated_publish_takes_any_text() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let mut http = server.http().await;
    for text in ["not json, \"quoted\" \\ \u{0}é😀", r#"{"a":1}"#, ""] {
        let answer = http.post(&path("/a/events"), "name=e", text).await;
        assert_eq!((answer.status, &*answer.body), (202, "{}"));
        assert_eq!(client.next().await, json!({ "event": "e", "channel": "a", "data": text }));
    }
    let excluded = format!("name=e&socket_id={}", client.socket_id);
    assert_eq!(http.post(&path("/a/events"), &excluded, "x").await.status, 202);
    for (name, query, body, status, part) in [
        ("a", "", "x", 400, "Missing required parameter: name"),
        ("a", "name=pusher:e", "x", 400, "reserved"),
        ("a", "name=e&socket_id=x", "x", 400, "Invalid socket_id"),
        ("a%20b", "name=e", "x", 400, "Invalid channel name"),
        ("%23server-to-user-1", "name=e", "x", 400, "Invalid channel name"),
        ("a", "name=e", &*"x".repeat(10_241), 413, "exceeds the allowed maximum (10240 bytes)"),
    ] {
        http.post(&path(&format!("/{name}/events")), query, body).await.expect_error(status, part);
    }
    http.post(&path("/a/events"), "name=e", b"\xff".as_slice()).await.expect_error(400, "text in UTF-8");
    client.hears_nothing().await;
}

#[tokio::test]
async fn the_deprecated_stats_count_connections() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    client.join("presence-room", r#"{"user_id":"1"}"#).await;
    let mut http = server.http().await;
    let room = r#"{"occupied":true,"user_count":1,"connection_count":1}"#;
    http.get(&path("/presence-room/stats"), "").await.expect(200, room);
    http.get(&path("/a/stats"), "").await.expect(200, r#"{"occupied":false,"connection_count":0}"#);
}

#[tokio::test]
async fn a_channels_subscribers_can_be_ended() {
    let server = TestServer::start();
    let (mut inside, mut outside) = (server.connect().await, server.connect().await);
    inside.subscribe("private-a").await;
    outside.subscribe("b").await;
    let mut http = server.http().await;
    http.post(&path("/nobody/terminate_connections"), "", "").await.expect(200, "{}");
    http.post(&path("/private-a/terminate_connections"), "", "{}").await.expect(200, "{}");
    assert_eq!(inside.closed().await.0, 4009);
    outside.hears_nothing().await;
    http.post(&path("/%23server-to-user-1/terminate_connections"), "", "")
        .await
        .expect_error(400, "Invalid channel name");
}

/// API-38.
#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let server = TestServer::start();
    let mut http = server.http().await;
    for path in [path("/"), path("/a/b"), path("/a/users/1"), format!("/apps/{APP}"), format!("/apps/{APP}/users")] {
        http.get(&path, "").await.expect_error(404, "Not found");
    }
    http.post(&path(""), "", "").await.expect_error(405, "Method not allowed");
    http.get(&path("/a/events"), "").await.expect_error(405, "Method not allowed");
    http.request("GET", &path(""), "").await.expect_error(401, "Missing parameter: auth_key");
    http.get("/apps/nobody/channels", "").await.expect_error(404, "Unknown app_id");
}
