//! What happens to webhooks, step by step: the same steps in the same order make the same state on every node, from the log
//! that nodes share as from a journal.

use super::event::{Event, EventId};
use crate::app::EventKind;
use serde::{Deserialize, Serialize};

/// Where an entry lies in the log that nodes share; later ones are greater.
pub(super) type At = (u64, u64);

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    /// An event is to be sent, unless back ends know already what it says.
    Tell {
        /// The event.
        event: Event,
        /// The endpoints that want it.
        to: Vec<String>,
        /// Those for which too much waits already: for them it is a dead letter at once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        full: Vec<String>,
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
    /// Dead letters are to be sent after all.
    Replay {
        /// The app's id.
        app: String,
        /// The endpoint's id.
        endpoint: String,
        /// Which ones.
        events: Vec<EventId>,
    },
    /// A cache channel that somebody found empty is no longer.
    Filled {
        /// The app's id.
        app: String,
        /// The channel.
        channel: String,
    },
    /// A node decides and sends from now on.
    Ready {
        /// The node.
        node: u64,
    },
    /// A node decides nothing more. What it is to send it goes on sending.
    Leaving {
        /// The node.
        node: u64,
    },
    /// A node sends nothing more: others go on with it.
    Gone {
        /// The node.
        node: u64,
    },
    /// A node does not know the state, or not for certain.
    Ask {
        /// The node.
        node: u64,
        /// How many entries it knows of all the same.
        known: u64,
    },
    /// A part of the state.
    State {
        /// Up to which entry it is made of all.
        of: At,
        /// Whether nobody knows the state for certain, so that this is the state from now on.
        founds: bool,
        /// Which part, from 0 on.
        part: u32,
        /// Of how many.
        parts: u32,
        /// How many entries it is made of.
        known: u64,
        /// When it was told, in milliseconds since 1970.
        ms: u64,
        /// The steps that make it.
        ops: Vec<Op>,
    },
    /// So far everything is known; only in journals.
    At {
        /// The entry.
        at: At,
        /// What tells it from another one that lies there.
        check: u64,
        /// How many there were until then.
        known: u64,
        /// When that was, in milliseconds since 1970.
        ms: u64,
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
    /// A cache channel of which back ends know that somebody found it empty.
    Missed {
        /// The app's id.
        app: String,
        /// The channel.
        channel: String,
        /// When they were told, in milliseconds since 1970.
        time_ms: u64,
    },
    /// An event that waits, of those that are known already.
    Open {
        /// The event.
        event: Event,
        /// The endpoints that have not taken it.
        to: Vec<String>,
        /// The node that sends it.
        sender: Option<u64>,
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
    /// The last event of a node that is known.
    Heard {
        /// The last of them.
        last: EventId,
    },
}

impl Op {
    /// Whether what it says would be lost with it. Everything else is decided anew.
    pub(super) fn matters(&self) -> bool {
        match self {
            Self::Tell { event, .. } => event.kind == EventKind::ClientEvent,
            Self::Done { .. } | Self::Dead { .. } | Self::Replay { .. } => true,
            _ => false,
        }
    }
}
