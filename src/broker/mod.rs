//! Bytes between nodes: a bus with topics.
//!
//! The contract of every driver, which `tests/contract` holds all of them to:
//!
//! * A payload published on a topic reaches every subscriber of it, its publisher included, as it was.
//! * What one node publishes on one topic arrives in that order. [`Broker::publish`] returns `Ok` once the bus has taken
//!   every payload; after an error each of them may or may not have arrived, so callers publish them again and
//!   receivers tell repeats apart.
//! * A topic is subscribed once [`Broker::subscribe`] returns `Ok`: whatever is published afterwards arrives. It stays
//!   so, whatever the link does, until [`Broker::unsubscribe`].
//! * The link comes up and goes down as [`Incoming::Link`] says, in order with the messages. Between `Down` and `Up`
//!   messages may be lost; at `Up` every subscription stands again. Drivers never give up connecting.
//! * A payload of more than [`Broker::max_bytes`] is refused.
//! * What comes in waits in an [`Inbox`] that is bounded in bytes. A driver whose inbox is full drops its link, so that
//!   the loss is known.
//!
//! Must not know: channels, apps, JSON, or what a payload means.

mod inbox;
pub mod memory;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "redis")]
pub mod redis;
mod topic;

use bytes::Bytes;
pub use inbox::{Feed, Inbox};
use memory::Memory;
use std::time::Duration;
pub use topic::Topic;

/// A node's connection to the bus. Clones share it.
#[derive(Clone, Debug)]
pub enum Broker {
    /// Other nodes of the same process.
    Memory(Memory),
    /// NATS.
    #[cfg(feature = "nats")]
    Nats(nats::Nats),
    /// Redis or Valkey.
    #[cfg(feature = "redis")]
    Redis(self::redis::Redis),
}

/// What comes from the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Somebody published on a topic that is subscribed.
    Message {
        /// Where.
        topic: Topic,
        /// What.
        payload: Bytes,
    },
    /// The link changed.
    Link(Link),
}

/// Whether the bus can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It can, and every subscription stands.
    Up,
    /// It cannot; messages may be lost.
    Down,
}

/// The bus did not do what it was asked. What became of it is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The link is down, or went down meanwhile.
    #[error("the link to the bus is down")]
    Down,
    /// The bus refuses, and says why.
    #[error("the bus refuses: {0}")]
    Refused(String),
}

impl Broker {
    /// What carries the bytes.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            #[cfg(feature = "redis")]
            Self::Redis(_) => "redis",
            #[cfg(feature = "nats")]
            Self::Nats(_) => "nats",
        }
    }

    /// The largest payload that the bus takes, as far as there is a bound and a link.
    pub fn max_bytes(&self) -> usize {
        match self {
            Self::Memory(memory) => memory.max_bytes(),
            #[cfg(feature = "redis")]
            Self::Redis(_) => usize::MAX,
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.max_bytes(),
        }
    }

    /// Hands payloads over, in order.
    pub async fn publish(&self, batch: &[(Topic, Bytes)]) -> Result<(), Error> {
        match self {
            Self::Memory(memory) => memory.publish(batch),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.publish(batch).await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.publish(batch).await,
        }
    }

    /// Subscribes a topic, once: a second time changes nothing. After an error it will be subscribed with the next
    /// [`Link::Up`], unless it has been unsubscribed by then.
    pub async fn subscribe(&self, topic: &Topic) -> Result<(), Error> {
        match self {
            Self::Memory(memory) => memory.subscribe(topic),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.subscribe(topic).await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.subscribe(topic).await,
        }
    }

    /// Ends a subscription. Messages that wait may still come.
    pub fn unsubscribe(&self, topic: &Topic) {
        match self {
            Self::Memory(memory) => memory.unsubscribe(topic),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.unsubscribe(topic),
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.unsubscribe(topic),
        }
    }

    /// Keeps `value` under `key` for `ttl`, in place of what was there, for all nodes.
    pub async fn remember(&self, key: &Topic, value: &Bytes, ttl: Duration) -> Result<(), Error> {
        match self {
            Self::Memory(memory) => memory.remember(key, value, ttl),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.remember(key, value, ttl).await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.remember(key, value, ttl).await,
        }
    }

    /// What is kept under `key`.
    pub async fn recall(&self, key: &Topic) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Memory(memory) => memory.recall(key),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.recall(key).await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.recall(key).await,
        }
    }

    /// Drops the link and connects anew, because it looks alive and is not.
    pub fn reset(&self) {
        match self {
            Self::Memory(memory) => memory.reset(),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.reset(),
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.reset(),
        }
    }
}
