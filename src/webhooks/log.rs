//! The log that nodes share: every node does the same steps in the same order, so that all have one state. Pure: time is a
//! parameter.
//!
//! A node that knows up to which entry it knows everything reads on from there. One that does not, because it is new or
//! because the bus has let go of what comes next, reads all there is, and takes over the last state in it that somebody has
//! told. If nobody has it asks, and a node in step tells its own. Where no node is in step, as at the very first, one of
//! those that ask *founds* a state: the first one that is told is everybody's from then on, until one founds a state who knew
//! more of what was lost.

use super::desk::{Desk, Now};
use super::entry::{self, Entry, Known, Wish};
use super::op::{At, Op};
use super::saying::{Saying, TRY_AGAIN};
use super::states::{State, States, parts};
use super::view::{Neighbours, View};
use crate::protocol::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Between two looks whether there is more in the log, if nobody says so.
const LOOK: Duration = Duration::from_millis(500);
/// Between two looks whether what was read is in the log still: somebody may have emptied it.
const CHECK: Duration = Duration::from_secs(1);
/// Longer than it takes to notice that.
const NOTICED: Duration = Duration::from_secs(5);
/// Between two questions for the state.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// A node in step answers sooner, if there is one.
const FOUND_AFTER: Duration = Duration::from_secs(3);
/// Between those who could answer.
const NEXT: Duration = Duration::from_secs(1);
/// Whoever has not read to the end of the log for so long decides and sends nothing.
const STALE: Duration = Duration::from_secs(3);
/// Fewer entries than are read at a time: there were no more.
const FEW: usize = 50;
/// A state that was founded so long after somebody knew more counts all the same: what that one knows is of the past.
const LATELY_MS: u64 = 600_000;
/// Entries after which the state is told anew, long before the bus lets go of the last one that was.
const MANY: u64 = 4000;

#[derive(Debug)]
enum Mode {
    /// The log cannot be had.
    Apart,
    /// What is known last is to be found again, by a node that was in step just before or was not.
    Checking(bool),
    InStep,
    Asking(Box<Asking>),
}

#[derive(Debug, Default)]
struct Asking {
    /// All that was read.
    held: Vec<(At, Vec<Op>)>,
    /// Up to where.
    last: Option<Known>,
    /// Whether that is all there was.
    has_read_all: bool,
    /// What states were told in it, and the last of them.
    states: States,
    state: Option<State>,
    /// When the question was appended last.
    asked: Option<Instant>,
    /// When the question was found in the log.
    heard: Option<Instant>,
    /// Whether this node has told a state.
    founds: bool,
    /// Who asks as well, and how many entries each knows of.
    others: BTreeMap<NodeId, u64>,
}

/// One node's view of the log.
#[derive(Debug)]
pub(super) struct Log {
    me: NodeId,
    neighbours: Neighbours,
    mode: Mode,
    known: Option<Known>,
    /// What states were told, as far as they were read since this node is in step.
    states: States,
    /// How many entries were known when the last one was told.
    told: u64,
    /// When this node tells the state, as somebody waits for it.
    asked: Option<Instant>,
    next: At,
    /// When what is being read was asked for, and whether it is of no use any more.
    reading: Option<(Instant, bool)>,
    read_at: Instant,
    check_at: Instant,
    /// All that was in the log then has been read.
    fresh: Option<Instant>,
    pub(super) saying: Saying,
    /// Nodes of which it was said that they are ready or gone.
    said: BTreeSet<u64>,
    stopped: bool,
}

/// What there is to do.
#[derive(Debug, Default)]
pub(super) struct ToDo {
    /// What has come into force.
    pub(super) ops: Vec<Op>,
    /// Whether the whole state was replaced.
    pub(super) renew: bool,
}

impl Log {
    pub(super) fn new(me: NodeId, now: Instant) -> Self {
        Self {
            me,
            neighbours: Neighbours::default(),
            mode: Mode::Apart,
            known: None,
            states: States::default(),
            told: 0,
            asked: None,
            next: At::default(),
            reading: None,
            read_at: now,
            check_at: now,
            fresh: None,
            saying: Saying::new(now),
            said: BTreeSet::new(),
            stopped: false,
        }
    }

    /// Takes note of what a journal says about how far the log is known.
    pub(super) fn remember(&mut self, op: &Op) {
        if let Op::At { at, check, known, ms } = op {
            self.known = Some(Known { at: *at, check: *check, entries: *known, ms: *ms });
        }
    }

    /// Takes note that so many steps of a journal are known, if it does not say how far: it is of a node that was alone.
    pub(super) fn begin_with(&mut self, steps: usize) {
        let entries = u64::try_from(steps).unwrap_or(u64::MAX);
        let alone = Known { at: At::default(), check: 0, entries, ms: 0 };
        self.known = self.known.or(Some(alone).filter(|_| steps > 0));
    }

