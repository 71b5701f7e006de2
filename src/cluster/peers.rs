//! Who else is there, and how far what they told has been understood. Pure: time is a parameter.
//!
//! A node numbers its changes. Who has heard number 7 and then hears of number 9, in a change or in a sign of life, has
//! missed something, and asks for everything. All of it comes in one go, in order with the changes, so that the next
//! change follows on it. Until then what was known stays.

use super::wire::{Envelope, Said, Told};
use super::{About, Seen};
use crate::protocol::NodeId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Between two signs of life of a node.
pub const BEAT: Duration = Duration::from_secs(2);
/// Silence after which a node is taken for dead: three signs of life have not come.
pub const DEAD_AFTER: Duration = Duration::from_secs(7);
/// How long an answer may take before it is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// A tick that comes so much later than the one before shows that this node itself has stood still.
pub(super) const STOOD_STILL: Duration = Duration::from_secs(3);
/// More facts than any node has, and more nodes than there are: whoever says so is none of them.
const MOST_FACTS: usize = 10_000_000;
pub(super) const MOST_PEERS: usize = 256;

/// The other nodes, as this one knows them.
#[derive(Debug)]
pub struct Peers {
    me: NodeId,
    known: BTreeMap<NodeId, Peer>,
    last_tick: Instant,
}

#[derive(Debug)]
struct Peer {
    heard: Instant,
    /// The number of the last thing heard from it: whatever is not above it is a repeat.
    number: u64,
    about: Option<About>,
    /// The number of the last connections that it had ended.
    ended: u64,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    /// Everything up to this change is known.
    Current { serial: u64 },
    /// Everything was asked for, or a part of it came, then, and these parts have come.
    Learning { asked: Instant, serial: u64, parts: Vec<Told>, next: u32 },
}

/// What is to be done about something heard, or about time that has passed.
#[derive(Debug)]
pub enum Do {
    /// Take note of what has changed on a node.
    Apply(NodeId, Vec<Told>),
    /// Take note of all that is so on a node.
    Replace(NodeId, Vec<Told>),
    /// Forget a node, and everybody on it.
    Forget(NodeId),
    /// Ask a node for all that is so on it.
    Ask(NodeId),
    /// Tell all that is so on this node, as that one asks.
    TellAll(NodeId),
    /// Say that there is more in the log.
    Note,
    /// End connections, as a node was told to so long ago.
    End(Said, Duration),
    /// Repeat what was said since so long ago, as a node may have missed it, which asks with something of that number.
    Repeat(NodeId, u64, Duration),
    /// A node has repeated what it said, all of it or not, as it was asked to with something of that number.
    Repeated(NodeId, u64, bool),
}

impl Peers {
    /// Nobody but `me`.
    pub fn new(me: NodeId, now: Instant) -> Self {
        Self { me, known: BTreeMap::new(), last_tick: now }
    }

    /// The other nodes, in the order of their ids.
    pub fn seen(&self) -> impl Iterator<Item = Seen> {
        self.known.iter().map(|(id, peer)| Seen {
            id: *id,
            about: peer.about.clone(),
            heard: peer.heard,
            is_known: matches!(peer.progress, Progress::Current { .. }),
        })
    }

    /// Whether there is such a node, as far as this one has heard.
    pub(super) fn knows(&self, node: NodeId) -> bool {
        self.known.contains_key(&node)
    }

    /// Says what something heard at `now` calls for.
    pub fn hear(&mut self, Envelope { origin, number, said }: Envelope, now: Instant) -> Vec<Do> {
        if origin == self.me {
            return Vec::new();
        }
        if matches!(said, Said::Leaving) {
            // One that is not above what was heard is a repeat, by whomever.
            let leaves = self.known.get(&origin).is_some_and(|peer| number > peer.number);
            return leaves.then(|| self.forget(origin)).into_iter().collect();
        }
        if self.known.len() >= MOST_PEERS && !self.known.contains_key(&origin) {
            return Vec::new();
        }
        let me = self.me;
        let (peer, mut to_do) = self.meet(origin, now);
        if number <= peer.number {
            return to_do;
        }
        peer.number = number;
        match said {
            Said::Alive { serial, about } => {
                peer.about = Some(*about);
                if matches!(peer.progress, Progress::Current { serial: known } if serial != known) {
                    to_do.push(peer.ask(origin, now));
                }
            }
            Said::Changed { serial, told } => match &mut peer.progress {
                Progress::Current { serial: known } if serial == known.wrapping_add(1) => {
                    *known = serial;
                    to_do.push(Do::Apply(origin, told));
                }
                Progress::Current { .. } => to_do.push(peer.ask(origin, now)),
                Progress::Learning { .. } => {}
            },
            Said::All { serial, part, parts, told } => {
                to_do.extend(peer.learn((serial, part, parts), told, now).map(|all| Do::Replace(origin, all)));
            }
            Said::Ask { node } if node == me => to_do.push(Do::TellAll(origin)),
            end @ (Said::EndUser { .. } | Said::EndChannel { .. }) => {
                to_do.extend(peer.end(number, end, Duration::ZERO));
            }
            Said::Back { away, longer } => {
                let mine = longer.iter().find(|(node, _)| *node == me);
                to_do.push(Do::Repeat(origin, number, mine.map_or(away, |(_, away)| *away)));
            }
            Said::Repeated { nodes, complete } => {
                let mine = nodes.iter().find(|(node, _)| *node == me);
                to_do.extend(mine.map(|(_, number)| Do::Repeated(origin, *number, complete)));
            }
            Said::Noted => to_do.push(Do::Note),
            Said::Entry { .. } | Said::Ask { .. } | Said::Event { .. } | Said::Again { .. } | Said::Leaving => {}
        }
        to_do
    }

