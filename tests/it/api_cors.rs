//! Pages whose scripts may call the HTTP API: none, unless `api_origins` says so (5.1).

use crate::support::{Answer, Http, TestServer};

const PAGE: &str = "https://admin.example";
const EVENT: &str = r#"{"name":"e","channel":"a","data":"x"}"#;

fn open_to(origins: &[&str]) -> TestServer {
    TestServer::with(|config| {
        config.server.path = "/ws".to_owned();
        config.server.api_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    })
}

/// What a browser asks before it sends a POST of JSON.
async fn preflight(http: &mut Http, target: &str, origin: &str) -> Answer {
    let headers = format!(
        "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n"
    );
    http.send("OPTIONS", target, &headers, b"").await
}

/// The values of the headers called `name`.
fn header<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

#[tokio::test]
async fn nobody_is_let_in_by_default() {
    let server = TestServer::start();
    let mut http = server.http().await;
    preflight(&mut http, "/apps/3/events", PAGE).await.expect_error(405, "Method not allowed");
    let target = format!("/apps/3/events?{}", crate::support::signed("POST", "/apps/3/events", EVENT));
    let answer = http.send("POST", &target, &format!("Origin: {PAGE}\r\n"), EVENT.as_bytes()).await;
    answer.expect(200, "{}");
    assert!(!answer.head.contains("access-control") && !answer.head.contains("vary"), "{}", answer.head);
}

#[tokio::test]
async fn a_listed_page_is_let_in() {
    let server = open_to(&["http://localhost:3000", PAGE]);
    let mut http = server.http().await;
    for target in ["/apps/3/events", "/ws/apps/3/batch_events", "/apps/3/channels/presence-a/users", "/up"] {
        let answer = preflight(&mut http, target, PAGE).await;
        assert_eq!((answer.status, &*answer.body), (204, ""), "{target}");
        assert_eq!(header(&answer.head, "access-control-allow-origin"), [PAGE], "{target}");
        assert_eq!(header(&answer.head, "access-control-allow-methods"), ["get,post"]);
        assert_eq!(
            header(&answer.head, "access-control-allow-headers"),
            ["content-type,idempotency-key,x-pusher-library"]
        );
        assert_eq!(header(&answer.head, "access-control-max-age"), ["86400"]);
        assert_eq!(header(&answer.head, "vary"), ["origin"]);
        assert_eq!(header(&answer.head, "content-length"), [""; 0], "a 204 has none");
    }
    let target = format!("/apps/3/events?{}", crate::support::signed("POST", "/apps/3/events", EVENT));
    for (target, status) in [(&*target, 200), ("/apps/3/events", 401), ("/apps/4/events", 404)] {
        let answer = http.send("POST", target, &format!("Origin: {PAGE}\r\n"), EVENT.as_bytes()).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(header(&answer.head, "access-control-allow-origin"), [PAGE], "refusals are to be read too");
        assert_eq!(header(&answer.head, "vary"), ["origin"]);
    }
    let answer = http.send("DELETE", "/apps/3/events", &format!("Origin: {PAGE}\r\n"), b"").await;
    answer.expect_error(405, "Method not allowed");
}

#[tokio::test]
async fn other_pages_are_not() {
    let server = open_to(&[PAGE]);
    let mut http = server.http().await;
    for origin in ["https://other.example", "http://admin.example", "https://admin.example.other.test", "null"] {
        let answer = preflight(&mut http, "/apps/3/events", origin).await;
        assert_eq!(header(&answer.head, "access-control-allow-origin"), [""; 0], "{origin}");
        assert_eq!(header(&answer.head, "vary"), ["origin"], "{origin}");
        let target = format!("/apps/3/events?{}", crate::support::signed("POST", "/apps/3/events", EVENT));
        let answer = http.send("POST", &target, &format!("Origin: {origin}\r\n"), EVENT.as_bytes()).await;
        answer.expect(200, "{}");
        assert_eq!(header(&answer.head, "access-control-allow-origin"), [""; 0], "{origin}");
    }
    http.signed("POST", "/apps/3/events", EVENT).await.expect(200, "{}");
}

#[tokio::test]
async fn a_star_lets_every_page_in() {
    let server = open_to(&[PAGE, "*"]);
    let mut http = server.http().await;
    let answer = preflight(&mut http, "/apps/3/events", "null").await;
    assert_eq!(answer.status, 204);
    assert_eq!(header(&answer.head, "access-control-allow-origin"), ["*"]);
    assert_eq!(header(&answer.head, "vary"), [""; 0]);
}

/// The routes of WebSocket clients and paths that are no routes answer as ever.
#[tokio::test]
async fn nothing_but_the_api_is_let_in() {
    let server = open_to(&["*"]);
    let mut http = server.http().await;
    for (target, status) in [("/app/278d425bdf160c739803", 405), ("/apps/3/nowhere", 404)] {
        let answer = preflight(&mut http, target, PAGE).await;
        assert_eq!(answer.status, status, "{target}");
        assert!(!answer.head.contains("access-control"), "{}", answer.head);
    }
}
