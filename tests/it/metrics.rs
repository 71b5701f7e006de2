//! `/metrics` and health, of the real binary.

use crate::binary::{Folder, Running};
use crate::support::{Client, Exposition, Http, KEY, SECRET};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::interval;

/// A server with a listener for metrics, and where both of its ports are.
pub(crate) struct Watched {
    pub(crate) server: Running,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: SocketAddr,
    _folder: Folder,
}

impl Watched {
    /// Starts it below the prefix `/ws`, with `more` in its config file.
    pub(crate) fn start(more: &str) -> Self {
        let env = format!(
            "REVERB_APP_ID=3\nREVERB_APP_KEY={KEY}\nREVERB_APP_SECRET={SECRET}\nREVERB_SERVER_HOST=127.0.0.1\n\
             REVERB_SERVER_PORT=0\nREVERB_SERVER_PATH=/ws\n"
        );
        let folder = Folder::new(&env);
        folder.write("fanfare.toml", &format!("[metrics]\nport = 0\n{more}"));
        let mut server = Running::start(folder.fanfare(&["serve", "--config", "fanfare.toml"]));
        let address = server.address.strip_suffix("/ws").unwrap().parse().unwrap();
        let line = server.line();
        let metrics = line.trim().strip_prefix("INFO  Metrics at http://").expect("where metrics are");
        let metrics = metrics.strip_suffix("/metrics").unwrap().parse().unwrap();
        Self { server, address, metrics, _folder: folder }
    }

    pub(crate) async fn scrape(&self) -> Exposition {
        let answer = Http::connect(self.metrics).await.request("GET", "/metrics", "").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"));
        Exposition::parse(&answer.body)
    }

    /// Reads the metrics until they are as they should be.
    async fn until(&self, what: &str, holds: impl Fn(&Exposition) -> bool) -> Exposition {
        let mut look = interval(Duration::from_millis(20));
        for _ in 0..500 {
            let page = self.scrape().await;
            if holds(&page) {
                return page;
            }
            look.tick().await;
        }
        panic!("never so: {what}: {:#?}", self.scrape().await);
    }

    async fn client(&self) -> Client {
        Client::connect(self.address, &format!("/app/{KEY}?protocol=7")).await
    }
}

/// Labels are quoted, whatever an app is called.
const MORE: &str = r#"
[limits]
client_events_per_second = 1
[[apps]]
id = 'o"1\2'
key = 'k'
secret = 's'
"#;

