//! What a node appends to the log that nodes share, one entry at a time. Pure: time is a parameter.
//!
//! The bus may have taken what it did not say that it has, and lose what it did: what must not be lost is said again, and does
//! nothing the second time. What else was decided is decided anew.

use super::desk::PART;
use super::entry;
use super::op::{At, Op};
use super::states::parts;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Until something is tried again that the bus did not do.
pub(super) const TRY_AGAIN: Duration = Duration::from_millis(500);

/// What is to be appended, and what was.
#[derive(Debug)]
pub(super) struct Saying {
    /// What goes before anything else, each by itself.
    pub(super) first: VecDeque<Op>,
    pub(super) queue: VecDeque<Op>,
    /// What is being appended.
    saying: Option<Said>,
    /// What the bus has taken, each entry with when it had, and has not given back yet.
    unseen: VecDeque<(Instant, Said)>,
    /// Before that nothing is.
    at: Instant,
    /// Steps that no entry has room for.
    too_large: usize,
}

/// An entry of this node.
#[derive(Debug)]
struct Said {
    /// What it is known by when it comes back, which may be before the bus says that it has it.
    check: u64,
    came_back: bool,
    ops: Vec<Op>,
}

impl Saying {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            first: VecDeque::new(),
            queue: VecDeque::new(),
            saying: None,
            unseen: VecDeque::new(),
            at: now,
            too_large: 0,
        }
    }

    /// Whether nothing is left to say, and all of it has come back.
    pub(super) fn is_done(&self) -> bool {
        self.queue.is_empty() && self.saying.is_none() && self.unseen.is_empty()
    }

    /// Events that are to be said and would not be decided anew.
    pub(super) fn events(&self) -> usize {
        self.queue.iter().filter(|op| matches!(op, Op::Tell { .. }) && op.matters()).count()
    }

    /// Steps that were left out since the last time, because no entry has room for them.
    pub(super) fn take_too_large(&mut self) -> usize {
        std::mem::take(&mut self.too_large)
    }

    /// Takes note whether the bus has taken what was to be appended.
    pub(super) fn appended(&mut self, done: bool, now: Instant) {
        self.unseen.extend(self.saying.take().filter(|said| !said.came_back).map(|said| (now, said)));
        if !done {
            self.at = now + TRY_AGAIN;
        }
    }

    /// Takes note that an entry of this node was read.
    pub(super) fn seen(&mut self, check: u64) {
        self.unseen.retain(|(_, said)| said.check != check);
        self.saying.iter_mut().for_each(|said| said.came_back |= said.check == check);
    }

    /// Whether something that was appended before `then` is gone, if all that was in the log then was read.
    pub(super) fn has_lost(&self, then: Instant) -> bool {
        self.unseen.front().is_some_and(|(taken, _)| *taken < then)
    }

    /// Gives up whatever can be decided anew, and says the rest again.
    pub(super) fn give_up(&mut self) {
        self.first.clear();
        let unseen = self.unseen.drain(..).flat_map(|(_, said)| said.ops);
        self.queue = unseen.chain(self.queue.drain(..)).filter(Op::matters).collect();
    }

    /// What is to be appended now, if something is, by a node that has `seen` that entry last: as many steps as fit into
    /// `most` bytes.
    pub(super) fn entry(&mut self, seen: At, in_step: bool, most: usize, now: Instant) -> Option<Bytes> {
        if self.saying.is_some() || self.at > now {
            return None;
        }
        let ops = match self.first.pop_front() {
            Some(op) => vec![op],
            None if in_step => self.some(most),
            None => Vec::new(),
        };
        if ops.is_empty() {
            return None;
        }
        let bytes = entry::write(seen, &ops);
        self.saying = Some(Said { check: entry::check(&bytes), came_back: false, ops });
        Some(bytes)
    }

    /// The first steps, as many as fit.
    fn some(&mut self, most: usize) -> Vec<Op> {
        let count = self.queue.len().min(PART);
        let (parts, too_large) = parts(self.queue.drain(..count).collect(), most);
        self.too_large += too_large;
        let mut parts = parts.into_iter();
        let some = parts.next().unwrap_or_default();
        parts.rev().flat_map(|ops| ops.into_iter().rev()).for_each(|op| self.queue.push_front(op));
        some
    }

    /// When there is something to append.
    pub(super) fn next(&self, in_step: bool) -> Option<Instant> {
        let has_more = !self.first.is_empty() || in_step && !self.queue.is_empty();
        Some(self.at).filter(|_| self.saying.is_none() && has_more)
    }
}
