//! The server under test, and the plainest clients that can talk to it.

mod api;
mod client;
mod exposition;
mod hooks;
#[path = "../../support/http.rs"]
mod http;
#[path = "../../support/nodes/mod.rs"]
mod nodes;
#[path = "../../support/receiver.rs"]
mod receiver;
#[cfg(any(feature = "nats", feature = "redis"))]
#[path = "../../support/servers/mod.rs"]
mod servers;
#[path = "../../support/wire.rs"]
mod wire;

pub(crate) use exposition::Exposition;
pub(crate) use hooks::{DEBOUNCE_MS, events, occupied, vacated};
pub(crate) use http::{Answer, Credentials, Http, now, sign, signed};
pub(crate) use nodes::Place;
pub(crate) use receiver::{Receiver, Reply, Request};
pub(crate) use wire::{Client, data};

use fanfare::app::{App, Limits};
use fanfare::broker::memory;
use fanfare::config::{self, Config};
use fanfare::metrics::{AppMetrics, Counter};
use fanfare::node::Node;
use fanfare::protocol::signature::Secret;
use nodes::{Bus, Kind, Nodes};
use std::time::Duration;
use tokio::time::{interval, timeout};

pub(crate) const APP: &str = "3";
pub(crate) const KEY: &str = "278d425bdf160c739803";
pub(crate) const SECRET: &str = "7ad3773142a6692b25b8";

/// What requests are signed with.
pub(crate) fn credentials() -> Credentials {
    Credentials { id: APP, key: KEY, secret: SECRET }
}

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The server under test: one node, or three that act as one. Dropping it stops it and fails the test if anything is
/// left.
pub(crate) struct TestServer(Nodes);

/// The app of every test, for tests to change.
pub(crate) fn app() -> App {
    App::new(APP, KEY, SECRET)
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with_limits(adjust: impl Fn(&mut Limits)) -> Self {
        Self::with(|config| adjust(&mut config.apps[0].limits))
    }

    pub(crate) fn with(adjust: impl Fn(&mut Config)) -> Self {
        Self::on(Kind::wanted(), adjust)
    }

    /// One node, wherever the others run on three. `_why` says what makes the test one of a single node.
    pub(crate) fn alone(_why: &str, adjust: impl Fn(&mut Config)) -> Self {
        Self::on(None, adjust)
    }

    /// Three nodes, wherever the others run on one.
    pub(crate) fn three() -> Self {
        Self::on(Some(Kind::wanted().unwrap_or(Kind::Memory)), |_| {})
    }

    /// Three nodes, and the link of the first.
    pub(crate) fn linked() -> (Self, memory::Memory) {
        let server = Self::on(Some(Kind::Memory), |_| {});
        let Some(Bus::Memory(_, links)) = &server.0.bus else { unreachable!("it was asked for") };
        let link = links[0].clone();
        (server, link)
    }

    fn on(kind: Option<Kind>, adjust: impl Fn(&mut Config)) -> Self {
        let config = || {
            let server = config::Server {
                host: "127.0.0.1".to_owned(),
                port: 0,
                drain_delay_secs: 0,
                drain_window_secs: 1,
                ..config::Server::default()
            };
            let mut config = Config::new(server, vec![app()]);
            adjust(&mut config);
            config
        };
        Self(Nodes::start(kind, config))
    }

    /// Where to connect: at another node each time.
    pub(crate) fn place(&self) -> Place {
        self.0.place()
    }

    /// Where to connect to reach the node number `n`.
    pub(crate) fn at(&self, n: usize) -> Place {
        self.0.at(n)
    }

    /// Connects as a current client and reads the first frame.
    pub(crate) async fn connect(&self) -> Client {
        connect(self.place()).await
    }

    /// A keep-alive connection to the HTTP API.
    pub(crate) async fn http(&self) -> Http {
        Http::connect(self.place()).await
    }

    /// Publishes a text as one event, and expects it to be accepted.
    pub(crate) async fn publish(&self, channel: &str, name: &str, data: &str) {
        let body = serde_json::json!({ "name": name, "channels": [channel], "data": data });
        self.http().await.trigger(&body).await.expect(200, "{}");
    }

    /// What all nodes count for all apps, added up.
    pub(crate) fn total(&self, of: impl Fn(&AppMetrics) -> &Counter) -> u64 {
        self.sum(|node| node.hubs().iter().map(|hub| of(hub.metrics()).get()).sum())
    }

    /// Something of all nodes, added up.
    pub(crate) fn sum(&self, of: impl Fn(&Node) -> u64) -> u64 {
        self.nodes().map(of).sum()
    }

    /// Expects the node to have counted so much. What several count of one thing, and of finding out what they know of
    /// each other, is nobody's promise.
    #[track_caller]
    pub(crate) fn has_counted(&self, of: impl Fn(&AppMetrics) -> &Counter, expect: u64) {
        if self.nodes().len() == 1 {
            assert_eq!(self.total(of), expect);
        }
    }

    fn nodes(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.0.running.iter().map(|running| &*running.node)
    }

    /// The node number `n` itself.
    pub(crate) fn node(&self, n: usize) -> &Node {
        self.nodes().nth(n).unwrap()
    }

    /// Connections of all nodes.
    pub(crate) fn connections(&self) -> usize {
        self.nodes().map(Node::connections).sum()
    }

    /// Channels with a subscriber, once for each node that has one.
    pub(crate) fn channels(&self) -> usize {
        self.nodes().map(Node::channels).sum()
    }

    /// Asks the server to stop, without waiting for it. What was published before has reached the subscribers' nodes.
    pub(crate) async fn begin_stop(&mut self) {
        self.place().visit().settle(false).await;
        self.0.stop();
    }

    /// Ends the node number `n` as a crash does.
    pub(crate) fn kill(&mut self, n: usize) {
        self.0.kill(n);
    }
}

/// Connects as a current client and reads the first frame.
pub(crate) async fn connect(place: Place) -> Client {
    Client::connect(place, &format!("/app/{KEY}?protocol=7&client=js&version=8.6.0&flash=false")).await
}

/// Waits for a number to become what it should.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        let mut look = interval(Duration::from_millis(5));
        while !holds() {
            look.tick().await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "never happened: {what}");
}

/// `{key}:{signature}` for a channel.
pub(crate) fn auth(parts: &[&str]) -> String {
    format!("{KEY}:{}", Secret::new(SECRET).sign(parts))
}
