//! What other nodes say about a channel, and what this node has to say about it. Whatever follows from it for
//! subscribers here (members who come and go, numbers) is found out under the channel's lock, as if it happened here.

use super::channel::{Channel, Delivery, Notes};
use super::journal::Fact;
use crate::protocol::NodeId;
use crate::protocol::presence::Member;
use std::time::Instant;

/// What became of a fact.
#[derive(Debug)]
pub(super) enum Applied {
    /// It holds, and frames went out. `true` if nobody is left anywhere: the channel is then retired.
    Done(bool, Delivery),
    /// The channel is about to be forgotten; ask for it again.
    Retired,
}

impl Channel {
    /// Takes note that `node` has `connections` subscribed.
    pub(super) fn set_connections(&self, node: NodeId, connections: usize, now: Instant, notes: Notes<'_>) -> Applied {
        let mut state = self.state.write();
        if state.retired {
            return Applied::Retired;
        }
        let before = state.subscriptions();
        if connections > 0 {
            self.occupy(&mut state, notes);
        }
        match state.elsewhere.iter_mut().find(|(known, _)| *known == node) {
            _ if connections == 0 => state.elsewhere.retain(|(known, _)| *known != node),
            Some((_, count)) => *count = connections,
            None => state.elsewhere.push((node, connections)),
        }
        let mut delivery = Delivery::default();
        if state.subscriptions() != before {
            notes.transitions.count(&self.name, || state.subscriptions());
            self.tally(&mut state, &mut delivery, |tally, count| tally.change(count, now));
        }
        self.retire(&mut state, notes);
        Applied::Done(state.retired, delivery)
    }

    /// Takes note that `node` has `connections` of the member.
    pub(super) fn set_member(&self, node: NodeId, member: &Member, connections: usize, notes: Notes<'_>) -> Applied {
        let mut state = self.state.write();
        if state.retired {
            return Applied::Retired;
        }
        let mut delivery = Delivery::default();
        if connections > 0 {
            self.occupy(&mut state, notes);
        }
        let membership = state.occupancy.set(node, member, connections);
        self.tell_member(&state, member, membership, notes, &mut delivery);
        self.retire(&mut state, notes);
        Applied::Done(state.retired, delivery)
    }

    /// What `node` has said, as if it had nobody any more.
    pub(super) fn said_by(&self, node: NodeId) -> Vec<Fact> {
        let state = self.state.read();
        let channel = || self.name.clone();
        let gone = |member: &Member| Fact::Member { channel: channel(), member: member.clone(), connections: 0 };
        let mut facts: Vec<_> = state.occupancy.of(node).map(gone).collect();
        if state.elsewhere.iter().any(|(known, _)| *known == node) {
            facts.push(Fact::Connections { channel: channel(), connections: 0 });
        }
        facts
    }

    /// What this node says.
    pub(super) fn facts(&self, facts: &mut Vec<Fact>) {
        let state = self.state.read();
        let channel = || self.name.clone();
        let members = state.occupancy.here();
        facts.extend(members.map(|(member, connections)| Fact::Member {
            channel: channel(),
            member: member.clone(),
            connections,
        }));
        if !self.name.is_user() && !state.local.is_empty() {
            facts.push(Fact::Connections { channel: channel(), connections: state.local.len() });
        }
    }

    /// Connections subscribed here.
    pub(super) fn connections_here(&self) -> usize {
        self.state.read().local.len()
    }
}