    /// What a journal is to say about that.
    pub(super) fn at(&self) -> Option<Op> {
        let known = self.known.filter(|_| matches!(self.mode, Mode::InStep));
        known.map(|Known { at, check, entries, ms }| Op::At { at, check, known: entries, ms })
    }

    /// Takes note of which nodes there are, and how large an entry may be.
    pub(super) fn view(&mut self, view: View, most: usize, desk: &mut Desk, now: Now) {
        let was_up = self.neighbours.is_up();
        self.neighbours.see(view, most, now.at);
        match (was_up, self.neighbours.is_up()) {
            (false, true) => {
                let known = self.known;
                self.begin(known.map_or_else(|| Mode::Asking(Box::default()), |_| Mode::Checking(false)), now.at);
                self.next = known.map_or_else(At::default, |known| known.at);
            }
            (true, false) => {
                self.begin(Mode::Apart, now.at);
                desk.act(false, now);
                self.give_up(desk, now);
            }
            _ => {}
        }
    }

    fn begin(&mut self, mode: Mode, now: Instant) {
        self.mode = mode;
        (self.next, self.fresh, self.read_at, self.asked) = (At::default(), None, now, None);
        self.states = States::default();
        self.saying.first.clear();
        if let Some((_, is_useless)) = &mut self.reading {
            *is_useless = true;
        }
    }

    /// Takes note that there is more in the log.
    pub(super) fn noted(&mut self, now: Instant) {
        self.read_at = self.read_at.min(now);
    }

    /// Takes note whether the bus has taken what was to be appended.
    pub(super) fn appended(&mut self, done: bool, desk: &mut Desk, now: Now) {
        self.saying.appended(done, now.at);
        if !done {
            self.give_up(desk, now);
        }
    }

    fn give_up(&mut self, desk: &mut Desk, now: Now) {
        self.saying.give_up();
        self.said.clear();
        if let Mode::Asking(asking) = &mut self.mode {
            (asking.asked, asking.founds) = (None, false);
        }
        desk.give_up(now);
    }

    /// Does what was read. `None` if nothing could be.
    pub(super) fn read(&mut self, entries: Option<Vec<Entry>>, desk: &mut Desk, now: Now) -> ToDo {
        let mut to_do = ToDo::default();
        let Some((began, is_useless)) = self.reading.take() else { return to_do };
        self.read_at = now.at;
        if is_useless {
            return to_do;
        }
        let Some(entries) = entries else {
            self.read_at = now.at + TRY_AGAIN;
            return to_do;
        };
        if entries.len() < FEW {
            self.fresh = Some(began);
        }
        if entries.is_empty() {
            self.read_at = now.at + LOOK;
            if self.saying.has_lost(began) {
                // The bus has lost it.
                self.give_up(desk, now);
            }
        }
        if let Mode::Checking(_) = self.mode {
            let is_known =
                |entry: &Entry, known: Known| entry.at == known.at && entry::check(&entry.bytes) == known.check;
            if !entries.first().zip(self.known).is_some_and(|(entry, known)| is_known(entry, known)) {
                self.ask(now.at);
                return to_do;
            }
            self.mode = Mode::InStep;
            self.check_at = now.at + CHECK;
        }
        let has_read_all = entries.is_empty();
        for entry in entries {
            self.next = after(entry.at);
            self.take(&entry, desk, now, &mut to_do);
        }
        if let Mode::Asking(asking) = &mut self.mode {
            asking.has_read_all |= has_read_all;
            if asking.has_read_all {
                self.resolve(desk, now, &mut to_do);
            }
        }
        to_do
    }

    fn take(&mut self, entry: &Entry, desk: &mut Desk, now: Now, to_do: &mut ToDo) {
        let (at, from) = (entry.at, entry.from);
        let (seen, ops) = entry::read(&entry.bytes);
        if from == self.me {
            self.saying.seen(entry::check(&entry.bytes));
        }
        match &mut self.mode {
            Mode::Asking(asking) => {
                for op in &ops {
                    if let Some(state) = asking.states.hear(at, from, op) {
                        asking.state = Some(state);
                    }
                    match op {
                        Op::Ask { node, .. } if *node == self.me.0 => {
                            asking.heard.get_or_insert(now.at);
                        }
                        Op::Ask { node, known } => {
                            let is_new = asking.others.insert(NodeId(*node), *known).is_none();
                            // It is waited for as well.
                            asking.heard = asking.heard.map(|heard| if is_new { now.at } else { heard });
                        }
                        _ => {}
                    }
                }
                asking.held.push((at, ops));
                asking.last = Some(Known { at, check: entry::check(&entry.bytes), entries: 0, ms: now.ms });
            }
            Mode::InStep if self.known.is_some_and(|known| at <= known.at) => {}
            Mode::InStep if self.known.is_none_or(|known| seen > known.at) => self.ask(now.at),
            Mode::InStep => {
                let entries = self.known.map_or(0, |known| known.entries) + 1;
                self.known = Some(Known { at, check: entry::check(&entry.bytes), entries, ms: now.ms });
                for op in ops {
                    if let Some(state) = self.states.hear(at, from, &op) {
                        (self.asked, self.told) = (None, entries);
                        if state.founds {
                            // Others have begun anew.
                            self.known = self.known.map(Known::outdated);
                            return self.ask(now.at);
                        }
                    }
                    self.step(op, desk, now, to_do);
                }
            }
            Mode::Apart | Mode::Checking(_) => {}
        }
    }

