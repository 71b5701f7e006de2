//! What a node says, as it waits for the bus and is held to be repeated.

use crate::broker::Topic;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// What a message takes besides its bytes.
const OVERHEAD: usize = 128;

/// One message.
#[derive(Debug)]
pub struct Message {
    /// The node's messages are numbered in the order in which it says them.
    pub number: u64,
    /// When it was said.
    pub since: Instant,
    /// Where it goes.
    pub topic: Topic,
    /// Its envelope.
    pub bytes: Bytes,
    /// How much it matters.
    pub kind: Kind,
    /// Under which key it is kept before.
    pub keep: Option<Keep>,
}

/// What newcomers of a cache channel are to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Under which key.
    pub key: Topic,
    /// For how long.
    pub ttl: Duration,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On a channel's topic. It waits for the bus.
    Event,
    /// On the nodes' topic. It waits for the bus.
    Command,
    /// On the nodes' topic. It is dropped when the link is lost.
    News,
    /// On the nodes' topic, that this node stops. It waits for the bus, and there is no news after it: whoever heard
    /// some would take the node for one that is there.
    Farewell,
}

impl Message {
    /// How long ago it was said.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Bytes that it takes while it is held.
    pub fn size(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }
}
