//! One node's webhooks among those of others: every node keeps the same state, so that another can go on in its place.
//! Pure: time is a parameter.
//!
//! A node that may have missed something asks who knows, takes over the state of one that does, says that it is ready, and
//! acts a moment later, when the others have left to it what is its to decide. They have: nobody acts who has not just
//! heard all that there was to hear, as it sees by what it says itself and hears come back. What it says it numbers, so that
//! whoever misses some of it notices, and asks anew. The numbers begin anew when the node itself has missed something: what it
//! has said into the void it tells again once it knows what the others know.

use super::doubts::Doubt;
use super::event::Event;
use super::op::Op;
use super::talk::Talk;
use crate::protocol::NodeId;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How long a node that asks waits for others to be heard of: longer than any of them is silent.
const WAIT: Duration = Duration::from_secs(3);
/// It waits so long for nodes of which it is not known yet who is there.
const WAIT_FOR_ALL: Duration = Duration::from_secs(30);
/// From when a node has said that it is ready until it acts. Whoever acts has heard all that was said until so long ago.
const SETTLE: Duration = Duration::from_secs(2);
/// Between two things that a node says to hear them come back.
const MARK: Duration = Duration::from_millis(400);
/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(2);
/// Longer than a node is silent that is there.
const SILENT: Duration = Duration::from_millis(2500);
/// A node that tells its state and stops doing so for that long is not waited for.
const TELL_WITHIN: Duration = Duration::from_secs(2);
/// A look that comes so much later than the one before shows that this node has stood still, and may have been replaced.
const STOOD_STILL: Duration = Duration::from_secs(3);
/// More steps than make the state of any node: whoever tells them is none.
const MOST_STATE: usize = 5_000_000;
/// Nodes whose sessions are remembered, whether they are there or not.
const MOST_SESSIONS: usize = 1000;
/// Marks that are waited for.
const MOST_MARKS: usize = 1000;
/// Steps that are taken note of until the state is taken over.
const MOST_STEPS: usize = 200_000;

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
    /// The last thing heard of it: which session, and which number there.
    last: (u64, u64),
    ready: bool,
    as_of: u64,
    heard: Instant,
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
    /// What another node knows of what was decided lately.
    pub(super) recent: Vec<(Event, Vec<String>)>,
    /// Events of which another node does not know whether they were sent.
    pub(super) doubts: Vec<Doubt>,
    /// Whether the others are to be told what this one knows of it, before anything else.
    pub(super) recall: bool,
    /// Whether they are to be asked what has become of events that wait for long.
    pub(super) doubt: bool,
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
        /// The mark after that was said.
        said: Option<u64>,
        /// Since when all others have been told.
        since: Option<Instant>,
    },
}

