//! One channel: its subscribers here, and its members and numbers everywhere, under one lock, and delivery to them.

use super::cache::Cache;
use super::journal::{Fact, Journal};
use super::occupancy::{Membership, Occupancy};
use super::outbox::{Outbox, Push};
use super::tally::{Due, Tally};
use super::totals::Here;
use super::transitions::{Change, Transitions};
use crate::protocol::presence::Member;
use crate::protocol::{ChannelKind, ChannelName, Frame, NodeId, SocketId, UserId};
use indexmap::IndexMap;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// A channel with at least one subscriber, here or on another node. Its lock is where joins, leaves and who hears of
/// them are put in order, which is what makes rosters exact (M9).
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: ChannelName,
    /// Whether subscribers are told how many they are (2.9).
    tallies: bool,
    pub(super) state: RwLock<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) local: IndexMap<SocketId, Arc<Outbox>>,
    /// Other nodes with subscribers, and how many they have.
    pub(super) elsewhere: Vec<(NodeId, usize)>,
    pub(super) occupancy: Occupancy,
    tally: Tally,
    /// Whether anybody is subscribed anywhere.
    occupied: bool,
    /// Set when the last subscriber leaves: the channel is about to be forgotten and takes nobody in.
    pub(super) retired: bool,
}

/// A connection that joins.
#[derive(Clone, Copy)]
pub(super) struct Newcomer<'a> {
    pub(super) socket: SocketId,
    pub(super) outbox: &'a Arc<Outbox>,
    /// Given on presence channels and only there.
    pub(super) member: Option<&'a Member>,
    /// Where its last event is kept, for cache channels and only there.
    pub(super) cache: Option<&'a Cache>,
}

/// Where a channel takes note of what changes.
#[derive(Clone, Copy)]
pub(super) struct Notes<'a> {
    /// What other nodes must know.
    pub(super) journal: &'a Journal,
    /// What became of the channel.
    pub(super) transitions: &'a Transitions,
    /// How many are in channels here.
    pub(super) here: &'a Here,
}

/// Why a connection could not be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The channel is about to be forgotten; ask for it again.
    Retired,
    /// The channel has all the members it may have (M4).
    Full,
}

/// How frames went out.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Connections they were queued for, once for each frame.
    pub(super) queued: usize,
    /// The first one whose queue is filling.
    pub(super) crowded: Option<Arc<Outbox>>,
    /// Connections that one was one too many for.
    pub(super) slow: Vec<SocketId>,
    /// Whether the channel is to be asked for its tally again later.
    pub(super) tally_due: bool,
}

/// Connections and distinct members of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections subscribed.
    pub subscriptions: usize,
    /// Distinct members; 0 on channels without presence.
    pub users: usize,
}

impl Channel {
    /// A channel that tells its subscribers how many they are if `tallies` and its kind allow it (Q4).
    pub(super) fn new(name: ChannelName, tallies: bool) -> Self {
        let tallies = tallies && matches!(name.kind(), ChannelKind::Public | ChannelKind::Private);
        Self { name, tallies, state: RwLock::default() }
    }

    /// Takes a connection in: confirms to it, with the roster on presence channels and the last event on cache
    /// channels, and tells the others of a new member. One lock around all of it, so that nothing published comes
    /// before the confirmation (S2) and no member is both missing from the roster and not announced (M9).
    pub(super) fn join(
        &self,
        new: Newcomer<'_>,
        max_members: usize,
        now: Instant,
        notes: Notes<'_>,
    ) -> Result<Delivery, Refused> {
        let mut state = self.state.write();
        if state.retired {
            return Err(Refused::Retired);
        }
        let is_new = |member: &&Member| !state.occupancy.has(&member.id);
        if new.member.filter(is_new).is_some() && state.occupancy.len() >= max_members {
            return Err(Refused::Full);
        }
        let mut delivery = Delivery::default();
        self.occupy(&mut state, notes);
        let confirmation = match new.member {
            None => Frame::subscribed(&self.name),
            Some(member) => {
                let membership = state.occupancy.join(member);
                let first = state.occupancy.get(&member.id).is_some_and(|(_, connections)| connections == 1);
                notes.here.members.fetch_add(first.into(), Ordering::Relaxed);
                self.tell_member(&state, member, membership, notes, &mut delivery);
                self.note_member(&state, &member.id, member, notes.journal);
                Frame::roster(&self.name, state.occupancy.iter())
            }
        };
        delivery.answer(new.socket, new.outbox, confirmation);
        if let Some(cache) = new.cache {
            let last = cache.last(&self.name, now).unwrap_or_else(|| {
                notes.transitions.miss(&self.name);
                Frame::cache_miss(&self.name)
            });
            delivery.answer(new.socket, new.outbox, last);
        }
        state.local.insert(new.socket, new.outbox.clone());
        if !self.name.is_user() {
            notes.here.subscriptions.fetch_add(1, Ordering::Relaxed);
            notes.here.channels.fetch_add(usize::from(state.local.len() == 1), Ordering::Relaxed);
        }
        notes.journal.count(&self.name);
        notes.transitions.count(&self.name, || state.subscriptions());
        self.tally(&mut state, &mut delivery, |tally, count| tally.change(count, now));
        Ok(delivery)
    }

