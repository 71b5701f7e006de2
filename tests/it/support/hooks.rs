//! Servers whose webhooks go to receivers, and what receivers do that should not.

use super::receiver::{Receiver, Reply, Request};
use super::{APP, PATIENCE, TestServer};
use fanfare::app::{Endpoint, Endpoints, EventKind};
use fanfare::config::Config;
use fanfare::node::{Status, Webhooks};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{interval, timeout};

/// How long webhooks wait before they tell that somebody has gone.
pub(crate) const DEBOUNCE_MS: u32 = 300;

impl TestServer {
    /// A server whose app has these endpoints, which are on this machine.
    pub(crate) fn telling(endpoints: &[Endpoint], adjust: impl Fn(&mut Config)) -> Self {
        Self::alone("each node has its own queues and its own order", |config| {
            config.apps[0].features.private_webhook_targets = true;
            config.apps[0].webhooks = Endpoints::new(endpoints.to_vec());
            config.webhooks.debounce_ms = DEBOUNCE_MS;
            config.webhooks.retry_after_secs = vec![1];
            config.webhooks.journal = PathBuf::new();
            adjust(config);
        })
    }

    pub(crate) fn webhooks(&self) -> &Webhooks {
        self.node(0).webhooks().expect("the app has endpoints")
    }

    /// How the endpoints do, in the order in which they were given, once they do so.
    pub(crate) async fn endpoints(&self, what: &str, hold: impl Fn(&[Status]) -> bool) -> Vec<Status> {
        let mut last = Vec::new();
        let wait = async {
            let mut look = interval(Duration::from_millis(5));
            while last.is_empty() || !hold(&last) {
                look.tick().await;
                last = self.webhooks().status(APP).await.unwrap();
            }
        };
        let came = timeout(PATIENCE, wait).await;
        assert!(came.is_ok(), "never happened: {what}, but {last:#?}");
        last
    }
}

impl Receiver {
    /// An endpoint here that is told of these.
    pub(crate) fn endpoint(&self, events: &[EventKind]) -> Endpoint {
        Endpoint { url: self.url(), events: events.to_vec(), ..Endpoint::default() }
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.borrow().connections
    }

    /// Waits until none is open.
    pub(crate) async fn is_left(&self) {
        let mut seen = self.seen.clone();
        let left = timeout(PATIENCE, seen.wait_for(|seen| seen.left == seen.connections)).await;
        assert!(left.is_ok_and(|left| left.is_ok()), "connections stay open");
    }
}

impl Reply {
    /// None: the connection ends.
    pub(crate) fn nothing() -> Self {
        Self { text: String::new(), closes: true, ..Self::status(200) }
    }

    /// The connection ends within the status line.
    pub(crate) fn half() -> Self {
        Self { text: "HTTP/1.1 2".to_owned(), ..Self::nothing() }
    }

    pub(crate) fn redirect(url: &str) -> Self {
        let text = format!("HTTP/1.1 307 Status\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n");
        Self { text, ..Self::status(200) }
    }

    /// A 200, but not at once.
    pub(crate) fn late(after: Duration) -> Self {
        Self { after, ..Self::status(200) }
    }
}

pub(crate) fn occupied(channel: &str) -> Value {
    json!({ "name": "channel_occupied", "channel": channel })
}

pub(crate) fn vacated(channel: &str) -> Value {
    json!({ "name": "channel_vacated", "channel": channel })
}

/// The events of all requests, in the order in which they came.
pub(crate) fn events(requests: &[Request]) -> Vec<Value> {
    requests.iter().flat_map(Request::events).collect()
}