/// One node among others.
#[derive(Debug)]
pub(super) struct Joining {
    me: NodeId,
    phase: Phase,
    view: View,
    peers: HashMap<NodeId, Peer>,
    /// The newest session of each of them.
    sessions: HashMap<NodeId, u64>,
    /// What happened elsewhere since the others were asked.
    meanwhile: Vec<Op>,
    session: u64,
    serial: u64,
    /// The last of those numbers that has come back.
    confirmed: u64,
    /// Marks that have not come back, and when they were said.
    marks: VecDeque<(u64, Instant)>,
    /// The number of the last one.
    mark: u64,
    /// When it was said.
    marked: Option<Instant>,
    /// Until when all that was said has been heard.
    fresh: Option<Instant>,
    beat: Option<Instant>,
    /// Whether somebody waits for an answer.
    asked: bool,
    /// Whether the others are to be told what was decided lately.
    recalls: bool,
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
            sessions: HashMap::new(),
            meanwhile: Vec::new(),
            session: 0,
            serial: 0,
            confirmed: 0,
            marks: VecDeque::new(),
            mark: 0,
            marked: None,
            fresh: None,
            beat: None,
            asked: false,
            recalls: false,
            looked: None,
            stopped: false,
        }
    }

    /// Whether this node decides and sends at `now`.
    pub(super) fn acts(&self, now: Instant) -> bool {
        let is_told = matches!(self.phase, Phase::Ready { since: Some(since), .. } if now >= since + SETTLE);
        !self.stopped && is_told && self.fresh.is_some_and(|fresh| now < fresh + SETTLE)
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
            Phase::Ready { since: Some(since), .. } if now < since + SETTLE => since + SETTLE,
            _ => now + Duration::from_millis(200),
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
        Some(Talk::Ops { session: self.session, serial: self.serial, ops })
    }

    /// How often the others were asked.
    pub(super) fn session(&self) -> u64 {
        self.session
    }

    /// The number of what was said last.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// Up to which number others know what was said. All of it, once it is certain what they know.
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// What is to be said so that what was said last is confirmed.
    pub(super) fn mark(&mut self, now: Instant) -> Talk {
        self.mark += 1;
        self.marked = Some(now);
        self.marks.push_back((self.mark, now));
        if self.marks.len() > MOST_MARKS {
            self.marks.pop_front();
        }
        Talk::Mark { session: self.session, serial: self.serial, number: self.mark }
    }

    /// Takes note of a mark that has come back.
    fn comes_back(&mut self, session: u64, serial: u64, number: u64, now: Instant) {
        if session == self.session {
            self.confirmed = self.confirmed.max(serial);
        }
        while let Some((_, said)) = self.marks.pop_front_if(|(mark, _)| *mark <= number) {
            self.fresh = self.fresh.max(Some(said));
        }
        if let Phase::Ready { said: Some(said), since } = &mut self.phase
            && *said <= number
        {
            since.get_or_insert(now);
        }
    }

    /// Takes note of what the cluster knows, and that time has passed.
    pub(super) fn look(&mut self, view: Option<View>, as_of: u64, now: Instant) -> ToDo {
        let mut to_do = ToDo::default();
        if let Some(view) = view {
            self.peers.retain(|node, _| view.others.iter().any(|(other, _)| other == node));
            if self.sessions.len() > MOST_SESSIONS {
                self.sessions.retain(|node, _| view.others.iter().any(|(other, _)| other == node));
            }
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
        let is_due = self.beat.is_none_or(|at| now >= at + BEAT);
        to_do.recall = std::mem::take(&mut self.recalls);
        let answers = std::mem::take(&mut self.asked);
        if is_due || answers {
            // An answer asks nobody, or there would be no end of it.
            to_do.say.insert(0, self.here(is_due && matches!(self.phase, Phase::Asking { .. }), as_of));
        }
        if is_due {
            self.beat = Some(now);
            to_do.doubt = matches!(self.phase, Phase::Ready { .. });
        }
        if is_due || self.marked.is_none_or(|said| now >= said + MARK) {
            let mark = self.mark(now);
            to_do.say.push(mark);
            let number = self.mark;
            if let Phase::Ready { said, .. } = &mut self.phase {
                said.get_or_insert(number);
            }
        }
        to_do
    }

    /// Takes note of what another node says.
    pub(super) fn hear(&mut self, from: NodeId, talk: Talk, now: Instant) -> ToDo {
        let mut to_do = ToDo::default();
        if matches!(self.phase, Phase::Apart) {
            return to_do;
        }
        if from == self.me {
            if let Talk::Mark { session, serial, number } = talk {
                self.comes_back(session, serial, number, now);
            }
            return to_do;
        }
        if let Some(session) = talk.session() {
            let newest = self.sessions.entry(from).or_insert(session);
            if session < *newest {
                // It was stuck in a link that the node has given up, and so has what it said there.
                return to_do;
            }
            *newest = session;
        }
        match talk {
            Talk::Here { session, serial, ready, asks, as_of } => {
                if self.has_missed(from, (session, serial)) {
                    self.ask(now);
                }
                let before = self.peers.insert(from, Peer { last: (session, serial), ready, as_of, heard: now });
                let is_new = before.is_none_or(|peer| peer.last.0 != session);
                // Answered with the next look.
                self.asked |= asks;
                self.recalls |= is_new;
            }
            Talk::Ops { session, serial, ops } => {
                if self.has_missed(from, (session, serial.wrapping_sub(1))) {
                    self.ask(now);
                }
                let last = (session, serial);
                let peer = self.peers.entry(from).or_insert(Peer { last, ready: false, as_of: 0, heard: now });
                (peer.last, peer.heard) = (last, now);
                if matches!(self.phase, Phase::Asking { .. } | Phase::Learning { .. }) {
                    if self.meanwhile.len() + ops.len() > MOST_STEPS {
                        self.ask(now);
                    }
                    self.meanwhile.extend(ops.iter().cloned());
                }
                to_do.ops = ops;
            }
            Talk::Recent { events } => to_do.recent = events,
            Talk::Doubt { open } => to_do.doubts = open,
            Talk::Tell { node } if node == self.me.0 => to_do.tell.push(from),
            Talk::Tell { .. } | Talk::Mark { .. } => {}
            Talk::All { to, part, parts, ops } => {
                if to == self.me.0 {
                    self.learn(from, (part, parts), ops, now, &mut to_do);
                }
            }
        }
        to_do
    }

    /// Whether something is missing of what a node has said up to this number of a session.
    fn has_missed(&self, node: NodeId, up_to: (u64, u64)) -> bool {
        let known = self.peers.get(&node).map(|peer| peer.last).filter(|(session, _)| *session == up_to.0);
        matches!(self.phase, Phase::Ready { .. }) && known.map_or(0, |(_, serial)| serial) != up_to.1
    }

    fn ask(&mut self, now: Instant) {
        self.phase = Phase::Asking { since: now };
        self.session += 1;
        (self.serial, self.confirmed) = (0, 0);
        self.peers.clear();
        self.meanwhile.clear();
        self.beat = None;
    }

    /// Asks the node that knows most for its state, or goes on with the one that there is.
    fn choose(&mut self, as_of: u64, now: Instant, to_do: &mut ToDo) {
        // One that has fallen silent is not there any more, whatever it knew.
        let there = self.peers.iter().filter(|(_, peer)| now.saturating_duration_since(peer.heard) < SILENT);
        let best = there.max_by_key(|(node, peer)| (peer.ready, peer.as_of, **node));
        match best.filter(|(_, peer)| peer.ready || peer.as_of > as_of) {
            Some((node, _)) => {
                to_do.say.push(Talk::Tell { node: node.0 });
                self.phase = Phase::Learning { from: *node, heard: now, parts: Vec::new(), next: 0 };
            }
            None => self.ready(),
        }
    }

    fn learn(&mut self, from: NodeId, (part, of): (u32, u32), ops: Vec<Op>, now: Instant, to_do: &mut ToDo) {
        let Phase::Learning { from: teacher, heard, parts, next } = &mut self.phase else { return };
        if *teacher != from || part != *next || parts.len() + ops.len() > MOST_STATE {
            return;
        }
        parts.extend(ops);
        (*heard, *next) = (now, part.saturating_add(1));
        if *next >= of {
            to_do.replace = Some((std::mem::take(parts), std::mem::take(&mut self.meanwhile)));
            self.ready();
        }
    }

    fn ready(&mut self) {
        self.phase = Phase::Ready { said: None, since: None };
        self.recalls = true;
        // What was said and lost before is known now, or told anew.
        self.confirmed = self.serial;
        // Said with the next look.
        self.beat = None;
    }

    fn here(&self, asks: bool, as_of: u64) -> Talk {
        let ready = !self.stopped && matches!(self.phase, Phase::Ready { .. });
        Talk::Here { session: self.session, serial: self.serial, ready, asks, as_of }
    }
}
