//! The desk of one node among those of others, in step with them: what is decided here they are told, and it is sent once
//! they know. Pure: time is a parameter.

use super::desk::{Desk, Job, Now, Output, Where};
use super::joining::{Joining, ToDo, View};
use super::op::Op;
use super::place::Place;
use super::talk::Talk;
use crate::protocol::NodeId;
use std::collections::VecDeque;
use std::time::Instant;

/// Steps that may wait for the journal to be had.
const MOST_EARLY: usize = 10_000;
/// As many endpoints as an app has, or more.
const NEAR: usize = 16;

/// The desk, and the other nodes' if there are any.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) desk: Desk,
    others: Option<Others>,
    /// Whether it is known what the journal says.
    begun: bool,
    stopped: bool,
    ended: bool,
    /// What is to be done already.
    orders: Orders,
}

#[derive(Debug)]
struct Others {
    joining: Joining,
    /// How large a message may be.
    most: usize,
    /// What is to be sent once the others know of it, each with the number of what they are to know.
    unsure: VecDeque<(u64, Vec<Work>)>,
    /// The session that those numbers are of.
    session: u64,
}

/// For an endpoint of an app.
pub(super) type Work = (String, String, Job);

/// What is to be done, in this order.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// What is to be written to the journal.
    pub(super) ops: Vec<Op>,
    /// Whether the journal is to be made anew instead.
    pub(super) renew: bool,
    /// What is to be said to other nodes.
    pub(super) say: Vec<Talk>,
    /// What is to be sent, and no longer.
    pub(super) jobs: Vec<Work>,
    /// Whether what is to be sent is to wait.
    pub(super) paused: bool,
    /// Dead letters that had to be forgotten.
    pub(super) forgotten: usize,
    /// Times that an event became a dead letter at once.
    pub(super) overflowed: usize,
    /// Times that an event was dropped because the endpoint that it waits for is gone.
    pub(super) orphaned: usize,
}

impl Office {
    /// Of the node `me`, alone or among others.
    pub(super) fn new(desk: Desk, me: NodeId, is_alone: bool) -> Self {
        let joining = Joining::new(me);
        let others = Others { joining, most: 0, unsure: VecDeque::new(), session: 0 };
        Self {
            desk,
            others: Some(others).filter(|_| !is_alone),
            begun: false,
            stopped: false,
            ended: false,
            orders: Orders::default(),
        }
    }

    /// Whether so much was decided before it is known what the journal says that no more client events fit.
    pub(super) fn is_full(&self) -> bool {
        !self.begun && self.desk.decided() > MOST_EARLY
    }

    /// Begins to decide and to send, with what the journal says.
    pub(super) fn begin(&mut self, ops: Vec<Op>, now: Now) {
        self.begun = true;
        ops.into_iter().for_each(|op| self.desk.apply(op, now));
        if !self.stopped && self.others.is_none() {
            self.desk.place(Place::alone(true), now);
        }
    }

    /// Takes note of which nodes there are, and how large a message to them may be.
    pub(super) fn view(&mut self, view: View, most: usize, now: Now) {
        if let Some(others) = &mut self.others {
            others.most = most;
            self.step(now, |joining, as_of| joining.look(Some(view), as_of, now.at));
        }
    }

    /// Takes note of what another node says, or of what this one has said and what has come back.
    pub(super) fn hear(&mut self, from: NodeId, talk: Talk, now: Now) {
        self.step(now, |joining, _| joining.hear(from, talk, now.at));
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Now) {
        self.step(now, |joining, as_of| joining.look(None, as_of, now.at));
        self.desk.tick(now);
    }

