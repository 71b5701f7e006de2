//! `Idempotency-Key`: what is sent again is answered again and not published again.

use crate::support::{APP, TestServer};
use serde_json::json;

const BODY: &str = r#"{"name":"e","channels":["a","b"],"data":"x","info":"subscription_count"}"#;

fn events() -> String {
    format!("/apps/{APP}/events")
}

#[tokio::test]
async fn the_same_request_is_answered_again_and_published_once() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let mut http = server.http().await;
    let batch = json!({ "batch": [{ "name": "e", "channel": "a", "data": "x" }] }).to_string();
    let (batches, raw) = (format!("/apps/{APP}/batch_events"), format!("/apps/{APP}/channels/a/events"));
    for (key, path, query, body, status) in [
        ("1", events(), "", BODY, 200),
        ("2", batches, "", &*batch, 200),
        ("3", raw, "name=e", "raw", 202),
        ("4", events(), "channel=a&data=x&name=e", "", 200),
    ] {
        let first = http.keyed(key, &path, query, body).await;
        assert_eq!(first.status, status, "{}", first.body);
        assert_eq!(client.next().await["event"], "e");
        // Now the answer would be another one.
        client.subscribe(&format!("b{key}")).await;
        for _ in 0..2 {
            let again = http.keyed(key, &path, query, body).await;
            assert_eq!((again.status, &again.body), (first.status, &first.body));
        }
        client.hears_nothing().await;
    }
    assert_eq!(http.keyed("5", &events(), "", BODY).await.status, 200);
    assert_eq!(client.next().await["event"], "e");
    // Without a key every request counts.
    for _ in 0..2 {
        assert_eq!(http.signed("POST", &events(), BODY).await.status, 200);
        assert_eq!(client.next().await["event"], "e");
    }
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let mut http = server.http().await;
    assert_eq!(http.keyed("k", &events(), "", BODY).await.status, 200);
    client.next().await;
    let other = BODY.replace("\"x\"", "\"y\"");
    let raw = format!("/apps/{APP}/channels/a/events");
    http.keyed("k", &events(), "", &other).await.expect_error(422, "used for another request");
    http.keyed("k", &raw, "name=e", BODY).await.expect_error(422, "used for another request");
    client.hears_nothing().await;
    assert_eq!(http.keyed("l", &raw, "name=e", "x").await.status, 202);
    client.next().await;
    http.keyed("l", &raw, "name=f", "x").await.expect_error(422, "used for another request");
}

#[tokio::test]
async fn a_refused_request_does_not_use_its_key_up() {
    let server = TestServer::start();
    let mut http = server.http().await;
    http.keyed("k", &events(), "", "{}").await.expect_error(400, "Missing required parameter: channel");
    assert_eq!(http.keyed("k", &events(), "", BODY).await.status, 200);
}

#[tokio::test]
async fn malformed_keys_are_refused() {
    let server = TestServer::start();
    let mut http = server.http().await;
    for key in ["", "é", "a\tb", &"x".repeat(256), "a\r\nIdempotency-Key: b"] {
        http.keyed(key, &events(), "", BODY).await.expect_error(400, "Invalid Idempotency-Key: it must be one header");
    }
    server.has_counted(|metrics| &metrics.encodings_total, 0);
    assert_eq!(http.keyed(&"x".repeat(255), &events(), "", BODY).await.status, 200);
    assert_eq!(http.keyed("with blanks ~ !", &events(), "", BODY).await.status, 200);
}

#[tokio::test]
async fn duplicates_at_the_same_time_wait_for_one_answer() {
    let server = TestServer::alone("answers are remembered by the process that gave them", |_| {});
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let ask = async || server.http().await.keyed("k", &events(), "", BODY).await;
    let answers = futures_util::future::join_all((0..20).map(|_| ask())).await;
    for answer in &answers {
        answer.expect(200, r#"{"channels":{"a":{"subscription_count":1},"b":{"subscription_count":0}}}"#);
    }
    assert_eq!(client.next().await["event"], "e");
    client.hears_nothing().await;
}
