//! What a node decides and what it sends, of all that is to be decided and sent.

use super::event::Event;
use super::home::home;
use crate::protocol::NodeId;

/// This node among those that act as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Whether this node may decide and send.
    pub(super) acts: bool,
    /// The other nodes that may.
    pub(super) homes: Vec<NodeId>,
    /// The other nodes that are there.
    pub(super) live: Vec<NodeId>,
}

impl Place {
    /// The only node.
    pub(super) fn alone(acts: bool) -> Self {
        Self { acts, homes: Vec::new(), live: Vec::new() }
    }

    /// Whether `me` decides what back ends are told of a channel.
    pub(super) fn decides(&self, me: NodeId, app: &str, channel: &str) -> bool {
        self.acts && self.is_home(me, app, channel)
    }

    /// Whether `me` sends an event that `owner` was to send: itself, or in its place if it is gone.
    pub(super) fn sends(&self, me: NodeId, owner: u64, event: &Event) -> bool {
        let owner = NodeId(owner);
        owner == me || !self.live.contains(&owner) && self.is_home(me, &event.app, &event.channel)
    }

    fn is_home(&self, me: NodeId, app: &str, channel: &str) -> bool {
        let me_too = Some(me).filter(|_| self.acts || self.homes.is_empty());
        home(self.homes.iter().copied().chain(me_too), app, channel) == Some(me)
    }
}
