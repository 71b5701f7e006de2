//! What the webhooks of one node say to those of others, in JSON: later versions may add members, and what is not understood
//! is passed over.

use super::doubts::Doubt;
use super::event::Event;
use super::op::Op;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a message takes besides its steps.
const FRAME: usize = 128;

/// What nodes say to each other about webhooks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Talk {
    /// Something has happened.
    Ops {
        /// How often the node has asked the others.
        session: u64,
        /// One more than the last time; from 1 on in each session.
        serial: u64,
        /// What.
        ops: Vec<Op>,
    },
    /// Comes back to whoever says it: everybody who can be heard knows what happened there up to then.
    Mark {
        /// How often the node has asked the others.
        session: u64,
        /// The number of the last [`Talk::Ops`].
        serial: u64,
        /// Its own number.
        number: u64,
    },
    /// A sign of life.
    Here {
        /// How often the node has asked the others.
        session: u64,
        /// The number of the last [`Talk::Ops`].
        serial: u64,
        /// Whether the node decides, or is about to.
        ready: bool,
        /// Whether it asks the others for theirs.
        asks: bool,
        /// When the last event that it knows of was decided, in milliseconds since 1970.
        as_of: u64,
    },
    /// What was decided lately about how channels stand, as far as the node knows.
    Recent {
        /// The events, each with the endpoints that have not taken it.
        events: Vec<(Event, Vec<String>)>,
    },
    /// Events that have waited for long, as this node sees it: whoever sends them may have done so long ago.
    Doubt {
        /// The events.
        open: Vec<Doubt>,
    },
    /// A node is asked for its state.
    Tell {
        /// Which one.
        node: u64,
    },
    /// A part of a node's state.
    All {
        /// Who has asked for it.
        to: u64,
        /// Which part, from 0 on.
        part: u32,
        /// Of how many.
        parts: u32,
        /// The steps that make it.
        ops: Vec<Op>,
    },
}

impl Talk {
    /// Steps or events in parts of which each fits into so many bytes. One that is too large alone is left out.
    pub(super) fn parts<T: Serialize>(all: Vec<T>, most: usize) -> Vec<Vec<T>> {
        let (mut parts, mut bytes) = (Vec::<Vec<T>>::new(), 0);
        for one in all {
            let size = serde_json::to_vec(&one).map_or(0, |json| json.len()) + 1;
            if size + FRAME > most {
                continue;
            }
            bytes += size;
            match parts.last_mut() {
                Some(part) if bytes + FRAME <= most => part.push(one),
                _ => {
                    bytes = size;
                    parts.push(vec![one]);
                }
            }
        }
        parts
    }

    /// In which session of its node it was said, if that matters.
    pub(super) fn session(&self) -> Option<u64> {
        match self {
            Self::Ops { session, .. } | Self::Here { session, .. } => Some(*session),
            _ => None,
        }
    }

    /// What somebody said; `None` if it makes no sense.
    pub(super) fn read(bytes: &Bytes) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// What is to be said, in bytes.
    pub(super) fn bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("what nodes say makes JSON").into()
    }
}