    /// Lets a connection go and tells the others if a member went with it. `true` if nobody is left: the channel is
    /// then retired.
    pub(super) fn leave(
        &self,
        socket: SocketId,
        member: Option<&UserId>,
        now: Instant,
        notes: Notes<'_>,
    ) -> (bool, Delivery) {
        let mut state = self.state.write();
        let mut delivery = Delivery::default();
        let left = state.local.swap_remove(&socket);
        if left.is_some() && !self.name.is_user() {
            notes.here.subscriptions.fetch_sub(1, Ordering::Relaxed);
            notes.here.channels.fetch_sub(usize::from(state.local.is_empty()), Ordering::Relaxed);
        }
        if let Some(id) = member {
            let who = state.occupancy.get(id).map(|(member, _)| member.clone());
            let membership = state.occupancy.leave(id);
            if let Some(who) = who {
                notes.here.members.fetch_sub(state.occupancy.get(id).is_none().into(), Ordering::Relaxed);
                self.tell_member(&state, &who, membership, notes, &mut delivery);
                self.note_member(&state, id, &who, notes.journal);
            }
        }
        notes.journal.count(&self.name);
        notes.transitions.count(&self.name, || state.subscriptions());
        self.retire(&mut state, notes);
        self.tally(&mut state, &mut delivery, |tally, count| tally.change(count, now));
        (state.retired, delivery)
    }

    /// Queues a frame for every subscriber but `except` (V4).
    pub(super) fn deliver(&self, frame: &Frame, except: Option<SocketId>) -> Delivery {
        let mut delivery = Delivery::default();
        self.state.read().deliver(frame, except, &mut delivery);
        delivery
    }

    /// Queues a frame that newcomers will get as well: what `keep` stores and what subscribers get is one and the same
    /// order of events, and nobody gets one twice (K9). `None` if the channel is about to be forgotten.
    pub(super) fn deliver_kept(
        &self,
        frame: &Frame,
        except: Option<SocketId>,
        keep: impl FnOnce(),
    ) -> Option<Delivery> {
        let state = self.state.write();
        if state.retired {
            return None;
        }
        keep();
        let mut delivery = Delivery::default();
        state.deliver(frame, except, &mut delivery);
        Some(delivery)
    }

    /// Tells subscribers how many they are, if that is still due.
    pub(super) fn tally_later(&self, now: Instant) -> Delivery {
        let (mut state, mut delivery) = (self.state.write(), Delivery::default());
        self.tally(&mut state, &mut delivery, |tally, count| tally.ask_again(count, now));
        delivery
    }

    pub(super) fn tally(&self, state: &mut State, delivery: &mut Delivery, due: impl FnOnce(&mut Tally, usize) -> Due) {
        if !self.tallies || state.local.is_empty() {
            return;
        }
        let count = state.subscriptions();
        match due(&mut state.tally, count) {
            Due::Now => state.deliver(&Frame::subscription_count(&self.name, count), None, delivery),
            Due::Later => delivery.tally_due = true,
            Due::Never => {}
        }
    }

