//! What is done to the cluster, and when: drawn before the run begins, so that the seed alone says it.

use super::bus::Kind;
use super::dice::Dice;
use super::proxy::{Mode, Way};
use super::world::{NODES, name};
use std::fmt;
use std::time::Duration;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies, and is started again later.
    Kill { node: usize },
    /// It is stopped as for an update, and started again later.
    Stop { node: usize },
    /// It stands still.
    Pause { node: usize },
    /// Its link to the bus is bad.
    Link { node: usize, mode: Mode },
    /// The bus dies, and is started again later.
    Bus,
    /// Redis closes all connections of this type; a NATS server is not told to.
    Sever { kind: &'static str },
}

/// A fault in its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    /// After the round began.
    pub(crate) after: Duration,
    pub(crate) lasting: Duration,
    pub(crate) fault: Fault,
}

/// Faults, and then quiet.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) faults: Vec<Due>,
    /// How long things go on after the last fault.
    pub(crate) after: Duration,
    pub(crate) quiet: Duration,
}

/// Endless rounds. Every kind of fault comes before any comes again.
pub(crate) struct Schedule {
    bus: Kind,
    dice: Dice,
    kinds: Vec<usize>,
    most_paused: usize,
}

const KINDS: usize = 10;

impl Schedule {
    /// In a `long` run processes stand still for longer.
    pub(crate) fn new(bus: Kind, seed: u64, long: bool) -> Self {
        let most_paused = if long { 30_000 } else { 12_000 };
        Self { bus, dice: Dice::of(seed, "faults"), kinds: Vec::new(), most_paused }
    }

    pub(crate) fn round(&mut self) -> Round {
        let mut nodes: Vec<_> = (0..NODES).collect();
        self.dice.shuffle(&mut nodes);
        let mut faults = vec![self.draw(nodes[0])];
        if !self.dice.one_in(3) {
            let together = self.dice.one_in(2);
            let mut more = self.draw(nodes[1]);
            if together && let Some(same) = more.fault.also_of(nodes[0], faults[0].fault) {
                more.fault = same;
            }
            faults.push(more);
        }
        Round { faults, after: self.dice.millis(500, 2000), quiet: self.dice.millis(300, 1500) }
    }

    /// One fault, of the node if it is of one.
    fn draw(&mut self, node: usize) -> Due {
        if self.kinds.is_empty() {
            let only_of_redis = |kind: &usize| [4, 5].contains(kind);
            self.kinds = (0..KINDS).filter(|kind| self.bus == Kind::Redis || !only_of_redis(kind)).collect();
            self.dice.shuffle(&mut self.kinds);
        }
        let kind = self.kinds.pop().expect("they have just been drawn");
        let after = self.dice.millis(300, 3000);
        let lasting = self.dice.millis(500, if kind == 2 { self.most_paused } else { 10_000 });
        let delay = self.dice.millis(20, 400);
        let link = |mode| Fault::Link { node, mode };
        let fault = match kind {
            0 => Fault::Kill { node },
            1 => Fault::Stop { node },
            2 => Fault::Pause { node },
            3 => Fault::Bus,
            4 => Fault::Sever { kind: "pubsub" },
            5 => Fault::Sever { kind: "normal" },
            6 => link(Mode::Cut),
            7 => link(Mode::Delay(delay)),
            8 => link(Mode::Halve(Way::ToBus)),
            _ => link(Mode::Halve(Way::FromBus)),
        };
        Due { after, lasting, fault }
    }
}

impl Fault {
    /// What it is counted as.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Kill { .. } => "fault: node killed",
            Self::Stop { .. } => "fault: node stopped",
            Self::Pause { .. } => "fault: node paused",
            Self::Bus => "fault: bus restarted",
            Self::Sever { kind: "pubsub" } => "fault: subscribers severed",
            Self::Sever { .. } => "fault: publishers severed",
            Self::Link { mode: Mode::Cut, .. } => "fault: link cut",
            Self::Link { mode: Mode::Delay(_), .. } => "fault: link delayed",
            Self::Link { .. } => "fault: link halved",
        }
    }

    /// The same fault of the node that suffers `other`, if one node can suffer both.
    fn also_of(self, node: usize, other: Self) -> Option<Self> {
        let is_link = |fault| matches!(fault, Self::Link { .. });
        let of_process = |fault| matches!(fault, Self::Kill { .. } | Self::Stop { .. } | Self::Pause { .. });
        match self {
            Self::Link { mode, .. } if of_process(other) => Some(Self::Link { node, mode }),
            Self::Kill { .. } if is_link(other) => Some(Self::Kill { node }),
            Self::Stop { .. } if is_link(other) => Some(Self::Stop { node }),
            Self::Pause { .. } if is_link(other) => Some(Self::Pause { node }),
            _ => None,
        }
    }

    /// The nodes that cannot be expected to talk to others meanwhile.
    pub(crate) fn troubled(self) -> Vec<usize> {
        match self {
            Self::Kill { .. } | Self::Stop { .. } => Vec::new(),
            Self::Pause { node } | Self::Link { node, .. } => vec![node],
            Self::Bus | Self::Sever { .. } => (0..NODES).collect(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Kill { node } => write!(f, "kill node {}", name(node)),
            Self::Stop { node } => write!(f, "stop node {}", name(node)),
            Self::Pause { node } => write!(f, "pause node {}", name(node)),
            Self::Link { node, mode } => write!(f, "link of node {}: {mode:?}", name(node)),
            Self::Bus => f.write_str("kill the bus"),
            Self::Sever { kind } => write!(f, "Redis closes its {kind} connections"),
        }
    }
}
