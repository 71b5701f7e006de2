//! One node's webhooks among those of others: every node keeps the same state, so that another can go on in its place.
//! Pure: time is a parameter.
//!
//! A node that may have missed something asks who knows, takes over the state of one that does, says that it is ready, and
//! acts a moment later, when the others have left to it what is its to decide. What it says it numbers, so that
//! whoever misses some of it notices, and asks anew.

use super::op::Op;
use crate::protocol::NodeId;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a node that asks waits for others to be heard of: longer than any of them is silent.
const WAIT: Duration = Duration::from_secs(3);
/// It waits so long for nodes of which it is not known yet who is there.
const WAIT_FOR_ALL: Duration = Duration::from_secs(30);
/// From when a node says that it is ready until it acts: everybody has heard it.
const SETTLE: Duration = Duration::from_secs(1);
/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(2);
/// A node that tells its state and stops doing so for that long is not waited for.
const TELL_WITHIN: Duration = Duration::from_secs(5);
/// A look that comes so much later than the one before shows that this node has stood still, and may have been replaced.
const STOOD_STILL: Duration = Duration::from_secs(3);
/// What a message takes besides its steps.
const FRAME: usize = 128;
/// Steps that are taken note of until the state is taken over.
const MOST_STEPS: usize = 200_000;

/// What nodes say to each other about webhooks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Talk {
    /// Something has happened.
    Ops {
        /// One more than the last time.
        serial: u64,
        /// What.
        ops: Vec<Op>,
    },
    /// A sign of life.
    Here {
        /// The number of the last [`Talk::Ops`].
        serial: u64,
        /// Whether the node decides, or is about to.
        ready: bool,
        /// Whether it asks the others for theirs.
        asks: bool,
        /// When the last event that it knows of was decided, in milliseconds since 1970.
        as_of: u64,
    },
    /// A node is asked for its state.
    Tell {
        /// Which one.
        node: u64,
    },
    /// A part of a node's state.
    All {
        /// Who has asked for it.
        to: u64,
        /// Which part, from 0 on.
        part: u32,
        /// Of how many.
        parts: u32,
        /// The steps that make it.
        ops: Vec<Op>,
    },
}

/// What the cluster knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Whether other nodes can be heard.
    pub is_up: bool,
    /// The other nodes, and whether all that is so on them is known.
    pub others: Vec<(NodeId, bool)>,
}

/// Another node.
#[derive(Clone, Copy, Debug)]
struct Peer {
    serial: u64,
    ready: bool,
    as_of: u64,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct ToDo {
    /// What is to be said.
    pub(super) say: Vec<Talk>,
    /// What happened elsewhere.
    pub(super) ops: Vec<Op>,
    /// The state of another node, which is to be this one's, and what has happened since it was asked for.
    pub(super) replace: Option<(Vec<Op>, Vec<Op>)>,
    /// Who asks for this node's state.
    pub(super) tell: Vec<NodeId>,
}

#[derive(Debug)]
enum Phase {
    /// Nobody can be heard.
    Apart,
    Asking {
        since: Instant,
    },
    Learning {
        from: NodeId,
        heard: Instant,
        parts: Vec<Op>,
        next: u32,
    },
    Ready {
        since: Instant,
    },
}

/// One node among others.
#[derive(Debug)]
pub(super) struct Joining {
    me: NodeId,
    phase: Phase,
    view: View,
    peers: HashMap<NodeId, Peer>,
    /// What happened elsewhere since the others were asked.
    meanwhile: Vec<Op>,
    serial: u64,
    beat: Option<Instant>,
    looked: Option<Instant>,
    stopped: bool,
}

impl Joining {
    pub(super) fn new(me: NodeId) -> Self {
        Self {
            me,
            phase: Phase::Apart,
            view: View::default(),
            peers: HashMap::new(),
            meanwhile: Vec::new(),
            serial: 0,
            beat: None,
            looked: None,
            stopped: false,
        }
    }

    /// Whether this node decides and sends at `now`.
    pub(super) fn acts(&self, now: Instant) -> bool {
        !self.stopped && matches!(self.phase, Phase::Ready { since } if now >= since + SETTLE)
    }

    /// Other nodes that decide.
    pub(super) fn homes(&self) -> Vec<NodeId> {
        let ready = |node: &NodeId| self.peers.get(node).is_some_and(|peer| peer.ready);
        self.live().filter(ready).collect()
    }

    /// Other nodes.
    pub(super) fn live(&self) -> impl Iterator<Item = NodeId> {
        self.view.others.iter().map(|(node, _)| *node)
    }

    /// When there is something to do next.
    pub(super) fn next(&self, now: Instant) -> Instant {
        match self.phase {
            Phase::Ready { since } if now < since + SETTLE => since + SETTLE,
            _ => now + Duration::from_millis(250),
        }
    }

    /// Decides nothing more, and says so.
    pub(super) fn stop(&mut self, as_of: u64) -> Talk {
        self.stopped = true;
        self.here(false, as_of)
    }

    /// Numbers what has happened here; nothing while nobody hears it.
    pub(super) fn tell(&mut self, ops: Vec<Op>) -> Option<Talk> {
        if matches!(self.phase, Phase::Apart) {
            return None;
        }
        self.serial += 1;
        Some(Talk::Ops { serial: self.serial, ops })
    }