    /// The node that is heard at `now`, and what it calls for if it is new.
    fn meet(&mut self, node: NodeId, now: Instant) -> (&mut Peer, Vec<Do>) {
        let mut to_do = Vec::new();
        let peer = self.known.entry(node).or_insert_with(|| {
            to_do.push(Do::Ask(node));
            Peer { heard: now, number: 0, ended: 0, about: None, progress: Progress::learning(now) }
        });
        peer.heard = now;
        (peer, to_do)
    }

    fn forget(&mut self, node: NodeId) -> Do {
        self.known.remove(&node);
        Do::Forget(node)
    }

    /// Says what something that was said to all nodes so long ago, and comes late or is repeated, calls for.
    pub fn hear_again(&mut self, Envelope { origin, number, said }: Envelope, age: Duration, now: Instant) -> Vec<Do> {
        let is_end = matches!(said, Said::EndUser { .. } | Said::EndChannel { .. });
        if !is_end || origin == self.me || (self.known.len() >= MOST_PEERS && !self.knows(origin)) {
            return Vec::new();
        }
        let (peer, mut to_do) = self.meet(origin, now);
        to_do.extend(peer.end(number, said, age));
        to_do
    }

    /// Says what the time calls for; to be asked about once a second while the link to the bus is up.
    pub fn tick(&mut self, now: Instant) -> Vec<Do> {
        let stood_still = now.saturating_duration_since(self.last_tick) > STOOD_STILL;
        self.last_tick = now;
        if stood_still {
            // What the others said meanwhile waits to be heard.
            self.known.values_mut().for_each(|peer| peer.heard = now);
        }
        let mut to_do = Vec::new();
        self.known.retain(|node, peer| {
            let alive = now.saturating_duration_since(peer.heard) < DEAD_AFTER;
            if !alive {
                to_do.push(Do::Forget(*node));
            }
            alive
        });
        for (node, peer) in &mut self.known {
            if let Progress::Learning { asked, .. } = peer.progress
                && now.saturating_duration_since(asked) >= ASK_AGAIN
            {
                to_do.push(peer.ask(*node, now));
            }
        }
        to_do
    }

    /// Asks every node for all that is so on it.
    pub(super) fn relearn(&mut self, now: Instant) -> Vec<Do> {
        self.known.iter_mut().map(|(node, peer)| peer.ask(*node, now)).collect()
    }

    /// Takes note that nothing could be heard until `now`. Nobody is taken for dead for that.
    pub fn link_is_up(&mut self, now: Instant) {
        self.last_tick = now;
        self.known.values_mut().for_each(|peer| peer.heard = now);
    }
}

impl Peer {
    fn ask(&mut self, node: NodeId, now: Instant) -> Do {
        self.progress = Progress::learning(now);
        Do::Ask(node)
    }

    /// Ends connections, if that is not a repeat.
    fn end(&mut self, number: u64, said: Said, age: Duration) -> Option<Do> {
        let first = number > self.ended;
        self.ended = self.ended.max(number);
        first.then_some(Do::End(said, age))
    }

    /// Takes a part of everything; all of it once the last part has come. One that does not follow on the part before
    /// is of an answer that was cut short.
    fn learn(&mut self, (serial, part, parts): (u64, u32, u32), told: Vec<Told>, now: Instant) -> Option<Vec<Told>> {
        let Progress::Learning { serial: of, parts: all, next, asked } = &mut self.progress else { return None };
        *asked = now;
        if part == 0 {
            (*of, *next) = (serial, 0);
            all.clear();
        }
        if serial != *of || part != *next || all.len() + told.len() > MOST_FACTS {
            return None;
        }
        all.extend(told);
        *next += 1;
        if *next < parts {
            return None;
        }
        let all = std::mem::take(all);
        self.progress = Progress::Current { serial };
        Some(all)
    }
}

impl Progress {
    fn learning(asked: Instant) -> Self {
        Self::Learning { asked, serial: 0, parts: Vec::new(), next: 0 }
    }
}

#[cfg(test)]
mod tests;
