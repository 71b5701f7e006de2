//! One app's webhooks: how its channels stand, what waits for its endpoints, and what none of them took. Pure.

use super::event::{Event, EventId};
use super::standing::Standing;
use crate::app::{App, EventKind};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// One app's webhooks.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) app: Arc<App>,
    pub(super) channels: HashMap<String, Standing>,
    pub(super) open: BTreeMap<EventId, Open>,
    /// Events that other nodes send, by channel: until they have, nothing else is decided there.
    abroad: HashMap<String, usize>,
    /// By endpoint.
    waiting: HashMap<String, usize>,
    pub(super) dead: HashMap<String, VecDeque<Dead>>,
}

/// An event that waits.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) event: Arc<Event>,
    /// The endpoints that have not taken it.
    pub(super) to: Vec<String>,
    /// The node that sends it, as long as it is there.
    pub(super) owner: u64,
    /// Whether this node sends it.
    pub(super) here: bool,
}

/// An event that an endpoint has not taken in time.
#[derive(Clone, Debug)]
pub struct Dead {
    /// The event.
    pub event: Arc<Event>,
    /// Since when it is given up, in milliseconds since 1970.
    pub at_ms: u64,
    /// Why.
    pub why: String,
}

impl Book {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self {
            app,
            channels: HashMap::new(),
            open: BTreeMap::new(),
            abroad: HashMap::new(),
            waiting: HashMap::new(),
            dead: HashMap::new(),
        }
    }

    /// Whether any endpoint is told of one of `kinds` on the channel: those come in pairs.
    pub(super) fn wants(&self, kinds: &[EventKind], channel: &str) -> bool {
        kinds.iter().any(|kind| self.app.webhooks.wanting(*kind, channel).next().is_some())
    }

    /// Whether there is such an endpoint.
    pub(super) fn has(&self, endpoint: &str) -> bool {
        self.app.webhooks.iter().any(|(id, _)| id == endpoint)
    }

    /// Bytes that wait for an endpoint.
    pub(super) fn waiting(&self, endpoint: &str) -> usize {
        self.waiting.get(endpoint).copied().unwrap_or_default()
    }

    /// Whether another node still has to send something about the channel.
    pub(super) fn is_abroad(&self, channel: &str) -> bool {
        self.abroad.contains_key(channel)
    }

    /// Has an event wait for those of the endpoints that there are, and for which it does not wait yet: those.
    pub(super) fn open(&mut self, event: Arc<Event>, mut to: Vec<String>, owner: u64, here: bool) -> Vec<String> {
        let waits = |endpoint: &String| self.open.get(&event.id).is_some_and(|open| open.to.contains(endpoint));
        to.retain(|endpoint| self.has(endpoint) && !waits(endpoint));
        if to.is_empty() {
            return to;
        }
        for endpoint in &to {
            *self.waiting.entry(endpoint.clone()).or_default() += event.size();
        }
        if let Some(open) = self.open.get_mut(&event.id) {
            open.to.extend(to.iter().cloned());
            return to;
        }
        if !here {
            *self.abroad.entry(event.channel.clone()).or_default() += 1;
        }
        self.open.insert(event.id, Open { event, to: to.clone(), owner, here });
        to
    }

    /// Takes out all that waits.
    pub(super) fn take_open(&mut self) -> BTreeMap<EventId, Open> {
        self.abroad.clear();
        self.waiting.clear();
        std::mem::take(&mut self.open)
    }

    /// Takes note of who sends an event.
    pub(super) fn move_to(&mut self, id: EventId, here: bool) {
        let Some(open) = self.open.get_mut(&id) else { return };
        let was = std::mem::replace(&mut open.here, here);
        let channel = open.event.channel.clone();
        match (was, here) {
            (true, false) => *self.abroad.entry(channel).or_default() += 1,
            (false, true) => self.back(&channel),
            _ => {}
        }
    }

    /// Has an event no longer wait for an endpoint; it, if it did.
    pub(super) fn close(&mut self, endpoint: &str, id: EventId) -> Option<Arc<Event>> {
        let open = self.open.get_mut(&id)?;
        let at = open.to.iter().position(|to| to == endpoint)?;
        open.to.swap_remove(at);
        let (event, here, over) = (open.event.clone(), open.here, open.to.is_empty());
        if let Some(bytes) = self.waiting.get_mut(endpoint) {
            *bytes = bytes.saturating_sub(event.size());
        }
        if over {
            self.open.remove(&id);
            if !here {
                self.back(&event.channel);
            }
        }
        Some(event)
    }

    fn back(&mut self, channel: &str) {
        if let Some(count) = self.abroad.get_mut(channel) {
            *count -= 1;
            if *count == 0 {
                self.abroad.remove(channel);
            }
        }
    }

    /// Keeps an event as a dead letter; how many others had to be forgotten for it.
    pub(super) fn bury(&mut self, endpoint: &str, dead: Dead, most: usize) -> usize {
        let letters = self.dead.entry(endpoint.to_owned()).or_default();
        letters.push_back(dead);
        let excess = letters.len().saturating_sub(most);
        letters.drain(..excess);
        excess
    }

    /// Takes a dead letter out.
    pub(super) fn exhume(&mut self, endpoint: &str, id: EventId) -> Option<Arc<Event>> {
        let letters = self.dead.get_mut(endpoint)?;
        let at = letters.iter().position(|dead| dead.event.id == id)?;
        letters.remove(at).map(|dead| dead.event)
    }

    /// Forgets the channel if there is nothing to remember of it.
    pub(super) fn tidy(&mut self, channel: &str) {
        if self.channels.get(channel).is_some_and(Standing::is_blank) {
            self.channels.remove(channel);
        }
    }
}
