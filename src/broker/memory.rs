//! A bus between nodes of one process, for tests of what a cluster does. Its links can be cut.

use super::{Error, Feed, LOG_ENTRIES, Link, Position, Topic};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The bus.
#[derive(Clone, Debug, Default)]
pub struct Bus(Arc<Mutex<State>>);

/// One node's connection to it.
#[derive(Clone, Debug)]
pub struct Memory {
    bus: Bus,
    node: usize,
}

#[derive(Debug, Default)]
struct State {
    nodes: Vec<Node>,
    kept: HashMap<Topic, (Bytes, Instant)>,
    logs: HashMap<Topic, VecDeque<(Position, Bytes)>>,
    /// The largest payload that is taken, if there is a bound.
    max_bytes: Option<usize>,
}

#[derive(Debug)]
struct Node {
    feed: Feed,
    up: bool,
    /// Whether messages come through.
    hears: bool,
    topics: HashSet<Topic>,
}

impl Bus {
    /// A bus that takes payloads up to this size.
    pub fn bounded(max_bytes: usize) -> Self {
        let bus = Self::default();
        bus.0.lock().max_bytes = Some(max_bytes);
        bus
    }

    /// Connects a node. The link is up, as its inbox says first.
    pub fn connect(&self, feed: Feed) -> Memory {
        feed.link(Link::Up);
        let mut state = self.0.lock();
        state.nodes.push(Node { feed, up: true, hears: true, topics: HashSet::new() });
        Memory { bus: self.clone(), node: state.nodes.len() - 1 }
    }
}

impl Memory {
    /// Cuts the node off.
    pub fn cut(&self) {
        self.set(false);
    }

    /// Lets the node back in.
    pub fn mend(&self) {
        self.set(true);
    }

    /// Lets messages through to the node before its link counts as up, as on a bus that takes time for it.
    pub fn half_mend(&self) {
        self.bus.0.lock().nodes[self.node].hears = true;
    }

    fn set(&self, up: bool) {
        let node = &mut self.bus.0.lock().nodes[self.node];
        node.hears = up;
        if node.up != up {
            node.up = up;
            node.feed.link(if up { Link::Up } else { Link::Down });
        }
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.bus.0.lock().max_bytes.unwrap_or(usize::MAX)
    }

    pub(super) fn publish(&self, batch: &[(Topic, Bytes)]) -> Result<(), Error> {
        for (_, payload) in batch {
            self.take(payload)?;
        }
        let mut state = self.reach()?;
        for (topic, payload) in batch {
            for node in state.nodes.iter_mut().filter(|node| node.hears && node.topics.contains(topic)) {
                if !node.feed.message(topic.clone(), payload.clone()) {
                    node.feed.link(Link::Down);
                    node.feed.link(Link::Up);
                }
            }
        }
        Ok(())
    }

    pub(super) fn subscribe(&self, topic: &Topic) -> Result<(), Error> {
        self.bus.0.lock().nodes[self.node].topics.insert(topic.clone());
        self.reach().map(drop)
    }

    pub(super) fn unsubscribe(&self, topic: &Topic) {
        self.bus.0.lock().nodes[self.node].topics.remove(topic);
    }

    pub(super) fn remember(&self, key: &Topic, value: &Bytes, ttl: Duration) -> Result<(), Error> {
        let now = Instant::now();
        let mut state = self.reach()?;
        state.kept.retain(|_, (_, until)| *until > now);
        state.kept.insert(key.clone(), (value.clone(), now + ttl));
        Ok(())
    }

    pub(super) fn recall(&self, key: &Topic) -> Result<Option<Bytes>, Error> {
        let now = Instant::now();
        Ok(self.reach()?.kept.get(key).filter(|(_, until)| *until > now).map(|(value, _)| value.clone()))
    }

    pub(super) fn append(&self, log: &Topic, entry: &Bytes) -> Result<(), Error> {
        self.take(entry)?;
        let mut state = self.reach()?;
        let entries = state.logs.entry(log.clone()).or_default();
        let at = entries.back().map_or_else(Position::default, |(last, _)| *last).next();
        entries.push_back((at, entry.clone()));
        if entries.len() > LOG_ENTRIES {
            entries.pop_front();
        }
        Ok(())
    }

    pub(super) fn read(&self, log: &Topic, from: Position, most: usize) -> Result<Vec<(Position, Bytes)>, Error> {
        let state = self.reach()?;
        let Some(entries) = state.logs.get(log) else { return Ok(Vec::new()) };
        let first = entries.partition_point(|(at, _)| *at < from);
        Ok(entries.range(first..).take(most).cloned().collect())
    }

    pub(super) fn reset(&self) {
        self.cut();
        self.mend();
    }

    /// Whether the bus takes a payload of this size.
    fn take(&self, payload: &Bytes) -> Result<(), Error> {
        let max_bytes = self.max_bytes();
        if payload.len() > max_bytes {
            return Err(Error::Refused(format!("a payload of more than {max_bytes} bytes")));
        }
        Ok(())
    }

    /// The bus, if the node is not cut off.
    fn reach(&self) -> Result<parking_lot::MutexGuard<'_, State>, Error> {
        let state = self.bus.0.lock();
        if state.nodes[self.node].up { Ok(state) } else { Err(Error::Down) }
    }
}
