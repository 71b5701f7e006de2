//! Requests that are too large, too slow or cut short: refused before any work, and nobody else notices.

use crate::support::{APP, KEY, TestServer, app, sign, signed};
use fanfare::config::Config;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn small(config: &mut Config) {
    let mut small = app();
    small.limits.max_request_bytes = 2000;
    config.apps = vec![small];
    config.server.body_timeout_secs = 1;
    config.server.header_timeout_secs = 1;
}

/// The head of a signed publish that announces `length` bytes of body.
fn head(length: usize, more: &str) -> String {
    let path = format!("/apps/{APP}/events");
    let query = format!("auth_key={KEY}&auth_timestamp={}&auth_version=1.0&body_md5=00", crate::support::now());
    let signature = sign("POST", &path, &query);
    format!(
        "POST {path}?{query}&auth_signature={signature} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{more}\r\n"
    )
}

async fn answers(server: &TestServer, request: &[u8], status: u16, part: &str) {
    let mut http = server.http().await;
    http.raw(request).await;
    http.answer().await.expect_error(status, part);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_for_what_it_announces() {
    let server = TestServer::with(small);
    let mut http = server.http().await;
    let event = |len: usize| json!({ "name": "e", "channel": "a", "data": "x".repeat(len) });
    let overhead = event(0).to_string().len();
    http.trigger(&event(2000 - overhead)).await.expect(200, "{}");
    http.trigger(&event(2001 - overhead)).await.expect_error(413, "exceeds the allowed maximum (2000 bytes");
    // Nothing of the body is sent, and the answer comes all the same.
    answers(&server, head(1 << 40, "Expect: 100-continue\r\n").as_bytes(), 413, "2000 bytes").await;
    answers(&server, head(1 << 40, "").as_bytes(), 413, "2000 bytes").await;
}

#[tokio::test]
async fn a_chunked_body_is_cut_off_at_the_limit() {
    let server = TestServer::with(small);
    let head = head(0, "").replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    answers(&server, format!("{head}{}", chunk.repeat(3)).as_bytes(), 413, "2000 bytes").await;
}

#[tokio::test]
async fn strangers_are_refused_before_their_body_is_read() {
    let server = TestServer::with(small);
    let forged = head(1 << 40, "").replace("auth_signature=", "auth_signature=0");
    answers(&server, forged.as_bytes(), 401, "Invalid signature").await;
    let forged = head(1 << 40, "Expect: 100-continue\r\n").replace("/apps/3/", "/apps/4/");
    answers(&server, forged.as_bytes(), 404, "Unknown app_id").await;
}

#[tokio::test]
async fn a_refused_body_that_is_sent_all_the_same_does_not_cut_the_answer_off() {
    let server = TestServer::with(small);
    let mut http = server.http().await;
    let body = "x".repeat(500_000);
    for _ in 0..3 {
        http.signed("POST", "/apps/4/events", &body).await.expect_error(404, "Unknown app_id");
        http.trigger(&json!({ "data": body })).await.expect_error(413, "2000 bytes");
    }
}

#[tokio::test]
async fn slow_bodies_and_slow_heads_are_given_up() {
    let server = TestServer::with(small);
    answers(&server, format!("{}{{", head(100, "")).as_bytes(), 408, "took too long").await;
    let mut http = server.http().await;
    http.raw(b"POST /apps/3/events HTTP/1.1\r\nHo").await;
    let mut rest = Vec::new();
    let read = tokio::time::timeout(crate::support::PATIENCE, http.0.read_to_end(&mut rest)).await;
    read.expect("a slow head holds its connection").unwrap();
}

/// Requests are sent, their answers never read: the connection ends and gives its place up.
#[tokio::test]
async fn answers_that_nobody_reads_are_given_up() {
    let server = TestServer::with(small);
    let mut http = server.http().await;
    let requests = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let flood = async { while http.0.get_mut().write_all(requests.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(crate::support::PATIENCE, flood).await.expect("the connection is held for ever");
}

#[tokio::test]
async fn heads_have_a_size_too() {
    let server = TestServer::start();
    let long = |len: usize| format!("x: {}\r\n", "x".repeat(len));
    let many = |count: usize| (0..count).map(|n| format!("x{n}: x\r\n")).collect::<String>();
    for (headers, status) in [(long(32_000), 200), (long(200_000), 431), (many(100), 200), (many(101), 431)] {
        let mut http = server.http().await;
        http.raw(format!("GET /up HTTP/1.1\r\n{headers}\r\n").as_bytes()).await;
        let answer = http.answer().await;
        assert_eq!((answer.status, answer.body.is_empty()), (status, status == 431));
    }
}

#[tokio::test]
async fn a_malformed_head_is_answered_without_a_body() {
    let server = TestServer::start();
    for head in
        ["GET\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n", "GET /up HTTP/9.9\r\n\r\n", "GET /up HTTP/1.1\r\nx\r\n\r\n"]
    {
        let mut http = server.http().await;
        http.raw(head.as_bytes()).await;
        let answer = http.answer().await;
        assert_eq!((answer.status, &*answer.body), (400, ""), "{head:?}");
    }
}

#[tokio::test]
async fn garbage_and_half_requests_hurt_nobody() {
    let server = TestServer::start();
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"\0\0\0\0\r\n\r\n", b"GET", b"GET / HTTP/9.9\r\n\r\n", b""] {
        server.http().await.raw(bytes).await;
    }
    let body = json!({ "name": "e", "channel": "a", "data": "x" }).to_string();
    let request = format!("POST /apps/{APP}/events?{} HTTP/1.1\r\n", signed("POST", "/apps/3/events", &body));
    server.http().await.raw(format!("{request}Content-Length: 99\r\n\r\n{body}").as_bytes()).await;
    let mut client = server.connect().await;
    client.subscribe("a").await;
    server.publish("a", "e", "x").await;
    assert_eq!(client.next().await["event"], "e");
}