    /// Takes note that somebody is there, if nobody was.
    pub(super) fn occupy(&self, state: &mut State, notes: Notes<'_>) {
        if !std::mem::replace(&mut state.occupied, true) {
            notes.transitions.note(&self.name, || Change::Occupied);
        }
    }

    /// Lets the channel go if nobody is left anywhere.
    pub(super) fn retire(&self, state: &mut State, notes: Notes<'_>) {
        state.retired = state.local.is_empty() && state.elsewhere.is_empty() && state.occupancy.len() == 0;
        if state.retired && std::mem::take(&mut state.occupied) {
            notes.transitions.note(&self.name, || Change::Vacated);
        }
    }

    /// Tells the subscribers here of a member who has come or gone.
    pub(super) fn tell_member(
        &self,
        state: &State,
        member: &Member,
        membership: Membership,
        notes: Notes<'_>,
        delivery: &mut Delivery,
    ) {
        let id = &member.id;
        let (frame, change) = match membership {
            Membership::Added => (Frame::member_added(&self.name, member), Change::MemberAdded(id.clone())),
            Membership::Removed => (Frame::member_removed(&self.name, id), Change::MemberRemoved(id.clone())),
            Membership::Same => return,
        };
        state.deliver(&frame, None, delivery);
        notes.transitions.note(&self.name, || change);
    }

    /// Takes note of how many connections of a member there are here now.
    fn note_member(&self, state: &State, id: &UserId, member: &Member, journal: &Journal) {
        journal.note(|| {
            let (member, connections) = state.occupancy.get(id).unwrap_or((member, 0));
            Fact::Member { channel: self.name.clone(), member: member.clone(), connections }
        });
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.state.read();
        let users = if self.name.kind() == ChannelKind::Presence { state.occupancy.len() } else { 0 };
        Counts { subscriptions: state.subscriptions(), users }
    }

    /// The name, the number of subscribers and the members, if there is anybody.
    pub(super) fn standing(&self) -> Option<(ChannelName, usize, Vec<UserId>)> {
        let state = self.state.read();
        let users = || state.occupancy.iter().map(|member| member.id.clone()).collect();
        state.occupied.then(|| (self.name.clone(), state.subscriptions(), users()))
    }

    /// The members, in no promised order.
    pub(super) fn members(&self) -> Vec<Member> {
        self.state.read().occupancy.iter().cloned().collect()
    }

    /// The subscribers here.
    pub(super) fn sockets(&self) -> Vec<(SocketId, Arc<Outbox>)> {
        self.state.read().local.iter().map(|(socket, outbox)| (*socket, outbox.clone())).collect()
    }
}

impl State {
    /// Connections subscribed, wherever they are.
    pub(super) fn subscriptions(&self) -> usize {
        self.local.len() + self.elsewhere.iter().map(|(_, connections)| connections).sum::<usize>()
    }

    /// The whole hot path: the exclusion is found once, then one pass that clones and queues.
    pub(super) fn deliver(&self, frame: &Frame, except: Option<SocketId>, delivery: &mut Delivery) {
        let all = self.local.as_slice();
        let skip = except.and_then(|id| self.local.get_index_of(&id)).unwrap_or(all.len());
        let after = all.get_range(skip + 1..).into_iter().flatten();
        for (socket, outbox) in all[..skip].iter().chain(after) {
            delivery.push(*socket, outbox, frame.clone());
        }
    }
}

impl Delivery {
    /// Queues a frame for the connection that all of this is done for.
    fn answer(&mut self, socket: SocketId, outbox: &Outbox, frame: Frame) {
        match outbox.push(frame) {
            // Its own task sees to it that it is written before it asks for more.
            Push::Queued | Push::Crowded => self.queued += 1,
            Push::Overflowed => self.slow.push(socket),
            Push::Closing => {}
        }
    }

    pub(super) fn push(&mut self, socket: SocketId, outbox: &Arc<Outbox>, frame: Frame) {
        match outbox.push(frame) {
            Push::Queued => self.queued += 1,
            Push::Crowded => {
                self.queued += 1;
                self.crowded.get_or_insert_with(|| outbox.clone());
            }
            Push::Overflowed => self.slow.push(socket),
            Push::Closing => {}
        }
    }
}
