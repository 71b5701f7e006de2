//! States that nodes have told in the log, in parts. Pure.

use super::op::{At, Op};
use crate::protocol::NodeId;
use serde::Serialize;
use std::collections::HashMap;

/// What an entry takes besides its steps.
const FRAME: usize = 256;
/// More steps than make the state of any cluster.
const MOST_STEPS: usize = 5_000_000;

/// A state that was told.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Up to which entry it is made of all.
    pub(super) of: At,
    pub(super) founds: bool,
    pub(super) known: u64,
    pub(super) ops: Vec<Op>,
}

/// What was told of states so far.
#[derive(Debug, Default)]
pub(super) struct States {
    /// By the node that tells it, with the number of the next part.
    begun: HashMap<NodeId, (State, u32)>,
    /// Where the last one was complete, and the last one that founded something.
    last: At,
    founded: At,
}

impl States {
    /// Takes note of a step; the state that is complete with it, if one is. One is none if its teller could not know of another
    /// that was told before it, and founds something, or the other one did.
    pub(super) fn hear(&mut self, at: At, from: NodeId, op: &Op) -> Option<State> {
        let Op::State { of, founds, part, parts, known, ops } = op else { return None };
        if *part == 0 {
            let state = State { of: *of, founds: *founds, known: *known, ops: Vec::new() };
            self.begun.insert(from, (state, 0));
        }
        let (state, next) = self.begun.get_mut(&from)?;
        if *part != *next || *of != state.of || state.ops.len() + ops.len() > MOST_STEPS {
            self.begun.remove(&from);
            return None;
        }
        state.ops.extend(ops.iter().cloned());
        *next += 1;
        if *next < *parts {
            return None;
        }
        let (state, _) = self.begun.remove(&from)?;
        if state.of < self.founded || state.founds && state.of < self.last {
            return None;
        }
        self.last = at;
        if state.founds {
            self.founded = at;
        }
        Some(state)
    }
}

/// Steps in parts of which each fits into so many bytes; one part at least. A step that is too large alone is left out.
pub(super) fn parts<T: Serialize>(all: Vec<T>, most: usize) -> Vec<Vec<T>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], 0);
    for one in all {
        let size = serde_json::to_vec(&one).map_or(0, |json| json.len()) + 1;
        if size + FRAME > most {
            continue;
        }
        bytes += size;
        match parts.last_mut() {
            Some(part) if bytes + FRAME <= most || part.is_empty() => part.push(one),
            _ => {
                bytes = size;
                parts.push(vec![one]);
            }
        }
    }
    parts
}