    /// When something is due next.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let joins = self.others.as_ref().map(|others| others.joining.next(now));
        [self.desk.next(), joins].into_iter().flatten().min()
    }

    /// Decides nothing more. What has ended and waits to be told is told at once if nobody `knows` of it afterwards.
    pub(super) fn stop(&mut self, is_known: bool, now: Now) {
        self.stopped = true;
        let mut is_alone = true;
        self.gather(now.at);
        if let Some(Others { joining, .. }) = &mut self.others {
            self.orders.say.push(joining.stop(self.desk.as_of()));
            is_alone = joining.live().next().is_none();
        }
        self.desk.stop(is_alone && !is_known, now);
    }

    /// Sends nothing more: others may go on with it from now on.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Does what the other nodes call for, and takes its place among them. Not before it is known what the journal says.
    fn step(&mut self, now: Now, step: impl FnOnce(&mut Joining, u64) -> ToDo) {
        // What was decided is told before this node says that it decides no longer.
        self.gather(now.at);
        let Some(Others { joining, most, unsure, session }) = self.others.as_mut().filter(|_| self.begun) else {
            return;
        };
        let say = &mut self.orders.say;
        let ToDo { say: talks, ops, replace, tell, recent, doubts, recall, doubt } = step(joining, self.desk.as_of());
        for op in ops {
            self.desk.hear(op, now);
        }
        self.desk.recall(recent, now);
        self.desk.answer(doubts, now);
        if *session != joining.session() {
            *session = joining.session();
            // Nobody may know of it, and nothing of it was sent: what is to be told is decided anew, by whoever is to.
            let sends = unsure.iter().rev().flat_map(|(_, jobs)| jobs.iter().rev());
            let events: Vec<_> = sends.filter_map(|(_, _, job)| job.event().cloned()).collect();
            events.iter().for_each(|event| self.desk.undo(event, now));
            // What is left is sent as soon as this node acts.
            unsure.iter_mut().for_each(|(serial, _)| *serial = 0);
        }
        if let Some((steps, meanwhile)) = replace {
            unsure.clear();
            self.desk.replace(steps, meanwhile, now);
        }
        if recall {
            let parts = Talk::parts(self.desk.recent(), *most).into_iter();
            say.extend(parts.map(|events| Talk::Recent { events }));
        }
        for node in tell {
            let parts = Talk::parts(self.desk.steps(), *most);
            let count = u32::try_from(parts.len()).expect("no node has that many steps");
            say.extend((0..).zip(parts).map(|(part, ops)| Talk::All { to: node.0, part, parts: count, ops }));
        }
        say.extend(talks);
        if doubt {
            let parts = Talk::parts(self.desk.doubts(now), *most).into_iter();
            say.extend(parts.map(|open| Talk::Doubt { open }));
        }
        let place = Place { acts: joining.acts(now.at), homes: joining.homes(), live: joining.live().collect() };
        self.desk.place(place, now);
    }

    /// What is to be done; nothing until it is known what the journal says.
    pub(super) fn take(&mut self, now: Instant) -> Orders {
        self.gather(now);
        let paused = !self.begun || self.ended || !self.stopped && !self.desk.acts();
        Orders { paused, ..std::mem::take(&mut self.orders) }
    }

    fn gather(&mut self, now: Instant) {
        if !self.begun {
            return;
        }
        let Output { ops, mut jobs, renew, forgotten, orphaned, overflowed } = self.desk.take();
        cancel(&mut jobs);
        let orders = &mut self.orders;
        if let Some(others) = &mut self.others {
            let here = ops.iter().filter(|(_, place)| *place == Where::Here);
            others.tell(here.map(|(op, _)| op.clone()).collect(), now, &mut orders.say);
            jobs = others.sure(jobs);
        }
        orders.ops.extend(ops.into_iter().map(|(op, _)| op));
        orders.jobs.extend(jobs);
        orders.renew |= renew;
        orders.forgotten += forgotten;
        orders.orphaned += orphaned;
        orders.overflowed += overflowed;
    }
}

/// Takes out what is to be sent and then not to be sent, because its queue is full: it could be much.
fn cancel(jobs: &mut Vec<Work>) {
    let mut left = Vec::<Work>::new();
    for job in jobs.drain(..) {
        let is_undone = |(app, endpoint, send): &Work| match (&job.2, send.event()) {
            (Job::Withdraw(id), Some(event)) => event.id == *id && *app == job.0 && *endpoint == job.1,
            _ => false,
        };
        // One follows right on the other.
        let near = left.len().saturating_sub(NEAR);
        match left[near..].iter().rposition(is_undone) {
            Some(at) => drop(left.remove(near + at)),
            None => left.push(job),
        }
    }
    *jobs = left;
}

impl Others {
    /// Tells what happened here.
    fn tell(&mut self, ops: Vec<Op>, now: Instant, say: &mut Vec<Talk>) {
        let parts = Talk::parts(ops, self.most).into_iter();
        let told: Vec<_> = parts.filter_map(|part| self.joining.tell(part)).collect();
        if !told.is_empty() {
            say.extend(told);
            say.push(self.joining.mark(now));
        }
    }

    /// Of what is to be sent, what the others would go on with if this node died now: nothing is sent that nobody else
    /// knows of.
    fn sure(&mut self, jobs: Vec<Work>) -> Vec<Work> {
        if !jobs.is_empty() {
            self.unsure.push_back((self.joining.serial(), jobs));
        }
        let mut sure = Vec::new();
        while let Some((_, jobs)) = self.unsure.pop_front_if(|(serial, _)| *serial <= self.joining.confirmed()) {
            sure.extend(jobs);
        }
        sure
    }
}
