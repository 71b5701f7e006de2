//! Events held back while a node makes good what was said when this one could not hear. They are handed out in the
//! order of their numbers, each once, when the node has said that it is done or has had the time for it. Pure: time is
//! a parameter.

use super::peers::MOST_PEERS;
use crate::broker::Topic;
use crate::protocol::{Frame, NodeId, SocketId};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// How long a node that can be heard again may take, from when it could hear what it was asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// A node that is heard for the first time so much later than it was asked has not heard the question in time.
const SOON: Duration = Duration::from_secs(1);
/// How long a node that is not heard at all may come back. Longer than nodes hold what they said, unless told to.
const GIVE_UP: Duration = Duration::from_secs(60);
/// How long it may take while it goes on repeating.
const MOST_PATIENCE: Duration = Duration::from_secs(15);
/// What a node repeated before it said that it is done may come a little later, over another server of the bus.
const SETTLE: Duration = Duration::from_millis(100);
/// How often a node whose link comes and goes is told again what is missed.
const MOST_ASKS: u32 = 5;
/// What may be held of one node, in bytes.
const MOST: usize = 64 << 20;

/// The nodes that make something good.
#[derive(Debug, Default)]
pub(super) struct Catching {
    nodes: HashMap<NodeId, Catch>,
    /// When it last began.
    since: Option<Instant>,
    /// Whether all that can be heard have been asked. What is said over a slow link takes its time.
    is_asked: bool,
    /// Whether the link is down. Some of what is said comes through before it counts as up again, and would make what is
    /// repeated look as if it had come before.
    is_down: bool,
}

#[derive(Debug, Default)]
struct Catch {
    /// Since when what it said may have been missed.
    missed: Option<Instant>,
    /// Whether the node was asked, or has started since.
    asked: bool,
    /// How many events had come, of whomever, when it said that it is done, if it has.
    done: Option<u64>,
    /// When it was heard first, and when to wait no more; `None` until then.
    heard: Option<Instant>,
    until: Option<Instant>,
    /// How often the node was told again what is missed.
    asked_again: u32,
    held: BTreeMap<(Topic, u64), Event>,
    bytes: usize,
}

/// What is to be done about a node that is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Whether what comes from it is to be held.
    pub(super) is_held: bool,
    /// Whether it is the first time for long: it could not hear what it was asked either, or hears it only now, and what
    /// it was asked is measured from then.
    pub(super) is_late: bool,
}

/// An event that came from another node.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// The one connection that does not hear of it.
    pub(super) except: Option<SocketId>,
    /// Whether a cache channel keeps it for newcomers.
    pub(super) kept: bool,
    /// What subscribers get.
    pub(super) frame: Frame,
    /// For one that is repeated, when it was published.
    pub(super) born: Option<Instant>,
}

/// Held events of one node, in order.
pub(super) type Held = BTreeMap<(Topic, u64), Event>;

