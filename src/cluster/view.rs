//! The nodes there are, for people who look after them.

use super::Cluster;
use crate::protocol::NodeId;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Who a node is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its id, which is another after each start.
    pub id: NodeId,
    /// What people know it by: host and port.
    pub name: String,
    /// Its version of the server.
    pub version: String,
    /// When it was started.
    pub started: SystemTime,
}

impl Identity {
    /// This process, known by `name` and started at `started`.
    pub fn new(name: String, started: SystemTime) -> Self {
        let id = NodeId(getrandom::u64().expect("the operating system gives random numbers"));
        Self { id, name, version: env!("CARGO_PKG_VERSION").to_owned(), started }
    }
}

/// What a node says about itself with each sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// What people know it by.
    pub name: String,
    /// Its version of the server.
    pub version: String,
    /// When it was started.
    pub started: SystemTime,
    /// How its link is.
    pub health: Health,
}

/// How a node's link to the bus is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// From when the node says something until it hears it itself.
    pub lag: Duration,
    /// Bytes that wait for the bus.
    pub waiting_bytes: usize,
}

/// A node as another one sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which one.
    pub id: NodeId,
    /// What it said about itself; nothing yet, if it has only just been heard of.
    pub about: Option<About>,
    /// When it was last heard.
    pub heard: Instant,
    /// Whether all that is so on it is known.
    pub is_known: bool,
}

/// The link to the bus, as this node sees it.
#[derive(Clone, Copy, Debug)]
pub struct LinkState {
    /// What carries bytes: `redis`, `nats` or `memory`.
    pub bus: &'static str,
    /// Whether it can be reached.
    pub is_up: bool,
    /// For how long that has been so.
    pub since: Duration,
    /// How it is.
    pub health: Health,
}

/// A time that one task measures and others read.
#[derive(Debug, Default)]
pub(super) struct Lag(AtomicU64);

impl Lag {
    pub(super) fn set(&self, lag: Duration) {
        self.0.store(u64::try_from(lag.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

impl Cluster {
    /// The other nodes, in the order of their ids, each with the time since it was last heard.
    pub fn others(&self) -> Vec<(Seen, Duration)> {
        let now = super::now();
        let since = |seen: &Seen| now.saturating_duration_since(seen.heard);
        self.0.others.read().iter().map(|seen| (seen.clone(), since(seen))).collect()
    }

    /// The link to the bus.
    pub fn link(&self) -> LinkState {
        let (is_up, since) = *self.0.link.read();
        let since = super::now().saturating_duration_since(since);
        LinkState { bus: self.0.broker.name(), is_up, since, health: self.health() }
    }

    pub(super) fn health(&self) -> Health {
        Health { lag: self.0.lag.get(), waiting_bytes: self.0.outgoing.bytes() }
    }

    /// What this node says about itself.
    pub(super) fn about(&self) -> About {
        let Identity { name, version, started, .. } = self.0.me.clone();
        About { name, version, started, health: self.health() }
    }
}
