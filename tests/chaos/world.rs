//! What everybody has done and seen, and what was found wrong with it.

use super::publish::Published;
use super::tab::Tab;
use super::webhooks::Told;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

pub(crate) const NODES: usize = 3;
/// Of what is wrong in the same way the rest is only counted.
const MOST_VIOLATIONS: usize = 40;

/// One run of a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) node: usize,
    pub(crate) run: usize,
}

/// Whether everybody does things now, and how often that has begun.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Phase {
    pub(crate) round: u32,
    pub(crate) acting: bool,
}

#[derive(Clone)]
pub(crate) struct World(Arc<Shared>);

struct Shared {
    start: Instant,
    state: Mutex<State>,
    ids: AtomicU64,
    phase: watch::Sender<Phase>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) nodes: [Node; NODES],
    pub(crate) tabs: Vec<Tab>,
    /// What has to be heard, and was not yet found to be.
    pub(crate) published: Vec<Published>,
    /// What newcomers of cache channels may get, by channel.
    pub(crate) kept: BTreeMap<&'static str, Vec<Published>>,
    /// When the bus forgot last what it keeps.
    pub(crate) store_lost: Option<Instant>,
    /// What the back end was told.
    pub(crate) webhooks: Told,
    /// What was refused.
    pub(crate) refused: HashSet<u64>,
    pub(crate) violations: Vec<String>,
    /// What was done to the cluster, and when.
    pub(crate) chronicle: Vec<String>,
    /// The last lines that nodes logged, but for debugging.
    pub(crate) logs: VecDeque<String>,
    pub(crate) figures: BTreeMap<&'static str, u64>,
    pub(crate) longest: BTreeMap<&'static str, Duration>,
}

/// What was done to a node.
#[derive(Default)]
pub(crate) struct Node {
    /// The runs of its process; for each, when it ended.
    pub(crate) runs: Vec<Option<Instant>>,
    /// Takes clients, as far as they know.
    pub(crate) is_up: bool,
    /// Times at which it could not be expected to talk to others.
    pub(crate) troubles: Vec<(Instant, Option<Instant>)>,
    /// When it last stood still.
    pub(crate) paused: Option<Instant>,
    /// Since when its link to the bus is up, as it says.
    pub(crate) up: Option<Instant>,
    /// Channels and members, and whether they are there, as its log says; unless it has left something out.
    pub(crate) present: Option<BTreeMap<String, bool>>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", name(self.node), self.run + 1)
    }
}

/// What a node is called.
pub(crate) fn name(node: usize) -> &'static str {
    ["A", "B", "C"][node]
}

impl World {
    pub(crate) fn new() -> Self {
        let (state, ids, phase) = (Mutex::default(), AtomicU64::new(1), watch::Sender::new(Phase::default()));
        Self(Arc::new(Shared { start: Instant::now(), state, ids, phase }))
    }

    /// To be held for a few lines.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    /// A number that grows.
    pub(crate) fn id(&self) -> u64 {
        self.0.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.0.phase.subscribe()
    }

    /// Lets everybody do things, or stand still.
    pub(crate) fn act(&self, acting: bool) {
        self.0.phase.send_modify(|phase| {
            phase.round += u32::from(acting);
            phase.acting = acting;
        });
    }

    /// Seconds since the start.
    pub(crate) fn at(&self, time: Instant) -> String {
        format!("+{:.3}s", time.saturating_duration_since(self.0.start).as_secs_f64())
    }

    /// Takes note of something that must not be so.
    pub(crate) fn blame(&self, what: &str) {
        let line = format!("{} {what}", self.at(Instant::now()));
        self.count("violations");
        let mut state = self.state();
        if state.violations.len() < MOST_VIOLATIONS {
            state.violations.push(line);
        }
    }

    /// Takes note of something done to the cluster.
    pub(crate) fn tell(&self, what: &str) {
        let line = format!("{} {what}", self.at(Instant::now()));
        println!("{line}");
        self.state().chronicle.push(line);
    }

    pub(crate) fn count(&self, figure: &'static str) {
        *self.state().figures.entry(figure).or_default() += 1;
    }
}

impl State {
    pub(crate) fn lasted(&mut self, what: &'static str, time: Duration) {
        let longest = self.longest.entry(what).or_default();
        *longest = time.max(*longest);
    }

    /// A node that takes clients: the one wished for, or the next.
    pub(crate) fn up(&self, wish: usize) -> Option<Place> {
        let node = (0..NODES).map(|n| (wish + n) % NODES).find(|node| self.nodes[*node].is_up)?;
        Some(Place { node, run: self.nodes[node].runs.len() - 1 })
    }

    /// When that process ended, if it has.
    pub(crate) fn ended(&self, place: Place) -> Option<Instant> {
        self.nodes[place.node].runs[place.run]
    }

    /// From now on nobody can expect a node to talk to others.
    pub(crate) fn trouble(&mut self, node: usize) {
        self.nodes[node].troubles.push((Instant::now(), None));
    }

    /// The last trouble of a node is over.
    pub(crate) fn no_trouble(&mut self, node: usize) {
        let open = self.nodes[node].troubles.iter_mut().rfind(|(_, end)| end.is_none());
        if let Some((_, end)) = open {
            *end = Some(Instant::now());
        }
    }
}
