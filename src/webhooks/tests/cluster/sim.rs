//! Three nodes that share a log, and what can go wrong with them and with the bus.

use super::super::super::book::Dead;
use super::super::super::desk::{Job, Now};
use super::super::super::entry::{Entry, Wish};
use super::super::super::event::{ClientEvent, Event, EventId};
use super::super::super::office::{Office, Orders};
use super::super::super::op::{At, Op};
use super::super::super::view::View;
use super::super::{RULES, app, desk, endpoint, user};
use super::step::{Client, Step};
use crate::hub::{Change, Transition};
use crate::protocol::{ChannelName, NodeId};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const NODES: usize = 3;
/// The simulation goes on in steps of that.
const TICK: u64 = 50;
/// After so long a broken link is noticed, and a node that is not heard taken for dead.
const NOTICED: u64 = 2000;
const DEAD: u64 = 7000;
/// Half of what a stop takes.
const STOPS: u64 = 300;
/// Entries that the log has room for.
const ENTRIES: usize = 150;
/// Entries that are read at a time.
const READ: usize = 7;
/// An entry may be so large.
const MOST: usize = 2000;

pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) office: Office,
    alive: bool,
    /// When it is started again.
    revived: u64,
    /// When it is to send nothing more, and to be gone.
    ends: Option<u64>,
    dies: Option<u64>,
    frozen: bool,
    thawed: u64,
    /// Whether it has endpoints, and when it has them again.
    told: bool,
    configured: u64,
    says: bool,
    hears: bool,
    /// When its link is mended.
    mended: u64,
    /// Since when its link is broken, and whether it knows.
    broken: Option<u64>,
    is_up: bool,
    journal: Vec<Op>,
    /// What is on its way to the log, and whether it has got there.
    appending: Option<(Bytes, bool)>,
    /// What was given up, and gets there when the link is mended.
    late: Vec<Bytes>,
    reading: Option<At>,
    pub(super) queue: VecDeque<Arc<Event>>,
    paused: bool,
    pub(super) clients: BTreeSet<Client>,
    /// What it knows of each other process, and when it heard it last.
    known: BTreeMap<NodeId, (BTreeSet<Client>, u64)>,
    /// Everybody, as it knew last.
    all: BTreeSet<Client>,
}

/// All of it.
pub(super) struct Sim {
    pub(super) nodes: Vec<Node>,
    log: VecDeque<(At, NodeId, Bytes)>,
    entries: u64,
    start: Instant,
    millis: u64,
    ids: u64,
    pub(super) told: Vec<Arc<Event>>,
    deliveries: HashSet<EventId>,
    /// What clients said, and to which process.
    said: Vec<(NodeId, String)>,
    pub(super) dead: Vec<Dead>,
}

impl Node {
    fn new(id: u64, now: Now, journal: Vec<Op>) -> Self {
        let id = NodeId(id);
        let mut office = Office::new(desk(id.0, RULES), id, false, now.at);
        office.begin(journal.clone(), now);
        Self {
            id,
            office,
            alive: true,
            revived: 0,
            ends: None,
            dies: None,
            frozen: false,
            thawed: 0,
            told: true,
            configured: 0,
            says: true,
            hears: true,
            mended: 0,
            broken: None,
            is_up: false,
            journal,
            appending: None,
            late: Vec::new(),
            reading: None,
            queue: VecDeque::new(),
            paused: true,
            clients: BTreeSet::new(),
            known: BTreeMap::new(),
            all: BTreeSet::new(),
        }
    }

    fn runs(&self) -> bool {
        self.alive && !self.frozen
    }

    /// Gives it endpoints, or takes them.
    fn configure(&mut self, told: bool, now: Now) {
        self.told = told;
        self.office.desk.configure(told.then(app).iter());
        if !told {
            self.queue.clear();
        }
        let channel = |channel: usize| {
            let users: Vec<_> =
                self.all.iter().filter(|(of, _)| *of == channel).map(|(_, id)| id.to_string()).collect();
            (!users.is_empty()).then(|| (format!("presence-{channel}"), users.len(), users))
        };
        self.office.desk.stand("1", (0..3).filter_map(channel).collect(), now);
    }

