//! One app's webhooks: how its channels stand, what waits for its endpoints, and what none of them took. Pure.

use super::event::{Event, EventId};
use super::standing::Standing;
use crate::app::EventKind;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// One app's webhooks.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) channels: HashMap<String, Standing>,
    /// In the order in which they were decided.
    open: BTreeMap<u64, Open>,
    orders: HashMap<EventId, u64>,
    last: u64,
    /// By channel of which something waits.
    senders: HashMap<String, Sending>,
    /// Bytes that wait, by endpoint.
    waiting: HashMap<String, usize>,
    pub(super) dead: HashMap<String, VecDeque<Dead>>,
}

/// An event that waits.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) event: Arc<Event>,
    /// The endpoints that have not taken it.
    pub(super) to: Vec<String>,
}

/// Who sends what waits of a channel: one node alone until nothing waits, so that the order is kept.
#[derive(Debug)]
struct Sending {
    node: Option<u64>,
    events: usize,
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
    /// Bytes that wait for an endpoint.
    pub(super) fn waiting(&self, endpoint: &str) -> usize {
        self.waiting.get(endpoint).copied().unwrap_or_default()
    }

    /// What waits, oldest first.
    pub(super) fn open(&self) -> impl Iterator<Item = &Open> {
        self.open.values()
    }

    /// Who sends what waits of a channel; `None` if nobody does, or nothing waits.
    pub(super) fn sender(&self, channel: &str) -> Option<u64> {
        self.senders.get(channel)?.node
    }

    /// Has an event wait for those endpoints for which it does not wait yet: those. `sender` sends it, unless another node
    /// has more of the channel to send.
    pub(super) fn add(&mut self, event: Arc<Event>, mut to: Vec<String>, sender: Option<u64>) -> Vec<String> {
        let order = self.orders.get(&event.id).copied();
        let known = order.and_then(|order| self.open.get_mut(&order));
        to.retain(|endpoint| known.as_ref().is_none_or(|open| !open.to.contains(endpoint)));
        if to.is_empty() {
            return to;
        }
        for endpoint in &to {
            *self.waiting.entry(endpoint.clone()).or_default() += event.size();
        }
        if let Some(open) = known {
            open.to.extend(to.iter().cloned());
            return to;
        }
        let sending = self.senders.entry(event.channel.clone()).or_insert(Sending { node: sender, events: 0 });
        sending.events += 1;
        self.last += 1;
        self.orders.insert(event.id, self.last);
        self.open.insert(self.last, Open { event, to: to.clone() });
        to
    }

    /// Has an event no longer wait for an endpoint; it, if it did, and who was to send it.
    pub(super) fn close(&mut self, endpoint: &str, id: EventId) -> Option<(Arc<Event>, Option<u64>)> {
        let order = *self.orders.get(&id)?;
        let open = self.open.get_mut(&order)?;
        let at = open.to.iter().position(|to| to == endpoint)?;
        open.to.swap_remove(at);
        let (event, over) = (open.event.clone(), open.to.is_empty());
        let sender = self.sender(&event.channel);
        if let Some(bytes) = self.waiting.get_mut(endpoint) {
            *bytes = bytes.saturating_sub(event.size());
        }
        if over {
            self.orders.remove(&id);
            self.open.remove(&order);
            if let Some(sending) = self.senders.get_mut(&event.channel) {
                sending.events -= 1;
                if sending.events == 0 {
                    self.senders.remove(&event.channel);
                }
            }
        }
        Some((event, sender))
    }

    /// Has others send what waits of channels whose sender `is_gone`: each with who it was, who is to, and all of it.
    pub(super) fn hand_over(
        &mut self,
        is_gone: impl Fn(Option<u64>) -> bool,
        home: impl Fn(&str) -> Option<u64>,
    ) -> Vec<(Option<u64>, Option<u64>, Open)> {
        let moved: HashMap<_, _> = self
            .senders
            .iter_mut()
            .filter(|(_, sending)| is_gone(sending.node))
            .map(|(channel, sending)| {
                let new = home(channel);
                (channel.as_str(), (std::mem::replace(&mut sending.node, new), new))
            })
            .collect();
        let open = self.open.values().filter_map(|open| {
            let (old, new) = moved.get(open.event.channel.as_str())?;
            Some((*old, *new, open.clone()))
        });
        open.collect()
    }

    /// Keeps an event as a dead letter; how many others had to be forgotten for it: what clients said first.
    pub(super) fn bury(&mut self, endpoint: &str, dead: Dead, most: usize) -> usize {
        let letters = self.dead.entry(endpoint.to_owned()).or_default();
        letters.push_back(dead);
        let excess = letters.len().saturating_sub(most);
        for _ in 0..excess {
            let said = letters.iter().position(|dead| dead.event.kind == EventKind::ClientEvent);
            letters.remove(said.unwrap_or_default());
        }
        excess
    }

    /// Takes a dead letter out.
    pub(super) fn exhume(&mut self, endpoint: &str, id: EventId) -> Option<Arc<Event>> {
        let letters = self.dead.get_mut(endpoint)?;
        let at = letters.iter().position(|dead| dead.event.id == id)?;
        letters.remove(at).map(|dead| dead.event)
    }

    /// Forgets what waits, what was given up, and what back ends know.
    pub(super) fn forget(&mut self) {
        let mut channels = std::mem::take(&mut self.channels);
        channels.values_mut().for_each(Standing::forget);
        channels.retain(|_, standing| !standing.is_blank());
        *self = Self { channels, ..Self::default() };
    }

    /// Forgets the channel if there is nothing to remember of it.
    pub(super) fn tidy(&mut self, channel: &str) {
        if self.channels.get(channel).is_some_and(Standing::is_blank) {
            self.channels.remove(channel);
        }
    }
}
