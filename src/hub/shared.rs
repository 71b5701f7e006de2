//! The hub as one of several: what this node tells the others, and what they say. Each node alone says what is so on
//! it, so there is never anything to reconcile; members who come and go, numbers and who is online follow from it here.

use super::channel::Channel;
use super::elsewhere::Applied;
use super::journal::{Changes, Fact};
use super::{Hub, Reach};
use crate::protocol::{ChannelName, Frame, NodeId, SocketId};
use dashmap::Entry;
use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

impl Hub {
    /// Starts taking note of what other nodes must know.
    pub fn share(&self) {
        self.journal.open();
    }

    /// Ready once something is to be told at once.
    pub fn poll_changes(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.journal.poll_ready(cx)
    }

    /// What has changed, of what is to be told at once.
    pub fn changes(&self) -> Changes {
        self.journal.take()
    }

    /// What has changed in numbers, which are told a few times a second; those of users' own channels included, which
    /// are nobody else's business (U13). What the app adds up to is among them if it is `due`, or somebody could be
    /// refused for it.
    pub fn numbers(&self, due: bool, now: Instant) -> Vec<Fact> {
        let channels = self.journal.take_channels();
        let connections = |channel: ChannelName| {
            let connections = self.channel(&channel).map_or(0, |channel| channel.connections_here());
            Fact::Connections { channel, connections }
        };
        let mut facts: Vec<_> = channels.into_iter().map(connections).collect();
        facts.extend(self.totals.news(due, || self.stats(now)).map(Fact::App));
        facts
    }

    /// All that is so on this node. What changes meanwhile is among [`Hub::changes`] as well.
    pub fn facts(&self, now: Instant) -> Vec<Fact> {
        // Collected first: a channel's lock is not taken under that of the map.
        let channels: Vec<_> = self.channels.iter().map(|entry| entry.value().clone()).collect();
        let mut facts = vec![Fact::App(self.totals.share(self.stats(now)))];
        channels.iter().for_each(|channel| channel.facts(&mut facts));
        self.users.facts(&mut facts);
        facts
    }

    /// Whether the channel has subscribers here.
    pub fn is_subscribed(&self, name: &ChannelName) -> bool {
        self.channel(name).is_some_and(|channel| channel.connections_here() > 0)
    }

    /// Queues an event that was published on another node for the subscribers here. A cache channel keeps it if it is
    /// to be `kept`.
    pub fn arrive(
        &self,
        name: &ChannelName,
        except: Option<SocketId>,
        kept: bool,
        frame: &Frame,
        now: Instant,
    ) -> Reach {
        let delivery = if kept && name.is_cache() {
            self.keep(name, except, now, &self.stamped(frame, now))
        } else {
            self.deliver(name, except, || self.stamped(frame, now))
        };
        self.activity.pass(now, || self.event_totals());
        self.metrics.deliveries_total.add(delivery.queued);
        delivery.into()
    }

    /// Keeps for newcomers what the bus remembers as a cache channel's last event, for as long as is `left`, unless the
    /// channel has had one since `since`.
    pub fn recall(&self, name: &ChannelName, frame: &Frame, left: Duration, since: Instant, now: Instant) {
        self.report_forgotten(self.cache.recall(name, frame, left, since, now));
    }

    /// Takes note of what `node` says.
    pub fn apply(&self, node: NodeId, fact: &Fact, now: Instant) -> Reach {
        match fact {
            Fact::Connections { channel, connections } => self.apply_to(channel, *connections > 0, |channel| {
                channel.set_connections(node, *connections, now, self.notes())
            }),
            Fact::Member { channel, member, connections } => self.apply_to(channel, *connections > 0, |channel| {
                channel.set_member(node, member, *connections, self.notes())
            }),
            Fact::User { user, connections, since } => {
                let delivery = self.users.set(node, user, *connections, *since);
                delivery.slow.iter().for_each(|socket| self.report_slow(*socket, None));
                delivery.into()
            }
            Fact::App(share) => {
                self.totals.set(node, *share);
                Reach::default()
            }
        }
    }

    /// Takes note that what `node` says is all there is on it.
    pub fn replace(&self, node: NodeId, facts: &[Fact], now: Instant) {
        let said: HashSet<_> = facts.iter().map(Fact::about).collect();
        for gone in self.said_by(node).iter().filter(|fact| !said.contains(&fact.about())) {
            self.apply(node, gone, now);
        }
        for fact in facts {
            self.apply(node, fact, now);
        }
    }

    /// Takes note that `node` is gone, and everybody on it.
    pub fn forget_node(&self, node: NodeId, now: Instant) {
        for gone in self.said_by(node) {
            self.apply(node, &gone, now);
        }
        self.totals.unset(node);
    }

    /// What `node` has said, as if it had nobody any more.
    fn said_by(&self, node: NodeId) -> Vec<Fact> {
        let channels: Vec<_> = self.channels.iter().map(|entry| entry.value().clone()).collect();
        let mut facts: Vec<_> = channels.iter().flat_map(|channel| channel.said_by(node)).collect();
        facts.extend(self.users.said_by(node));
        facts
    }

    /// Applies a fact to a channel, which is made for one that says that somebody is there.
    fn apply_to(&self, name: &ChannelName, make: bool, apply: impl Fn(&Channel) -> Applied) -> Reach {
        loop {
            let channel = match self.channels.entry(name.clone()) {
                Entry::Occupied(channel) => channel.get().clone(),
                Entry::Vacant(_) if !make => return Reach::default(),
                Entry::Vacant(place) => place.insert(Arc::new(self.fresh(name))).clone(),
            };
            match apply(&channel) {
                Applied::Done(retired, delivery) => {
                    if retired {
                        self.forget(&channel);
                    }
                    self.report(&channel, &delivery);
                    return delivery.into();
                }
                Applied::Retired => self.forget(&channel),
            }
        }
    }

    /// Takes one of the places that the app's connection limit leaves, wherever the others are taken.
    pub(super) fn count_one(&self) -> bool {
        let max = Some(self.app().limits.max_connections).filter(|max| *max > 0).unwrap_or(usize::MAX);
        self.totals.count_one(max)
    }
}

impl Fact {
    /// What a fact is about: of two about the same, the later one counts.
    fn about(&self) -> (u8, &str, &str) {
        match self {
            Self::Connections { channel, .. } => (0, channel.as_str(), ""),
            Self::Member { channel, member, .. } => (1, channel.as_str(), member.id.as_str()),
            Self::User { user, .. } => (2, user.as_str(), ""),
            Self::App(_) => (3, "", ""),
        }
    }
}
