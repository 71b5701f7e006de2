//! Three nodes over a bus that fails in every way, one node at a time: what back ends are told alternates and ends as it
//! is, whoever dies, is cut off, or stands still.

use super::super::book::Dead;
use super::super::desk::{Desk, Job, Now};
use super::super::event::{Event, EventId};
use super::super::joining::View;
use super::super::office::{Office, Orders};
use super::super::op::Op;
use super::super::talk::Talk;
use super::{RULES, app, endpoint, known, user};
use crate::hub::{Change, Transition};
use crate::protocol::{ChannelName, NodeId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NODES: usize = 3;
/// The simulation goes on in steps of that.
const TICK: u64 = 50;
/// After so long a broken link is noticed, and a node that is not heard taken for dead.
const NOTICED: u64 = 2000;
const DEAD: u64 = 7000;
/// Longer than it takes until everybody is of one mind.
const SETTLED: u64 = 30_000;

/// A member of a channel, by a connection.
type Client = (usize, usize);

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A client comes or goes.
    Toggle {
        node: usize,
        client: Client,
    },
    Pass(u64),
    /// The link of a node breaks: what it says, or what it hears.
    Break {
        node: usize,
        says: bool,
        hears: bool,
        millis: u64,
    },
    /// A node dies, and is started again, with its journal or without.
    Kill {
        node: usize,
        millis: u64,
        journal: bool,
    },
    /// A node stands still.
    Freeze {
        node: usize,
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let node = || 0..NODES;
    prop_oneof![
        12 => (node(), (0..3usize, 0..2usize)).prop_map(|(node, client)| Step::Toggle { node, client }),
        6 => prop_oneof![1..300u64, 1000..9000u64].prop_map(Step::Pass),
        2 => (node(), any::<bool>(), any::<bool>(), 500..12_000u64)
            .prop_map(|(node, says, hears, millis)| Step::Break { node, says, hears, millis }),
        1 => (node(), 100..12_000u64, any::<bool>())
            .prop_map(|(node, millis, journal)| Step::Kill { node, millis, journal }),
        1 => (node(), 500..12_000u64).prop_map(|(node, millis)| Step::Freeze { node, millis }),
    ]
}

struct Node {
    id: NodeId,
    office: Office,
    alive: bool,
    frozen: bool,
    says: bool,
    hears: bool,
    /// Since when its link is broken, and whether it knows.
    broken: Option<u64>,
    is_up: bool,
    journal: Vec<Op>,
    /// What has come from the bus.
    inbox: VecDeque<(NodeId, Talk)>,
    queue: VecDeque<Arc<Event>>,
    paused: bool,
    clients: BTreeSet<Client>,
    /// What it knows of each other process, and when it heard it last.
    known: BTreeMap<NodeId, (BTreeSet<Client>, u64)>,
    /// Everybody, as it knew last.
    all: BTreeSet<Client>,
}

struct Sim {
    nodes: Vec<Node>,
    start: Instant,
    millis: u64,
    ids: u64,
    told: Vec<Arc<Event>>,
    deliveries: HashSet<EventId>,
    dead: Vec<Dead>,
}

impl Node {
    fn new(id: u64, now: Now, journal: Vec<Op>) -> Self {
        let id = NodeId(id);
        let mut office = Office::new(Desk::new(id, RULES, [app()].iter()), id, false);
        office.begin(journal.clone(), now);
        Self {
            id,
            office,
            alive: true,
            frozen: false,
            says: true,
            hears: true,
            broken: None,
            is_up: true,
            journal,
            inbox: VecDeque::new(),
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
    fn new() -> Self {
        let mut sim = Self {
            nodes: Vec::new(),
            start: Instant::now(),
            millis: 1,
            ids: 0,
            told: Vec::new(),
            deliveries: HashSet::new(),
            dead: Vec::new(),
        };
        for _ in 0..NODES {
            let node = sim.process(Vec::new());
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

    fn pass(&mut self, millis: u64) {
        let end = self.millis + millis;
        while self.millis < end {
            self.millis += TICK;
            self.tick();
        }
    }

    fn tick(&mut self) {
        let (now, millis) = (self.now(), self.millis);
        self.links(millis);
        self.news(millis);
        for at in 0..NODES {
            let node = &mut self.nodes[at];
            if !node.runs() {
                continue;
            }
            let others = node.known.keys().map(|id| (*id, true)).collect();
            let view = View { is_up: node.is_up, others };
            node.office.view(view, 10_000, now);
            node.look_around(now);
            for (from, talk) in std::mem::take(&mut node.inbox) {
                node.office.hear(from, talk, now);
            }
            node.office.tick(now);
            self.send(at, now);
            self.settle(at);
        }
    }

    /// Broken links are noticed, and mended ones.
    fn links(&mut self, millis: u64) {
        for node in &mut self.nodes {
            let fine = node.says && node.hears;
            match node.broken {
                _ if fine => (node.broken, node.is_up) = (None, true),
                None => node.broken = Some(millis),
                Some(since) if millis - since >= NOTICED && node.runs() => node.is_up = false,
                Some(_) => {}
            }
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
    fn send(&mut self, at: usize, now: Now) {
        let node = &mut self.nodes[at];
        if node.paused {
            return;
        }
        if let Some(event) = node.queue.pop_front() {
            // Back ends tell repeats by their delivery.
            if self.deliveries.insert(event.id) {
                self.told.push(event.clone());
            }
            node.office.desk.done("1", &endpoint(), vec![event.id], now);
        }
    }

    /// Does what a node's office asks for.
    fn settle(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Orders { ops, renew, say, jobs, paused, .. } =
            node.office.take(self.start + Duration::from_millis(self.millis));
        if renew {
            node.journal = node.office.desk.steps();
        } else {
            node.journal.extend(ops);
        }
        node.paused = paused;
        for (_, _, job) in jobs {
            match job {
                Job::Send(event) => node.queue.push_back(event),
                Job::Withdraw(id) => node.queue.retain(|event| event.id != id),
            }
        }
        let (id, reaches) = (node.id, node.says && node.is_up);
        self.dead.extend(node.office.desk.dead("1").into_iter().map(|(_, dead)| dead));
        for talk in say.iter().filter(|_| reaches) {
            for other in self.nodes.iter_mut().filter(|node| node.alive && node.hears && node.is_up) {
                // Only marks come back.
                if other.id != id || matches!(talk, Talk::Mark { .. }) {
                    other.inbox.push_back((id, Talk::read(&talk.bytes()).unwrap()));
                }
            }
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Toggle { node, client } => {
                let node = &mut self.nodes[node];
                if node.runs() && !node.clients.remove(&client) {
                    node.clients.insert(client);
                }
            }
            Step::Pass(millis) => self.pass(millis),
            Step::Break { node, says, hears, millis } => {
                (self.nodes[node].says, self.nodes[node].hears) = (says, hears);
                self.pass(millis);
                (self.nodes[node].says, self.nodes[node].hears) = (true, true);
            }
            Step::Kill { node, millis, journal } => {
                self.nodes[node].alive = false;
                self.pass(millis);
                let journal = if journal { std::mem::take(&mut self.nodes[node].journal) } else { Vec::new() };
                self.nodes[node] = self.process(journal);
            }
            Step::Freeze { node, millis } => {
                self.nodes[node].frozen = true;
                self.pass(millis);
                self.nodes[node].frozen = false;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nodes_tell_as_one(steps in proptest::collection::vec(step(), 1..60)) {
        let mut sim = Sim::new();
        sim.pass(6000);
        steps.into_iter().for_each(|step| sim.run(step));
        sim.pass(SETTLED);
        let mut there = BTreeMap::new();
        for (channel, user) in sim.nodes.iter().flat_map(|node| &node.clients) {
            there.insert(format!("presence-{channel} "), true);
            there.insert(format!("presence-{channel} {user}"), true);
        }
        let told: Vec<_> = sim.told.iter().map(|event| format!("{} {} {}", event.time_ms, event.id, event.body)).collect();
        let known = std::panic::catch_unwind(|| known(&sim.told)).map_err(|_| TestCaseError::fail(format!("{told:#?}")))?;
        prop_assert_eq!(known, there, "{:#?}", told);
        prop_assert!(sim.dead.is_empty());
        for node in &sim.nodes {
            prop_assert!(node.queue.is_empty(), "{:?} waits at {}", node.queue, node.id);
        }
    }
}