    /// Tells the desk who has come and gone everywhere, as this node sees it.
    fn look_around(&mut self, now: Now) {
        let others = self.known.values().flat_map(|(clients, _)| clients);
        let all: BTreeSet<_> = self.clients.iter().chain(others).copied().collect();
        let before = std::mem::replace(&mut self.all, all);
        let there = |all: &BTreeSet<Client>, channel| all.iter().any(|(of, _)| *of == channel);
        for channel in 0..3 {
            let mut changes = Vec::new();
            if !there(&before, channel) && there(&self.all, channel) {
                changes.push(Change::Occupied);
            }
            let of =
                |all: &BTreeSet<Client>| all.iter().filter(|(of, _)| *of == channel).copied().collect::<BTreeSet<_>>();
            let (was, is) = (of(&before), of(&self.all));
            changes.extend(is.difference(&was).map(|(_, id)| Change::MemberAdded(user(&id.to_string()))));
            changes.extend(was.difference(&is).map(|(_, id)| Change::MemberRemoved(user(&id.to_string()))));
            if there(&before, channel) && !there(&self.all, channel) {
                changes.push(Change::Vacated);
            }
            let channel = ChannelName::parse(&format!("presence-{channel}"), 164).unwrap();
            for change in changes {
                self.office.desk.changed("1", &Transition { channel: channel.clone(), change }, now);
            }
        }
    }
}

impl Sim {
    pub(super) fn new() -> Self {
        Self::begun_with(0, Vec::new())
    }

    /// The first node begins with a journal. Ids are counted from there on.
    pub(super) fn begun_with(ids: u64, journal: Vec<Op>) -> Self {
        let mut sim = Self {
            nodes: Vec::new(),
            log: VecDeque::new(),
            entries: 0,
            start: Instant::now(),
            millis: 1,
            ids,
            told: Vec::new(),
            deliveries: HashSet::new(),
            said: Vec::new(),
            dead: Vec::new(),
        };
        for journal in [journal, Vec::new(), Vec::new()] {
            let node = sim.process(journal);
            sim.nodes.push(node);
        }
        sim
    }

