//! States that nodes have told in the log, in parts. Pure.

use super::op::{At, Op};
use crate::protocol::NodeId;
use serde::Serialize;
use std::collections::HashMap;

/// What an entry takes besides its steps.
const FRAME: usize = 256;
/// What an entry takes that holds several steps: the bus keeps many of them.
const USUAL: usize = 64 * 1024;
/// More steps than make the state of any cluster.
const MOST_STEPS: usize = 5_000_000;

/// A state that was told.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Up to which entry it is made of all.
    pub(super) of: At,
    pub(super) founds: bool,
    pub(super) known: u64,
    pub(super) ms: u64,
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
    /// Of how many entries that one was made, and when.
    root: Option<(u64, u64)>,
}

impl States {
    /// Takes note of a step; the state that is complete with it, if one is. One is none if its teller could not know of another
    /// that was told before it, and founds something, or the other one did; unless it founds something out of more.
    pub(super) fn hear(&mut self, at: At, from: NodeId, op: &Op) -> Option<State> {
        let Op::State { of, founds, part, parts, known, ms, ops } = op else { return None };
        if *part == 0 {
            let state = State { of: *of, founds: *founds, known: *known, ms: *ms, ops: Vec::new() };
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
        // One of another log than this has entries that are still to come.
        let is_more = state.founds && self.root.is_some_and(|(known, _)| state.known > known);
        let is_late = state.of < self.founded || state.founds && state.of < self.last;
        if state.of >= at || is_late && !is_more {
            return None;
        }
        self.last = at;
        // Who is not done by now says nothing new.
        self.begun.clear();
        if state.founds {
            (self.founded, self.root) = (at, Some((state.known, state.ms)));
        }
        Some(state)
    }
}

impl States {
    /// Of how many entries the last state was made that founded something, and when, in milliseconds since 1970.
    pub(super) fn root(&self) -> Option<(u64, u64)> {
        self.root
    }
}

/// Steps in parts of which each fits into so many bytes; one part at least. How many were left out, as they are too large
/// alone.
pub(super) fn parts<T: Serialize>(all: Vec<T>, most: usize) -> (Vec<Vec<T>>, usize) {
    let (mut parts, mut bytes, mut too_large) = (vec![Vec::new()], 0, 0);
    let usual = most.min(USUAL);
    for one in all {
        let size = serde_json::to_vec(&one).map_or(0, |json| json.len()) + 1;
        if size + FRAME > most {
            too_large += 1;
            continue;
        }
        bytes += size;
        match parts.last_mut() {
            Some(part) if bytes + FRAME <= usual || part.is_empty() => part.push(one),
            _ => {
                bytes = size;
                parts.push(vec![one]);
            }
        }
    }
    (parts, too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);

    fn part(of: u64, founds: bool, (part, parts): (u32, u32)) -> Op {
        let ops = vec![Op::Ready { node: part.into() }];
        Op::State { of: (0, of), founds, part, parts, known: 7, ms: 1, ops }
    }

    #[test]
    fn a_state_is_complete_with_its_last_part() {
        let mut states = States::default();
        for (at, from, op, complete) in [
            (3, A, part(2, false, (1, 2)), false),
            (4, A, part(2, false, (0, 2)), false),
            (5, B, part(3, false, (0, 2)), false),
            (6, A, part(2, false, (1, 2)), true),
            (7, A, part(2, false, (1, 2)), false),
            (8, B, part(3, false, (1, 2)), false),
        ] {
            let state = states.hear((0, at), from, &op);
            assert_eq!(state.as_ref().map(|state| state.ops.len()), complete.then_some(2), "{at}");
        }
        assert!(states.hear((0, 9), A, &part(9, false, (0, 1))).is_none(), "it is of another log");
    }

    #[test]
    fn of_those_who_found_something_the_first_does() {
        let mut states = States::default();
        let mut hear = |at, from, of, founds| states.hear((0, at), from, &part(of, founds, (0, 1))).is_some();
        assert!(hear(5, A, 4, false));
        assert!(!hear(6, B, 4, true), "somebody was in step");
        assert!(hear(8, B, 7, true));
        assert!(!hear(9, A, 6, false), "that is over");
        assert!(hear(10, A, 8, false));
        let Op::State { of, founds, ops, .. } = part(1, true, (0, 1)) else { unreachable!() };
        let more = Op::State { of, founds, part: 0, parts: 1, known: 8, ms: 2, ops };
        assert!(states.hear((0, 11), B, &more).is_some() && states.root() == Some((8, 2)), "it is made of more");
    }

    #[test]
    fn parts_are_no_larger_than_allowed() {
        let texts: Vec<_> = (0..20).map(|n| "x".repeat(10 * n)).collect();
        let (parts, too_large) = parts(texts, FRAME + 100);
        assert!(parts.iter().all(|part| part.iter().map(|text| text.len() + 3).sum::<usize>() <= 100));
        assert_eq!((parts.concat().len(), too_large), (10, 10), "what fits nowhere is left out");
        assert_eq!(super::parts(Vec::<u8>::new(), 500), (vec![Vec::new()], 0));
        let large: Vec<_> = [1, USUAL, 1, 1].map(|bytes| "x".repeat(bytes)).into();
        assert_eq!(super::parts(large, usize::MAX).0.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 2]);
    }
}
