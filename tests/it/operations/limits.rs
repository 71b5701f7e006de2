//! What may be done at once, or in a second: reached, and told.

use crate::support::{Answer, Client, Http, KEY, TestServer, eventually};
use fanfare::app::Limits;
use fanfare::metrics::Limited;
use fanfare::protocol::CloseCode;
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

fn limited(adjust: impl Fn(&mut Limits)) -> TestServer {
    TestServer::alone("each node has its own share", |config| adjust(&mut config.apps[0].limits))
}

/// A client of a proxy on this machine.
async fn from(server: &TestServer, address: &str) -> Client {
    let url = format!("ws://{}/app/{KEY}?protocol=7", server.place());
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("X-Forwarded-For", address.parse().unwrap());
    Client::request(server.place(), request).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
}

#[tokio::test]
async fn connections_from_one_address() {
    let server = limited(|limits| limits.max_connections_per_address = 2);
    let (mut first, mut second) = (from(&server, "1.2.3.4").await, from(&server, "1.2.3.4").await);
    first.greeted().await;
    second.greeted().await;
    let told = (4100, "Too many connections from this address".to_owned());
    assert_eq!(from(&server, "1.2.3.4").await.closed().await, told);
    assert_eq!(server.node(0).metrics().refused.of(CloseCode::TooManyFromAddress).get(), 1);
    from(&server, "1.2.3.5").await.greeted().await;
    second.close().await;
    eventually("its place is free", || server.connections() == 1).await;
    from(&server, "1.2.3.4").await.greeted().await;
}

#[tokio::test]
async fn new_connections_a_second() {
    let server = limited(|limits| limits.connections_per_second = 3);
    let mut codes = Vec::new();
    for _ in 0..6 {
        let mut client = Client::open(server.place(), &format!("/app/{KEY}?protocol=7")).await;
        if !client.message().await.is_close() {
            codes.push(0);
            continue;
        }
        codes.push(4100);
    }
    assert!(codes[..3] == [0; 3] && codes.contains(&4100), "{codes:?}");
}

#[tokio::test]
async fn connections_that_are_of_no_use() {
    let server = limited(|limits| limits.unused_timeout_secs = 1);
    let (mut idle, mut used) = (server.connect().await, server.connect().await);
    used.subscribe("a").await;
    used.unsubscribe("a").await;
    assert_eq!(idle.closed().await, (4202, "Closed after inactivity".to_owned()));
    used.hears_nothing().await;
}

async fn publish(http: &mut Http, channels: &[&str]) -> Answer {
    http.trigger(&json!({ "name": "e", "channels": channels, "data": "x" })).await
}

#[tokio::test]
async fn events_a_second() {
    let server = limited(|limits| limits.events_per_second = 5);
    let mut http = server.http().await;
    let answer = publish(&mut http, &["a", "b", "c"]).await;
    answer.expect(200, "{}");
    assert_eq!(
        [header(&answer, "x-ratelimit-limit"), header(&answer, "x-ratelimit-remaining")],
        [Some("5"), Some("2")]
    );
    let refused = publish(&mut http, &["a", "b", "c", "d"]).await;
    refused.expect_error(429, "Too many events: this application may have 5 a second on this server");
    assert_eq!([header(&refused, "retry-after"), header(&refused, "x-ratelimit-remaining")], [Some("1"), Some("0")]);
    let never = publish(&mut http, &["a", "b", "c", "d", "e", "f"]).await;
    never.expect_error(400, "Too many events in one request: this application may have 5 a second on this server");
    assert_eq!(header(&never, "retry-after"), None);
    assert_eq!(server.total(|metrics| metrics.limited.of(Limited::Event)), 2);
    // Neither reading nor what is no event counts.
    let read = http.get("/apps/3/channels", "").await;
    assert_eq!((read.status, header(&read, "x-ratelimit-limit")), (200, None));
}

/// A retry of what was done is answered, not counted.
#[tokio::test]
async fn a_repeated_event_counts_once() {
    let server = limited(|limits| limits.events_per_second = 1);
    let mut http = server.http().await;
    let body = json!({ "name": "e", "channel": "a", "data": "x" }).to_string();
    for _ in 0..5 {
        http.keyed("k", "/apps/3/events", "", &body).await.expect(200, "{}");
    }
    http.keyed("other", "/apps/3/events", "", &body).await.expect_error(429, "Too many events");
}

#[tokio::test]
async fn requests_a_second() {
    let server = limited(|limits| limits.reads_per_second = 2);
    let mut http = server.http().await;
    for remaining in ["1", "0"] {
        let answer = http.get("/apps/3/channels", "").await;
        assert_eq!((answer.status, header(&answer, "x-ratelimit-remaining")), (200, Some(remaining)));
    }
    let refused = http.get("/apps/3/connections", "").await;
    refused
        .expect_error(429, "Too many requests: this application may have 2 a second on this server (reads_per_second)");
    assert_eq!(header(&refused, "retry-after"), Some("1"));
    assert_eq!(server.total(|metrics| metrics.limited.of(Limited::Read)), 1);
    // Strangers use up nobody's share, and events are counted apart.
    http.request("GET", "/apps/3/channels?auth_key=x", "").await.expect_error(401, "");
    publish(&mut http, &["a"]).await.expect(200, "{}");
}