    /// Does a step of the log, in step.
    fn step(&mut self, op: Op, desk: &mut Desk, now: Now, to_do: &mut ToDo) {
        match &op {
            Op::Ask { node, .. } if *node != self.me.0 => {
                let before = desk.nodes().filter(|other| other != node && *other < self.me.0).count();
                self.asked = Some(now.at + NEXT * u32::try_from(before).unwrap_or(u32::MAX));
                return;
            }
            Op::Ask { .. } | Op::State { .. } | Op::At { .. } => return,
            Op::Ready { node } | Op::Gone { node } => drop(self.said.remove(node)),
            _ => {}
        }
        desk.apply(op.clone(), now);
        to_do.ops.push(op);
    }

    /// Asks the others, and reads all there is.
    fn ask(&mut self, now: Instant) {
        self.begin(Mode::Asking(Box::default()), now);
    }

    /// Takes over the last state that was told, with what has happened since, or sees to it that one is told.
    fn resolve(&mut self, desk: &mut Desk, now: Now, to_do: &mut ToDo) {
        let Mode::Asking(asking) = &mut self.mode else { return };
        // What has happened since must be there.
        let is_there = |of: At| of == At::default() || asking.held.first().is_some_and(|(first, _)| *first <= of);
        // What was founded by somebody who knew less than this node does, just after, is to be founded anew.
        let knows_more =
            asking.states.root().zip(self.known).is_some_and(|((entries, ms), known)| {
                entries < known.entries && ms < known.ms.saturating_add(LATELY_MS)
            });
        if knows_more || !asking.state.as_ref().is_some_and(|state| is_there(state.of)) {
            return;
        }
        let Asking { held, last: known, states, state: Some(state), .. } = *std::mem::take(asking) else { return };
        self.mode = Mode::InStep;
        self.told = state.known;
        self.states = states;
        let since = held.into_iter().filter(|(at, _)| *at > state.of);
        let mut entries = state.known;
        desk.replace(state.ops, now);
        for (_, ops) in since {
            entries += 1;
            ops.into_iter().for_each(|op| self.step(op, desk, now, &mut ToDo::default()));
        }
        self.known = known.map(|known| Known { entries, ..known });
        self.give_up(desk, now);
        (to_do.renew, self.asked) = (true, None);
        to_do.ops.clear();
    }

    /// Does what the time calls for; what is asked of the log.
    pub(super) fn tick(&mut self, desk: &mut Desk, now: Now) -> Vec<Wish> {
        let in_step = self.is_in_step();
        if in_step {
            self.place(desk, now);
        } else {
            desk.act(false, now);
            self.seek(desk, now);
        }
        let mut wishes = Vec::new();
        if !self.neighbours.is_up() {
            return wishes;
        }
        if self.reading.is_none() && self.read_at <= now.at {
            if let (Mode::InStep, Some(known), true) = (&self.mode, self.known, self.check_at <= now.at) {
                self.mode = Mode::Checking(true);
                self.next = known.at;
            }
            self.reading = Some((now.at, false));
            wishes.push(Wish::Read(self.next));
        }
        let seen = self.known.map_or(At::default(), |known| known.at);
        wishes.extend(self.saying.entry(seen, in_step, self.neighbours.most(), now.at).map(Wish::Append));
        wishes
    }

