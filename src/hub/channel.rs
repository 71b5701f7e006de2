//! One channel: its local subscribers and its members under one lock, and delivery to them.

use super::occupancy::{Occupancy, Transition};
use super::outbox::{Outbox, Push};
use crate::protocol::presence::Member;
use crate::protocol::{ChannelKind, ChannelName, Frame, SocketId, UserId};
use indexmap::IndexMap;
use parking_lot::RwLock;
use std::sync::Arc;

/// A channel with at least one subscriber. Its lock is where joins, leaves and who hears of them are put in order,
/// which is what makes rosters exact (M9).
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: ChannelName,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    local: IndexMap<SocketId, Arc<Outbox>>,
    occupancy: Occupancy,
    /// Set when the last subscriber leaves: the channel is about to be forgotten and takes nobody in.
    retired: bool,
}

/// Why a connection could not be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The channel is about to be forgotten; ask for it again.
    Retired,
    /// The channel has all the members it may have (M4).
    Full,
}

/// How a frame went out.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Connections it was queued for.
    pub(super) queued: usize,
    /// The first one whose queue is filling.
    pub(super) crowded: Option<Arc<Outbox>>,
    /// Connections that it was one too many for.
    pub(super) slow: Vec<SocketId>,
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
    pub(super) fn new(name: ChannelName) -> Self {
        Self { name, state: RwLock::default() }
    }

    /// Takes a connection in: confirms to it, with the roster on presence channels, and tells the others of a new
    /// member. One lock around all of it, so that nothing published comes before the confirmation (S2) and no member
    /// is both missing from the roster and not announced (M9).
    pub(super) fn join(
        &self,
        socket: SocketId,
        outbox: &Arc<Outbox>,
        member: Option<&Member>,
        max_members: usize,
    ) -> Result<Delivery, Refused> {
        let mut state = self.state.write();
        if state.retired {
            return Err(Refused::Retired);
        }
        let mut delivery = Delivery::default();
        let confirmation = match member {
            None => Frame::subscribed(&self.name),
            Some(member) if state.occupancy.len() >= max_members && !state.occupancy.contains(&member.id) => {
                return Err(Refused::Full);
            }
            Some(member) => {
                if state.occupancy.join(member) == Transition::MemberAdded {
                    delivery = state.deliver(&Frame::member_added(&self.name, member), None);
                }
                Frame::roster(&self.name, state.occupancy.iter())
            }
        };
        delivery.push(socket, outbox, confirmation);
        state.local.insert(socket, outbox.clone());
        Ok(delivery)
    }

    /// Lets a connection go and tells the others if a member went with it. `true` if nobody is left: the channel is
    /// then retired.
    pub(super) fn leave(&self, socket: SocketId, member: Option<&UserId>) -> (bool, Delivery) {
        let mut state = self.state.write();
        state.local.swap_remove(&socket);
        let delivery = match member {
            Some(id) if state.occupancy.leave(id) == Transition::MemberRemoved => {
                state.deliver(&Frame::member_removed(&self.name, id), None)
            }
            _ => Delivery::default(),
        };
        state.retired = state.local.is_empty();
        (state.retired, delivery)
    }

    /// Queues a frame for every subscriber but `except` (V4).
    pub(super) fn deliver(&self, frame: &Frame, except: Option<SocketId>) -> Delivery {
        self.state.read().deliver(frame, except)
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.state.read();
        let users = if self.name.kind() == ChannelKind::Presence { state.occupancy.len() } else { 0 };
        Counts { subscriptions: state.local.len(), users }
    }
}

impl State {
    /// The whole hot path: the exclusion is found once, then one pass that clones and queues.
    fn deliver(&self, frame: &Frame, except: Option<SocketId>) -> Delivery {
        let all = self.local.as_slice();
        let skip = except.and_then(|id| self.local.get_index_of(&id)).unwrap_or(all.len());
        let after = all.get_range(skip + 1..).into_iter().flatten();
        let mut delivery = Delivery::default();
        for (socket, outbox) in all[..skip].iter().chain(after) {
            delivery.push(*socket, outbox, frame.clone());
        }
        delivery
    }
}

impl Delivery {
    fn push(&mut self, socket: SocketId, outbox: &Arc<Outbox>, frame: Frame) {
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
