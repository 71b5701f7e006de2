//! What happens to webhooks, step by step: the same steps make the same state from a journal as on the way.

use super::event::{Event, EventId};
use serde::{Deserialize, Serialize};

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    /// An event is to be sent.
    Tell {
        /// The event.
        event: Event,
        /// The endpoints that want it.
        to: Vec<String>,
    },
    /// An endpoint has taken events.
    Done {
        /// The app's id.
        app: String,
        /// The endpoint's id.
        endpoint: String,
        /// Which ones.
        events: Vec<EventId>,
    },
    /// Events became dead letters.
    Dead {
        /// The app's id.
        app: String,
        /// The endpoint's id.
        endpoint: String,
        /// Which ones.
        events: Vec<EventId>,
        /// When, in milliseconds since 1970.
        at_ms: u64,
        /// Why.
        why: String,
    },
    /// An event about how a channel stands counts as never decided. It was not sent.
    Undo {
        /// The event.
        event: Event,
    },
    /// A node sends from now on what another one was to send that is gone.
    Adopt {
        /// The app's id.
        app: String,
        /// Which events.
        events: Vec<EventId>,
        /// The node.
        node: u64,
    },
    /// Dead letters are to be sent after all.
    Replay {
        /// The app's id.
        app: String,
        /// The endpoint's id.
        endpoint: String,
        /// Which ones.
        events: Vec<EventId>,
    },
    /// Somebody found a cache channel empty.
    Missed {
        /// The app's id.
        app: String,
        /// The channel.
        channel: String,
    },
    /// A cache channel that somebody found empty is no longer.
    Filled {
        /// The app's id.
        app: String,
        /// The channel.
        channel: String,
    },
    /// Channels that back ends know to be occupied.
    Occupied {
        /// The app's id.
        app: String,
        /// Which ones.
        channels: Vec<String>,
    },
    /// Members of a channel that back ends know of.
    Members {
        /// The app's id.
        app: String,
        /// The channel.
        channel: String,
        /// Who.
        users: Vec<String>,
    },
    /// The number of subscribers that back ends know of.
    Counted {
        /// The app's id.
        app: String,
        /// The channel.
        channel: String,
        /// How many.
        count: usize,
    },
    /// An event about how a channel stands that was decided a while ago, and is known only now.
    Recall {
        /// The event.
        event: Event,
        /// The endpoints that have not taken it.
        to: Vec<String>,
    },
    /// An event that waits, of those that are known already.
    Open {
        /// The event.
        event: Event,
        /// The node that sends it, if that is not the one that decided it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<u64>,
        /// The endpoints that have not taken it.
        to: Vec<String>,
    },
    /// A dead letter, of those that are known already.
    Buried {
        /// The event.
        event: Event,
        /// The endpoint's id.
        endpoint: String,
        /// Since when it is one, in milliseconds since 1970.
        at_ms: u64,
        /// Why.
        why: String,
    },
    /// What is known was so then, in milliseconds since 1970.
    Until {
        /// When the last event was decided.
        time_ms: u64,
    },
    /// Of the events that were decided lately, these are known; those of a node up to one need not all be.
    Lately {
        /// Which ones.
        events: Vec<EventId>,
    },
    /// The last event of a node that is known.
    Heard {
        /// The last of them.
        last: EventId,
    },
}

impl Op {
    /// Whether it is to outlive the process. What newcomers found then is not what they find now.
    pub(super) fn lasts(&self) -> bool {
        !matches!(self, Self::Missed { .. } | Self::Filled { .. })
    }

    /// Whether losing it would lose an event.
    pub(super) fn matters(&self) -> bool {
        self.lasts() && !matches!(self, Self::Done { .. })
    }
}
