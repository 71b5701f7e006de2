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
//! * A log has what every node appends to it, in an order that is the same for all: what one node appends, one after the
//!   other, is in that order. Once [`Broker::append`] returns `Ok` every read finds the entry, until [`LOG_ENTRIES`]
//!   younger ones are there; after an error it may be there, or come to be there yet. How long a log lasts is the bus's
//!   affair: one that loses what it keeps begins anew. A topic is either published on or a log, never both.
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

/// Entries of a log that stay. The bus lets go of older ones, though not always at once.
pub const LOG_ENTRIES: usize = 10_000;

/// What one read of a log gives at most.
const READ_ENTRIES: usize = 200;

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

/// Where an entry lies in a log. Of two entries, the one that was appended later has the greater one; the default is
/// before all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64, pub u64);

impl Position {
    /// The first that can come after it. The last of all has none, and is its own.
    pub fn next(self) -> Self {
        match (self.0.checked_add(1), self.1.checked_add(1)) {
            (_, Some(second)) => Self(self.0, second),
            (Some(first), None) => Self(first, 0),
            (None, None) => self,
        }
    }
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

    /// Appends an entry to a log, and returns once the bus has it. After an error it may be there, or come to be there
    /// yet. The bus lets go of the oldest once there are more than [`LOG_ENTRIES`]; it may keep somewhat more.
    pub async fn append(&self, log: &Topic, entry: &Bytes) -> Result<(), Error> {
        match self {
            Self::Memory(memory) => memory.append(log, entry),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.append(log, entry).await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.append(log, entry).await,
        }
    }

    /// Entries of a log from `from` on, that one included if it is still there, oldest first. At most `most`: fewer may
    /// come though there are more, but none only if there are none.
    pub async fn read(&self, log: &Topic, from: Position, most: usize) -> Result<Vec<(Position, Bytes)>, Error> {
        // No server is to be silent for long over one answer.
        let most = most.min(READ_ENTRIES);
        if most == 0 {
            return Ok(Vec::new());
        }
        match self {
            Self::Memory(memory) => memory.read(log, from, most),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.read(log, from, most).await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.read(log, from, most).await,
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

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn positions_are_counted_up_to_the_last() {
        const MAX: u64 = u64::MAX;
        for (at, next) in [((0, 0), (0, 1)), ((7, MAX), (8, 0)), ((MAX, 7), (MAX, 8)), ((MAX, MAX), (MAX, MAX))] {
            assert_eq!(Position(at.0, at.1).next(), Position(next.0, next.1));
        }
    }
}