impl Catching {
    /// Whether all that can be made good for now has been: nothing is held, and nobody is about to be heard.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let soon = self.since.is_some_and(|since| now <= since + PATIENCE);
        !self.is_down && self.nodes.values().all(|catch| catch.heard.is_none()) && (self.nodes.is_empty() || !soon)
    }

    /// Starts to hold whatever comes.
    pub(super) fn link_is_down(&mut self) {
        self.is_down = true;
    }

    /// Lets go of everything, as nobody is there who could have missed something.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Holds what comes from these nodes, now that the link is up, until they have made good what was `missed` since
    /// then, or since before that, if they had not.
    pub(super) fn start(&mut self, nodes: impl Iterator<Item = NodeId>, missed: Instant, now: Instant) {
        (self.since, self.is_asked, self.is_down) = (Some(now), false, false);
        for node in nodes {
            let catch = self.nodes.entry(node).or_default();
            catch.missed.get_or_insert(missed);
            let Catch { asked, done, heard, until, asked_again, .. } = catch;
            (*asked, *done, *heard, *until, *asked_again) = (true, None, None, None, 0);
        }
    }

    /// Takes note that what the nodes were asked has come to all that can be heard.
    pub(super) fn have_been_asked(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_asked, true) {
            let waiting = self.nodes.values_mut().filter(|catch| catch.done.is_none());
            waiting
                .for_each(|catch| catch.until = catch.heard.map(|heard| (now + PATIENCE).min(heard + MOST_PATIENCE)));
        }
    }

    /// Takes note that a node is heard. One that is not `known` has started when this one could not hear, and makes that
    /// good as well.
    pub(super) fn hears(&mut self, node: NodeId, known: bool, now: Instant) -> Heard {
        if self.is_down {
            return Heard { is_held: true, is_late: false };
        }
        if !known && self.since.is_some_and(|since| now < since + PATIENCE) && self.nodes.len() < MOST_PEERS {
            self.nodes.entry(node).or_default();
        }
        let Some(catch) = self.nodes.get_mut(&node) else { return Heard { is_held: false, is_late: false } };
        let is_late = catch.heard.is_none() && self.since.is_some_and(|since| now > since + SOON);
        catch.heard.get_or_insert(now);
        catch.until.get_or_insert(now + if self.is_asked { PATIENCE } else { MOST_PATIENCE });
        Heard { is_held: true, is_late }
    }

    /// Holds an event. One that comes both by itself and repeated counts as it came by itself.
    pub(super) fn hold(&mut self, node: NodeId, topic: &Topic, number: u64, event: Event, now: Instant) {
        if self.is_down && self.nodes.len() < MOST_PEERS {
            self.nodes.entry(node).or_default();
        }
        let Some(catch) = self.nodes.get_mut(&node) else { return };
        if let (true, None, Some(heard)) = (event.born.is_some(), catch.done, catch.heard) {
            catch.until = catch.until.max(Some((now + PATIENCE).min(heard + MOST_PATIENCE)));
        }
        if self.is_down && catch.bytes > MOST {
            // It has not been heard then, and will be repeated.
            return;
        }
        let key = (topic.clone(), number);
        if event.born.is_some() && catch.held.contains_key(&key) {
            return;
        }
        catch.bytes += event.frame.size();
        if catch.bytes > MOST {
            catch.until = Some(now);
        }
        catch.held.insert(key, event);
    }

    /// Nodes of which more is missed than since then, and since when.
    pub(super) fn missed_before(&self, missed: Instant) -> impl Iterator<Item = (NodeId, Instant)> {
        let since = |(node, catch): (&NodeId, &Catch)| Some((*node, catch.missed?));
        self.nodes.iter().filter_map(since).filter(move |(_, since)| *since < missed)
    }

    /// Whether a node, which could not hear either until now, is to be told again what is missed. Two that told each other
    /// each time would never end.
    pub(super) fn asks_again(&mut self, node: NodeId) -> bool {
        let Some(catch) = self.nodes.get_mut(&node) else { return false };
        catch.asked_again += 1;
        catch.asked_again <= MOST_ASKS
    }

    /// Takes note that a node is done, when so many events had come of whomever.
    pub(super) fn caught_up(&mut self, node: NodeId, count: u64, now: Instant) {
        if let Some(catch) = self.nodes.get_mut(&node) {
            (catch.done, catch.until) = (Some(count), Some(now + SETTLE));
        }
    }

    /// The events of nodes that are done or late, which are held no longer, and whether all has come that was asked for.
    /// `are_heard` says whether so many of the events that had come have been looked at.
    pub(super) fn done(&mut self, now: Instant, are_heard: impl Fn(u64) -> bool) -> Vec<(NodeId, Held, bool)> {
        if self.is_down {
            return Vec::new();
        }
        let given_up = self.since.is_some_and(|since| now > since + GIVE_UP);
        let is_over = |catch: &Catch| match catch.until {
            Some(until) => until <= now && catch.done.is_none_or(&are_heard),
            None => given_up,
        };
        let done = self.nodes.extract_if(|_, catch| is_over(catch));
        done.map(|(node, catch)| (node, catch.held, catch.done.is_some() || !catch.asked)).collect()
    }

    /// The events of a node that is gone. It may come back, if it only stood still, and is waited for then.
    pub(super) fn gone(&mut self, node: NodeId) -> Held {
        let Some(catch) = self.nodes.get_mut(&node) else { return Held::default() };
        (catch.heard, catch.until, catch.bytes) = (None, None, 0);
        std::mem::take(&mut catch.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ChannelName;

    const NODE: NodeId = NodeId(1);

    fn event(born: Option<Instant>) -> Event {
        let frame = Frame::cache_miss(&ChannelName::parse("cache-a", 164).unwrap());
        Event { except: None, kept: false, frame, born }
    }

    fn numbers(held: &Held) -> Vec<(&str, u64, bool)> {
        held.iter().map(|((topic, number), event)| (topic.as_str(), *number, event.born.is_some())).collect()
    }

    #[test]
    fn events_are_handed_out_in_order_once_the_node_is_done() {
        let (mut catching, now) = (Catching::default(), Instant::now());
        let [a, b] = ["a", "b"].map(|name| Topic::new(&[name]));
        let held = |is_held| Heard { is_held, is_late: false };
        assert_eq!(catching.hears(NODE, true, now), held(false));
        catching.start([NODE].into_iter(), now, now);
        assert_eq!([NODE, NodeId(2)].map(|node| catching.hears(node, true, now)), [held(true), held(false)]);
        catching.hold(NODE, &a, 9, event(None), now);
        for (topic, number) in [(&a, 7), (&b, 8), (&a, 9)] {
            catching.hold(NODE, topic, number, event(Some(now)), now);
        }
        assert!(catching.done(now + PATIENCE / 2, |_| true).is_empty());
        catching.caught_up(NODE, 7, now);
        assert!(catching.done(now, |_| true).is_empty());
        assert!(catching.done(now + SETTLE, |count| count < 7).is_empty(), "some of it waits to be looked at");
        let done = catching.done(now + SETTLE, |_| true);
        assert_eq!(numbers(&done[0].1), [("a", 7, true), ("a", 9, false), ("b", 8, true)]);
        assert_eq!(catching.hears(NODE, true, now), held(false));
        let (stranger, late) = (NodeId(3), now + PATIENCE);
        assert_eq!([late, now].map(|at| catching.hears(stranger, false, at)), [held(false), held(true)]);
    }

    #[test]
    fn what_comes_before_the_link_is_up_is_held_too() {
        let (mut catching, now, a) = (Catching::default(), Instant::now(), Topic::new(&["a"]));
        let held = Heard { is_held: true, is_late: false };
        catching.link_is_down();
        assert_eq!(catching.hears(NODE, true, now), held);
        catching.hold(NODE, &a, 2, event(None), now);
        assert!(catching.done(now + GIVE_UP * 2, |_| true).is_empty() && !catching.is_over(now + GIVE_UP * 2));
        let up = now + GIVE_UP * 2;
        catching.start([NODE].into_iter(), up, up);
        assert_eq!(catching.hears(NODE, true, up), held);
        catching.hold(NODE, &a, 1, event(Some(now)), up);
        catching.caught_up(NODE, 7, up);
        assert_eq!(numbers(&catching.done(up + SETTLE, |_| true)[0].1), [("a", 1, true), ("a", 2, false)]);
        catching.link_is_down();
        catching.hold(NODE, &a, 3, event(None), up);
        catching.clear();
        assert!(catching.nodes.is_empty() && !catching.hears(NODE, true, up).is_held);
    }

    #[test]
    fn nobody_is_waited_for_without_end() {
        let (mut catching, now) = (Catching::default(), Instant::now());
        catching.start([NODE].into_iter(), now, now);
        assert!(catching.done(now + PATIENCE * 9, |_| true).is_empty(), "nothing is held of a node that says nothing");
        catching.hears(NODE, true, now);
        let asked = now + MOST_PATIENCE / 2;
        assert!(catching.done(asked, |_| true).is_empty(), "it cannot have heard what it is asked");
        [asked, asked + PATIENCE].into_iter().for_each(|at| catching.have_been_asked(at));
        catching.hears(NODE, true, asked + PATIENCE / 2);
        let late = catching.done(asked + PATIENCE, |_| true);
        assert_eq!(late.iter().map(|(node, _, complete)| (*node, *complete)).collect::<Vec<_>>(), [(NODE, false)]);
        catching.start([NODE].into_iter(), now, now);
        catching.hears(NODE, true, now);
        catching.have_been_asked(now);
        for secs in 0..60 {
            catching.hold(NODE, &Topic::new(&["a"]), secs, event(Some(now)), now + Duration::from_secs(secs));
        }
        assert!(catching.done(now + MOST_PATIENCE - SETTLE, |_| true).is_empty(), "it goes on repeating");
        assert_eq!(catching.done(now + MOST_PATIENCE, |_| true).len(), 1);
        catching.start([NODE].into_iter(), now, now);
        assert_eq!((0..9).filter(|_| catching.asks_again(NODE)).count(), 5);
        catching.hears(NODE, true, now);
        catching.hold(NODE, &Topic::new(&["a"]), 1, event(None), now);
        assert_eq!([catching.gone(NODE).len(), catching.gone(NODE).len()], [1, 0]);
        let later = now + Duration::from_secs(9);
        assert_eq!(catching.hears(NODE, false, later), Heard { is_held: true, is_late: true });
        assert_eq!(catching.hears(NODE, false, later), Heard { is_held: true, is_late: false });
        catching.gone(NODE);
        let (stranger, up) = (NodeId(2), now + PATIENCE);
        catching.start([NODE, stranger].into_iter(), up, now);
        assert_eq!(catching.missed_before(up).collect::<Vec<_>>(), [(NODE, now)]);
        catching.nodes.remove(&stranger);
        assert!(catching.done(now + GIVE_UP, |_| true).is_empty() && !catching.nodes.is_empty());
        let given_up = catching.done(now + GIVE_UP + SETTLE, |_| true);
        assert!(matches!(given_up[..], [(NODE, _, false)]) && catching.nodes.is_empty(), "its loss counts");
    }
}