    /// Takes note of what the cluster knows, and that time has passed.
    pub(super) fn look(&mut self, view: Option<View>, as_of: u64, now: Instant) -> ToDo {
        let mut to_do = ToDo::default();
        if let Some(view) = view {
            self.peers.retain(|node, _| view.others.iter().any(|(other, _)| other == node));
            self.view = view;
        }
        let stood_still = self.looked.is_some_and(|looked| now.saturating_duration_since(looked) > STOOD_STILL);
        self.looked = Some(now);
        match &self.phase {
            Phase::Apart if !self.view.is_up => return to_do,
            _ if !self.view.is_up => {
                self.phase = Phase::Apart;
                return to_do;
            }
            Phase::Apart => self.ask(now),
            _ if stood_still => self.ask(now),
            Phase::Asking { since } => {
                let waited = now.saturating_duration_since(*since);
                let all_known = self.view.others.iter().all(|(_, is_known)| *is_known);
                if waited >= WAIT && (all_known || waited >= WAIT_FOR_ALL) {
                    self.choose(as_of, now, &mut to_do);
                }
            }
            Phase::Learning { from, heard, .. } => {
                if now.saturating_duration_since(*heard) > TELL_WITHIN || !self.peers.contains_key(from) {
                    self.ask(now);
                }
            }
            Phase::Ready { .. } => {}
        }
        if self.beat.is_none_or(|at| now >= at + BEAT) {
            self.beat = Some(now);
            to_do.say.insert(0, self.here(matches!(self.phase, Phase::Asking { .. }), as_of));
        }
        to_do
    }

    /// Takes note of what another node says.
    pub(super) fn hear(&mut self, from: NodeId, talk: Talk, now: Instant) -> ToDo {
        let mut to_do = ToDo::default();
        if from == self.me || matches!(self.phase, Phase::Apart) {
            return to_do;
        }
        match talk {
            Talk::Here { serial, ready, asks, as_of } => {
                if self.has_missed(from, serial) {
                    self.ask(now);
                }
                self.peers.insert(from, Peer { serial, ready, as_of });
                if asks {
                    // Said with the next look.
                    self.beat = None;
                }
            }
            Talk::Ops { serial, ops } => {
                if self.has_missed(from, serial.wrapping_sub(1)) {
                    self.ask(now);
                }
                let peer = self.peers.entry(from).or_insert(Peer { serial, ready: false, as_of: 0 });
                peer.serial = serial;
                if matches!(self.phase, Phase::Asking { .. } | Phase::Learning { .. }) {
                    if self.meanwhile.len() + ops.len() > MOST_STEPS {
                        self.ask(now);
                    }
                    self.meanwhile.extend(ops.iter().cloned());
                }
                to_do.ops = ops;
            }
            Talk::Tell { node } if node == self.me.0 => to_do.tell.push(from),
            Talk::Tell { .. } => {}
            Talk::All { to, part, parts, ops } => {
                if to == self.me.0 {
                    self.learn(from, (part, parts), ops, now, &mut to_do);
                }
            }
        }
        to_do
    }

    /// Whether something of what a node said before is missing.
    fn has_missed(&self, node: NodeId, serial: u64) -> bool {
        matches!(self.phase, Phase::Ready { .. }) && self.peers.get(&node).map_or(0, |peer| peer.serial) != serial
    }

    fn ask(&mut self, now: Instant) {
        self.phase = Phase::Asking { since: now };
        self.peers.clear();
        self.meanwhile.clear();
        self.beat = None;
    }

    /// Asks the node that knows most for its state, or goes on with the one that there is.
    fn choose(&mut self, as_of: u64, now: Instant, to_do: &mut ToDo) {
        let best = self.peers.iter().max_by_key(|(node, peer)| (peer.ready, peer.as_of, **node));
        match best.filter(|(_, peer)| peer.ready || peer.as_of > as_of) {
            Some((node, _)) => {
                to_do.say.push(Talk::Tell { node: node.0 });
                self.phase = Phase::Learning { from: *node, heard: now, parts: Vec::new(), next: 0 };
            }
            None => self.ready(now),
        }
    }

    fn learn(&mut self, from: NodeId, (part, of): (u32, u32), ops: Vec<Op>, now: Instant, to_do: &mut ToDo) {
        let Phase::Learning { from: teacher, heard, parts, next } = &mut self.phase else { return };
        if *teacher != from || part != *next {
            return;
        }
        parts.extend(ops);
        (*heard, *next) = (now, part + 1);
        if *next >= of {
            to_do.replace = Some((std::mem::take(parts), std::mem::take(&mut self.meanwhile)));
            self.ready(now);
        }
    }

    fn ready(&mut self, now: Instant) {
        self.phase = Phase::Ready { since: now };
        // Said with the next look.
        self.beat = None;
    }

    fn here(&self, asks: bool, as_of: u64) -> Talk {
        let ready = !self.stopped && matches!(self.phase, Phase::Ready { .. });
        Talk::Here { serial: self.serial, ready, asks, as_of }
    }
}

impl Talk {
    /// Steps in parts of which each fits into so many bytes. One that is too large alone is left out.
    pub(super) fn parts(ops: Vec<Op>, most: usize) -> Vec<Vec<Op>> {
        let (mut parts, mut bytes) = (Vec::<Vec<Op>>::new(), 0);
        for op in ops {
            let size = serde_json::to_vec(&op).map_or(0, |json| json.len()) + 1;
            if size + FRAME > most {
                continue;
            }
            bytes += size;
            match parts.last_mut() {
                Some(part) if bytes + FRAME <= most => part.push(op),
                _ => {
                    bytes = size;
                    parts.push(vec![op]);
                }
            }
        }
        parts
    }

    /// What somebody said; `None` if it makes no sense.
    pub(super) fn read(bytes: &Bytes) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// What is to be said, in bytes.
    pub(super) fn bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("what nodes say makes JSON").into()
    }
}