    fn process(&mut self, journal: Vec<Op>) -> Node {
        self.ids += 1;
        // Neighbouring ids in any order.
        Node::new(self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15), self.now(), journal)
    }

    fn now(&self) -> Now {
        Now { at: self.start + Duration::from_millis(self.millis), ms: self.millis }
    }

    pub(super) fn pass(&mut self, millis: u64) {
        let end = self.millis + millis;
        while self.millis < end {
            self.millis += TICK;
            self.tick();
        }
    }

    fn tick(&mut self) {
        let (now, millis) = (self.now(), self.millis);
        self.mend();
        self.links(now);
        self.news(millis);
        for at in 0..NODES {
            let node = &mut self.nodes[at];
            if !node.runs() {
                continue;
            }
            let others = node.known.keys().map(|id| (*id, true)).collect();
            let view = View { is_up: node.is_up, others };
            node.office.view(view, MOST, now);
            node.look_around(now);
            node.office.tick(now);
            self.send(at);
            self.settle(at, now);
            for _ in 0..10 {
                self.log(at, now);
                self.settle(at, now);
            }
        }
    }

    /// Broken links are noticed, and mended ones.
    fn links(&mut self, now: Now) {
        for node in &mut self.nodes {
            let fine = node.says && node.hears;
            match node.broken {
                _ if fine => (node.broken, node.is_up) = (None, true),
                None => node.broken = Some(self.millis),
                Some(since) if self.millis - since >= NOTICED && node.runs() => {
                    node.is_up = false;
                    if let Some((bytes, has_come)) = node.appending.take() {
                        node.late.extend(Some(bytes).filter(|_| !has_come));
                        node.office.appended(false, now);
                    }
                    if node.reading.take().is_some() {
                        node.office.read(None, now);
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// Appends and reads what a node asks for, as far as its link carries it.
    fn log(&mut self, at: usize, now: Now) {
        let Self { nodes, log, entries, .. } = self;
        let node = &mut nodes[at];
        if !node.is_up {
            // Nothing is even begun.
            if node.appending.take().is_some() {
                node.office.appended(false, now);
            }
            if node.reading.take().is_some() {
                node.office.read(None, now);
            }
            return;
        }
        let mut append = |bytes: Bytes| {
            *entries += 1;
            log.push_back(((0, *entries), node.id, bytes));
            if log.len() > ENTRIES {
                log.pop_front();
            }
        };
        if node.says {
            if let Some((bytes, has_come)) = &mut node.appending
                && !std::mem::replace(has_come, true)
            {
                append(bytes.clone());
            }
            node.late.drain(..).for_each(&mut append);
        }
        if node.hears && node.appending.take_if(|(_, has_come)| *has_come).is_some() {
            node.office.appended(true, now);
        }
        if node.says
            && node.hears
            && let Some(from) = node.reading.take()
        {
            let entry = |(at, from, bytes): &(At, NodeId, Bytes)| Entry { at: *at, from: *from, bytes: bytes.clone() };
            let entries = log.iter().filter(|(at, ..)| *at >= from).take(READ).map(entry).collect();
            node.office.read(Some(entries), now);
        }
    }

    /// Nodes hear of each other's clients, and take for dead who is not heard of.
    fn news(&mut self, millis: u64) {
        let said: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| node.runs() && node.says && node.is_up)
            .map(|node| (node.id, node.clients.clone()))
            .collect();
        for node in self.nodes.iter_mut().filter(|node| node.runs()) {
            if !node.is_up {
                // Who hears nothing takes nobody for dead.
                node.known.values_mut().for_each(|(_, heard)| *heard = millis);
                continue;
            }
            for (id, clients) in said.iter().filter(|(id, _)| node.hears && *id != node.id) {
                node.known.insert(*id, (clients.clone(), millis));
            }
            node.known.retain(|_, (_, heard)| millis - *heard < DEAD);
        }
    }

    /// A node sends the first event of its queue.
    fn send(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.paused {
            return;
        }
        if let Some(event) = node.queue.pop_front() {
            // Back ends tell repeats by their delivery.
            if self.deliveries.insert(event.id) {
                self.told.push(event.clone());
            }
            node.office.desk.done("1", &endpoint(), vec![event.id]);
        }
    }

    /// Does what a node's office asks for.
    fn settle(&mut self, at: usize, now: Now) {
        let node = &mut self.nodes[at];
        let Orders { ops, renew, wishes, reset, jobs, paused, .. } = node.office.take(now);
        if renew {
            node.journal = node.office.steps();
        } else {
            node.journal.extend(ops);
        }
        node.paused = paused;
        if reset {
            node.queue.clear();
        }
        for (_, _, job) in jobs {
            match job {
                Job::Send(event) if node.told => node.queue.push_back(event),
                // It waits until it has the endpoint.
                Job::Send(_) => {}
                Job::Withdraw(id) => node.queue.retain(|event| event.id != id),
            }
        }
        for wish in wishes {
            match wish {
                Wish::Append(bytes) => assert!(node.appending.replace((bytes, false)).is_none(), "one at a time"),
                Wish::Read(from) => assert!(node.reading.replace(from).is_none(), "one at a time"),
            }
        }
        self.dead.extend(node.office.desk.dead("1").into_iter().map(|(_, dead)| dead));
    }

    pub(super) fn run(&mut self, step: Step) {
        match step {
            Step::Toggle { node, client } => {
                let node = &mut self.nodes[node];
                if node.runs() && !node.clients.remove(&client) {
                    node.clients.insert(client);
                }
            }
            Step::Say { node } => self.say(node),
            Step::Pass(millis) => self.pass(millis),
            Step::Break { node, says, hears, millis } => {
                let end = self.millis + millis;
                let node = &mut self.nodes[node];
                (node.says, node.hears, node.mended) = (says, hears, end);
            }
            Step::Bus { millis } => {
                let end = self.millis + millis;
                for node in &mut self.nodes {
                    (node.says, node.hears, node.mended) = (false, false, end);
                }
            }
            Step::Kill { node, millis, forgets } => self.kill(node, millis, forgets),
            Step::Stop { node } => {
                let (now, node) = (self.now(), &mut self.nodes[node]);
                if node.runs() && node.dies.is_none() {
                    node.office.stop(true, now);
                    (node.ends, node.dies) = (Some(self.millis + STOPS), Some(self.millis + 2 * STOPS));
                    node.clients.clear();
                }
            }
            Step::KillAll { forgets } => (0..NODES).for_each(|node| self.kill(node, 100, forgets)),
            Step::Delete => {
                self.log.clear();
                self.entries = 0;
            }
            Step::Wipe => {
                self.log.clear();
                for node in &mut self.nodes {
                    // Whatever it was doing has failed.
                    (node.says, node.hears, node.mended) = (false, false, self.millis + NOTICED);
                    node.broken = Some(self.millis.saturating_sub(NOTICED));
                    node.late.clear();
                }
            }
            Step::Unconfigure { node, millis } => {
                let (now, end, node) = (self.now(), self.millis + millis, &mut self.nodes[node]);
                if node.runs() {
                    node.configure(false, now);
                    node.configured = end;
                }
            }
            Step::Freeze { node, millis } => {
                let end = self.millis + millis;
                let node = &mut self.nodes[node];
                (node.frozen, node.thawed) = (true, end);
            }
        }
    }

    fn say(&mut self, node: usize) {
        let (now, count, node) = (self.now(), self.said.len(), &mut self.nodes[node]);
        if node.runs() && node.told && node.dies.is_none() {
            let data = RawValue::from_string(count.to_string()).unwrap();
            let (event, socket_id) = ("client-a".to_owned(), "1.1".to_owned());
            let said = ClientEvent { event, data, socket_id, user_id: None };
            node.office.desk.said("1", "private-a", &said, now);
            self.said.push((node.id, format!("\"data\":{count},")));
        }
    }

    /// What clients said to processes that are there still must have been told, and nothing of it twice.
    pub(super) fn check_said(&self) -> Result<(), TestCaseError> {
        for (node, what) in &self.said {
            let told = self.told.iter().filter(|event| event.body.get().contains(what)).count();
            let is_there = self.nodes.iter().any(|one| one.id == *node);
            prop_assert!(told == 1 || told == 0 && !is_there, "{what} was told {told} times");
        }
        Ok(())
    }

    fn kill(&mut self, node: usize, millis: u64, forgets: bool) {
        let end = self.millis + millis;
        let node = &mut self.nodes[node];
        if node.alive {
            (node.alive, node.revived) = (false, end);
            if forgets {
                node.journal.clear();
            }
        }
    }

    /// Ends faults whose time is over.
    fn mend(&mut self) {
        for at in 0..NODES {
            let node = &mut self.nodes[at];
            if node.runs() && node.ends.take_if(|at| *at <= self.millis).is_some() {
                node.office.end();
            }
            if node.runs() && node.dies.take_if(|at| *at <= self.millis).is_some() {
                self.kill(at, 100, false);
            }
            let (now, millis, node) = (self.now(), self.millis, &mut self.nodes[at]);
            if node.runs() && !node.told && node.configured <= millis {
                node.configure(true, now);
            }
            if node.mended <= millis {
                (node.says, node.hears) = (true, true);
            }
            node.frozen &= node.thawed > millis;
            if !node.alive && node.revived <= millis {
                let journal = std::mem::take(&mut node.journal);
                let (says, hears, mended) = (node.says, node.hears, node.mended);
                self.nodes[at] = Node { says, hears, mended, ..self.process(journal) };
            }
        }
    }
}