#[tokio::test]
async fn metrics_tell_what_happens() {
    let watched = Watched::start(MORE);
    let (mut a, mut b) = (watched.client().await, watched.client().await);
    for client in [&mut a, &mut b] {
        client.subscribe("private-room").await;
        client.join("presence-room", r#"{"user_id":"1"}"#).await;
    }
    let mut http = Http::connect(watched.address).await;
    let event = json!({ "name": "e", "channels": ["private-room", "nobody"], "data": "x" });
    http.trigger(&event).await.expect(200, "{}");
    a.send(&json!({ "event": "client-e", "channel": "private-room", "data": "x" })).await;
    a.send(&json!({ "event": "client-e", "channel": "private-room", "data": "x" })).await;
    http.request("GET", "/apps/3/channels", "").await.expect_error(401, "auth_key");
    http.request("GET", "/nothing", "").await.expect_error(404, "no such route");
    let mut stranger = Client::open(watched.address, "/app/none?protocol=7").await;
    assert_eq!(stranger.closed().await.0, 4001);
    assert_eq!(a.next().await["event"], "e");
    assert_eq!(a.next().await["data"]["code"], 4301);
    assert_eq!([b.next().await["event"].clone(), b.next().await["event"].clone()], ["e", "client-e"]);
    let page = watched.until("written", |page| page.get(r#"fanfare_delivery_latency_seconds_count{app="3"}"#) >= 2.0);
    let page = page.await;
    for (series, expect) in [
        (r#"fanfare_connections{app="3"}"#, 2.0),
        (r#"fanfare_connections{app="o\"1\\2"}"#, 0.0),
        (r#"fanfare_connections_opened_total{app="3"}"#, 2.0),
        (r#"fanfare_connections_refused_total{reason="unknown_app"}"#, 1.0),
        (r#"fanfare_subscriptions{app="3"}"#, 4.0),
        (r#"fanfare_channels{app="3"}"#, 2.0),
        (r#"fanfare_presence_members{app="3"}"#, 1.0),
        (r#"fanfare_messages_received_total{app="3"}"#, 6.0),
        (r#"fanfare_events_published_total{app="3",source="api"}"#, 2.0),
        (r#"fanfare_events_published_total{app="3",source="client"}"#, 1.0),
        (r#"fanfare_deliveries_total{app="3"}"#, 3.0),
        (r#"fanfare_rate_limited_total{app="3",kind="client_event"}"#, 1.0),
        (r#"fanfare_outbox_bytes{app="3"}"#, 0.0),
        (r#"fanfare_api_requests_total{route="publish",status="2xx"}"#, 1.0),
        (r#"fanfare_api_requests_total{route="query",status="4xx"}"#, 1.0),
        (r#"fanfare_api_requests_total{route="other",status="4xx"}"#, 1.0),
        ("fanfare_nodes", 1.0),
    ] {
        assert_eq!(page.get(series), expect, "{series}");
    }
    assert!(!page.has("fanfare_bus_up"), "there is no bus");
    assert!(page.get("process_open_fds") > 5.0 && page.get("process_resident_memory_bytes") > 1e6);
    assert!(page.get(r#"fanfare_delivery_latency_seconds_sum{app="3"}"#) < 60.0);

    a.close().await;
    b.lose().await;
    let page = watched.until("ended", |page| page.get(r#"fanfare_connections{app="3"}"#) == 0.0).await;
    assert_eq!(page.get(r#"fanfare_connections_closed_total{app="3",reason="client_gone"}"#), 2.0);
    for gauge in ["subscriptions", "channels", "presence_members"] {
        assert_eq!(page.get(&format!("fanfare_{gauge}{{app=\"3\"}}")), 0.0, "{gauge}");
    }
}

#[tokio::test]
async fn metrics_are_not_on_the_public_port_and_nothing_else_is_with_them() {
    let watched = Watched::start("");
    let mut public = Http::connect(watched.address).await;
    for path in ["/metrics", "/ws/metrics"] {
        public.request("GET", path, "").await.expect_error(404, "no such route");
    }
    let mut private = Http::connect(watched.metrics).await;
    for path in ["/", "/apps/3/channels", "/metrics/", "/openapi.json", &format!("/app/{KEY}")] {
        private.request("GET", path, "").await.expect_error(404, "here are /metrics");
    }
    private.request("POST", "/metrics", "").await.expect_error(405, "Method not allowed");
    assert_eq!(watched.scrape().await.values("app").into_iter().collect::<Vec<_>>(), ["3"]);
}

#[tokio::test]
async fn health_is_told_on_both_ports_with_and_without_the_prefix() {
    let mut watched = Watched::start("");
    for (address, prefixes) in [(watched.address, &["", "/ws"][..]), (watched.metrics, &[""])] {
        let mut http = Http::connect(address).await;
        for prefix in prefixes {
            http.request("GET", &format!("{prefix}/up"), "").await.expect(200, r#"{"health":"OK"}"#);
            http.request("GET", &format!("{prefix}/live"), "").await.expect(200, r#"{"live":true}"#);
            http.request("GET", &format!("{prefix}/ready"), "").await.expect(200, r#"{"ready":true}"#);
        }
    }
    // A client that does not hang up holds the server for a while.
    let client = watched.client().await;
    let mut http = Http::connect(watched.metrics).await;
    watched.server.signal("-TERM");
    let mut look = interval(Duration::from_millis(5));
    let answer = loop {
        let answer = http.request("GET", "/ready", "").await;
        if answer.status != 200 {
            break answer;
        }
        look.tick().await;
    };
    assert_eq!((answer.status, &*answer.body), (503, r#"{"ready":false,"reasons":["the server is stopping"]}"#));
    http.request("GET", "/live", "").await.expect(200, r#"{"live":true}"#);
    drop(client);
    assert_eq!(watched.server.ended().0.code(), Some(0));
}

#[test]
fn a_metrics_port_that_cannot_be_had_is_said_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (metrics, code, expect) in [
        (format!("port = {port}"), 1, format!("cannot listen on 127.0.0.1:{port}")),
        ("port = 0\nhost = '203.0.113.9'".to_owned(), 1, "metrics.host is \"203.0.113.9\"".to_owned()),
        ("port = 70000".to_owned(), 78, "metrics.port is 70000".to_owned()),
    ] {
        let folder = Folder::new("REVERB_APP_ID=1\nREVERB_APP_KEY=k\nREVERB_APP_SECRET=s\nREVERB_SERVER_PORT=0\n");
        folder.write("fanfare.toml", &format!("[metrics]\n{metrics}\n"));
        let output = folder.output(&["serve", "--host", "127.0.0.1", "--config", "fanfare.toml"]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(&expect) && error.lines().count() == 1, "{error}");
        assert_eq!(output.status.code(), Some(code), "{error}");
    }
}
