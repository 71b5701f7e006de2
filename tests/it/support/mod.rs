//! The server under test, and the plainest clients that can talk to it.

mod api;
mod client;
#[path = "../../support/http.rs"]
mod http;
#[path = "../../support/wire.rs"]
mod wire;

pub(crate) use http::{Answer, Credentials, Http, now, sign, signed};
pub(crate) use wire::{Client, data};

use fanfare::app::{App, Limits};
use fanfare::broker::{Broker, Inbox, memory};
use fanfare::cluster::Settings;
use fanfare::config::{self, Config};
use fanfare::metrics::Metrics;
use fanfare::node::Node;
use fanfare::protocol::signature::Secret;
use fanfare::server::{Bus, Server};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
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

/// A server with a thread of its own. Dropping it stops it and fails the test if anything is left.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) node: Arc<Node>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The app of every test, for tests to change.
pub(crate) fn app() -> App {
    App::new(APP, KEY, SECRET)
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with_limits(adjust: impl FnOnce(&mut Limits)) -> Self {
        Self::with(|config| adjust(&mut config.apps[0].limits))
    }

    pub(crate) fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        Self::on(None, adjust)
    }

    /// One of several servers, on a bus within this process.
    pub(crate) fn of(bus: &memory::Bus) -> Self {
        Self::linked(bus).0
    }

    /// The same with its link, to be cut.
    pub(crate) fn linked(bus: &memory::Bus) -> (Self, memory::Memory) {
        let (feed, inbox) = Inbox::new(64 << 20);
        let link = bus.connect(feed);
        let broker = Broker::Memory(link.clone());
        let settings = Settings::from(&config::Cluster::default());
        (Self::on(Some(Bus { broker, inbox, settings }), |_| {}), link)
    }

    fn on(bus: Option<Bus>, adjust: impl FnOnce(&mut Config)) -> Self {
        let server = config::Server { host: "127.0.0.1".to_owned(), port: 0, ..config::Server::default() };
        let mut config = Config::new(server, vec![app()]);
        adjust(&mut config);
        let (stop, stopped) = oneshot::channel();
        let (started, start) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::bind(config, bus).await.unwrap();
                started.send((server.local_addr().unwrap(), server.node().clone())).unwrap();
                server.run(async { drop(stopped.await) }).await;
            });
        });
        let (address, node) = start.recv().unwrap();
        Self { address, node, stop: Some(stop), thread: Some(thread) }
    }

    /// Connects as a current client and reads the first frame.
    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address, &format!("/app/{KEY}?protocol=7&client=js&version=8.6.0&flash=false")).await
    }

    /// A keep-alive connection to the HTTP API.
    pub(crate) async fn http(&self) -> Http {
        Http::connect(self.address).await
    }

    /// Publishes a text as one event, and expects it to be accepted.
    pub(crate) async fn publish(&self, channel: &str, name: &str, data: &str) {
        let body = serde_json::json!({ "name": name, "channels": [channel], "data": data });
        self.http().await.trigger(&body).await.expect(200, "{}");
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.node.metrics()
    }

    pub(crate) fn connections(&self) -> usize {
        self.node.connections()
    }

    pub(crate) fn channels(&self) -> usize {
        self.node.channels()
    }

    /// Asks the server to stop, without waiting for it.
    pub(crate) fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
            assert_eq!((self.connections(), self.channels()), (0, 0), "connections and channels left behind");
        }
    }
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
