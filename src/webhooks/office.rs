//! The desk of one node, alone or among others: what is decided comes into force at once, or by the log. Pure: time is a
//! parameter.

use super::desk::{Desk, Now, Output, Work};
use super::entry::{Entry, Wish};
use super::log::{Log, ToDo};
use super::op::Op;
use super::view::View;
use crate::protocol::NodeId;
use std::time::Instant;

/// Steps that may wait to come into force before no more of what clients say is taken.
const MOST_WAITING: usize = 10_000;

/// The desk, and the log if there is one.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) desk: Desk,
    log: Option<Log>,
    /// Whether it is known what the journal says.
    begun: bool,
    stopped: bool,
    ended: bool,
    done: ToDo,
}

/// What is to be done, in this order.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// What is to be written to the journal.
    pub(super) ops: Vec<Op>,
    /// Whether the journal is to be made anew instead.
    pub(super) renew: bool,
    /// What is asked of the log.
    pub(super) wishes: Vec<Wish>,
    /// Whether nothing of what was to be sent is to be sent any more, but for what follows.
    pub(super) reset: bool,
    /// What is to be sent, and no longer.
    pub(super) jobs: Vec<Work>,
    /// Whether what is to be sent is to wait.
    pub(super) paused: bool,
    /// Dead letters that had to be forgotten.
    pub(super) forgotten: usize,
    /// Times that an event became a dead letter at once.
    pub(super) overflowed: usize,
    /// Times that an event became a dead letter because the endpoint that it waits for is gone.
    pub(super) orphaned: usize,
    /// Steps that are lost, as the bus has no room for any of them.
    pub(super) too_large: usize,
}

impl Office {
    /// Of the node `me`, alone or among others.
    pub(super) fn new(desk: Desk, me: NodeId, is_alone: bool, now: Instant) -> Self {
        let log = (!is_alone).then(|| Log::new(me, now));
        Self { desk, log, begun: false, stopped: false, ended: false, done: ToDo::default() }
    }

    /// Whether so much waits to come into force that nothing fits that could be left out.
    pub(super) fn is_full(&self) -> bool {
        self.desk.out.ops.len() + self.log.as_ref().map_or(0, |log| log.saying.queue.len()) > MOST_WAITING
    }

    /// Begins to decide and to send, with what the journal says.
    pub(super) fn begin(&mut self, ops: Vec<Op>, now: Now) {
        self.begun = true;
        let steps = ops.len();
        for op in ops {
            self.log.iter_mut().for_each(|log| log.remember(&op));
            self.desk.apply(op, now);
        }
        self.log.iter_mut().for_each(|log| log.begin_with(steps));
        if self.log.is_none() && !self.stopped {
            let me = self.desk.me.0;
            // Processes before this one.
            let gone: Vec<_> = self.desk.nodes().filter(|node| *node != me).map(|node| Op::Gone { node }).collect();
            let ready = [Op::Ready { node: me }];
            self.desk.out.ops.splice(0..0, gone.into_iter().chain(ready));
            self.desk.act(true, now);
        }
    }

    /// Takes note of which nodes there are, and how large an entry of the log may be.
    pub(super) fn view(&mut self, view: View, most: usize, now: Now) {
        if let Some(log) = self.log.as_mut().filter(|_| self.begun) {
            log.view(view, most, &mut self.desk, now);
        }
    }

    /// Takes note that there is more in the log.
    pub(super) fn noted(&mut self, now: Instant) {
        self.log.iter_mut().for_each(|log| log.noted(now));
    }

    /// Takes note whether what was to be appended to the log was.
    pub(super) fn appended(&mut self, done: bool, now: Now) {
        self.log.iter_mut().for_each(|log| log.appended(done, &mut self.desk, now));
    }

    /// Takes note of what was read in the log.
    pub(super) fn read(&mut self, entries: Option<Vec<Entry>>, now: Now) {
        if let Some(log) = &mut self.log {
            let ToDo { ops, renew } = log.read(entries, &mut self.desk, now);
            self.done.renew |= renew;
            self.done.ops.extend(ops);
            self.done.ops.extend(log.at());
        }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Now) {
        self.desk.tick(now);
    }

    /// When something is due next.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let log = self.log.as_ref().map(|log| log.next(now));
        [self.desk.next(), log].into_iter().flatten().min()
    }

    /// Decides no endings from now on, if this node is alone and what back ends know `is_known` to the next process.
    pub(super) fn hold_endings(&mut self, is_known: bool) {
        if self.log.is_none() && is_known {
            self.desk.hold();
        }
    }

    /// Decides nothing more. What has ended and waits to be told is told at once if nobody `knows` of it afterwards.
    pub(super) fn stop(&mut self, is_known: bool, now: Now) {
        self.stopped = true;
        match &mut self.log {
            Some(log) => log.stop(&mut self.desk, now),
            None => {
                if !is_known {
                    self.desk.hurry(now);
                }
                self.desk.act(false, now);
            }
        }
    }

    /// Sends nothing more: others may go on with it from now on. How many events of clients are lost with this process.
    pub(super) fn end(&mut self) -> usize {
        self.ended = true;
        self.log.as_mut().map_or(0, |log| log.end(&self.desk))
    }

    /// Whether everything that others are to know was said.
    pub(super) fn is_said(&self) -> bool {
        self.log.as_ref().is_none_or(Log::is_said)
    }

    /// What is to be done; nothing until it is known what the journal says.
    pub(super) fn take(&mut self, now: Now) -> Orders {
        if !self.begun {
            return Orders { paused: true, ..Orders::default() };
        }
        let (mut wishes, mut too_large) = (Vec::new(), 0);
        match &mut self.log {
            Some(log) => {
                log.saying.queue.extend(std::mem::take(&mut self.desk.out.ops));
                wishes = log.tick(&mut self.desk, now);
                log.saying.queue.extend(std::mem::take(&mut self.desk.out.ops));
                too_large = log.saying.take_too_large();
            }
            None => {
                // One step may call for others.
                while !self.desk.out.ops.is_empty() {
                    for op in std::mem::take(&mut self.desk.out.ops) {
                        self.desk.apply(op.clone(), now);
                        self.done.ops.push(op);
                    }
                }
            }
        }
        let ToDo { ops, renew } = std::mem::take(&mut self.done);
        let Output { reset, jobs, forgotten, orphaned, overflowed, .. } = self.desk.take();
        let paused = self.ended || self.log.as_ref().is_some_and(|log| !log.sends(now.at));
        Orders { ops, renew, wishes, reset, jobs, paused, forgotten, overflowed, orphaned, too_large }
    }

    /// The steps that make the state anew, for the journal.
    pub(super) fn steps(&self) -> Vec<Op> {
        self.desk.steps().into_iter().chain(self.log.as_ref().and_then(Log::at)).collect()
    }
}