    /// Takes its place among the nodes, in step.
    fn place(&mut self, desk: &mut Desk, now: Now) {
        let nodes: Vec<_> = desk.nodes().filter(|node| *node != self.me.0).collect();
        let is_settled = self.neighbours.are_known(&nodes, now.at);
        if !self.stopped && is_settled && !desk.is_ready() && self.said.insert(self.me.0) {
            self.saying.queue.push_back(Op::Ready { node: self.me.0 });
        }
        for node in self.neighbours.missing(&nodes, now.at) {
            if self.said.insert(node) {
                self.saying.queue.push_back(Op::Gone { node });
            }
        }
        desk.act(is_settled && self.is_fresh(now.at) && desk.is_ready() && !self.stopped, now);
        let entries = self.known.map_or(0, |known| known.entries);
        let is_first = desk.ready.first() == Some(&self.me.0);
        let is_due = self.asked.is_some_and(|at| at <= now.at) || is_first && entries > self.told + MANY;
        if is_due && self.saying.first.is_empty() {
            (self.asked, self.told) = (None, entries);
            let of = self.known.map_or(At::default(), |known| known.at);
            self.tell(of, entries, false, desk, now.ms);
        }
    }

    /// Sees to it that the state is told by somebody.
    fn seek(&mut self, desk: &mut Desk, now: Now) {
        let entries = self.known.map_or(0, |known| known.entries);
        let Mode::Asking(asking) = &mut self.mode else { return };
        if !asking.has_read_all || self.stopped {
            return;
        }
        if asking.asked.is_none_or(|at| at + ASK_AGAIN <= now.at) {
            asking.asked = Some(now.at);
            self.saying.first.push_back(Op::Ask { node: self.me.0, known: entries });
        }
        let is_there = |node: &NodeId| self.neighbours.sees(*node);
        let better =
            asking.others.iter().filter(|(node, known)| is_there(node) && (**known, **node) > (entries, self.me));
        let mut wait = FOUND_AFTER + NEXT * u32::try_from(better.count()).unwrap_or(u32::MAX);
        if entries == 0 && !self.neighbours.all(|node| asking.others.contains_key(&node)) {
            // Somebody may know the state, and not have noticed that the log does not have it.
            wait += NOTICED;
        }
        let is_sure = |heard: Instant| self.fresh.is_some_and(|fresh| fresh >= heard + wait);
        if !asking.founds && asking.heard.is_some_and(is_sure) {
            asking.founds = true;
            let of = asking.last.map_or(At::default(), |known| known.at);
            // What was known for certain, and what was read besides; some of it may be known.
            let read: Vec<_> = asking.held.iter().flat_map(|(_, ops)| ops.clone()).collect();
            read.into_iter().for_each(|op| desk.apply(op, now));
            // That is no longer the state at that entry, of however many it is made.
            self.known = self.known.map(Known::outdated);
            self.tell(of, entries, true, desk, now.ms);
        }
    }

    /// Tells the state.
    fn tell(&mut self, of: At, known: u64, founds: bool, desk: &Desk, ms: u64) {
        let (all, _) = parts(desk.steps(), self.neighbours.most());
        let parts = u32::try_from(all.len()).expect("no state has that many steps");
        let state = |(part, ops)| Op::State { of, founds, part, parts, known, ms, ops };
        self.saying.first.extend((0..).zip(all).map(state));
    }

    /// When something is due next.
    pub(super) fn next(&self, now: Instant) -> Instant {
        let say = self.saying.next(self.is_in_step());
        let read = Some(self.read_at).filter(|_| self.reading.is_none());
        let is_up = self.neighbours.is_up();
        let log = [say, read].into_iter().flatten().filter(|_| is_up);
        let answer = self.asked.filter(|_| self.saying.first.is_empty());
        // How the others are changes meanwhile.
        log.chain(answer).fold(now + LOOK, Instant::min).max(now)
    }

    /// Decides nothing more.
    pub(super) fn stop(&mut self, desk: &mut Desk, now: Now) {
        self.stopped = true;
        desk.act(false, now);
        if desk.is_ready() {
            self.saying.queue.push_back(Op::Leaving { node: self.me.0 });
        }
    }

    /// Sends nothing more: others go on with it. How many steps can neither be said nor be decided by others.
    pub(super) fn end(&mut self, desk: &Desk) -> usize {
        if desk.nodes().any(|node| node == self.me.0) {
            self.saying.queue.push_back(Op::Gone { node: self.me.0 });
        }
        self.saying.events()
    }

    /// Whether everything was said, or cannot be.
    pub(super) fn is_said(&self) -> bool {
        !self.neighbours.is_up() || self.saying.is_done()
    }

    /// Whether what is to be sent may be: others could have gone on with it.
    pub(super) fn sends(&self, now: Instant) -> bool {
        self.is_in_step() && self.is_fresh(now)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.fresh.is_some_and(|fresh| now < fresh + STALE)
    }

    fn is_in_step(&self) -> bool {
        matches!(self.mode, Mode::InStep | Mode::Checking(true))
    }
}

/// The first position after one.
fn after((a, b): At) -> At {
    (a, b.saturating_add(1))
}
