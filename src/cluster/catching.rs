//! Events held back while a node makes good what was said when this one could not hear. They are handed out in the
//! order of their numbers, each once, when the node has said that it is done or has had the time for it. Pure: time is
//! a parameter.

use super::peers::MOST_PEERS;
use crate::broker::Topic;
use crate::protocol::{Frame, NodeId, SocketId};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// How long a node that can be heard again may take.
const PATIENCE: Duration = Duration::from_secs(3);
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
}

#[derive(Debug, Default)]
struct Catch {
    /// Whether the node was asked, or has started since.
    asked: bool,
    /// Whether it has said that it is done.
    done: bool,
    /// When it was heard first, and when to wait no more; `None` until then.
    heard: Option<Instant>,
    until: Option<Instant>,
    /// How often the node was told again what is missed.
    asked_again: u32,
    held: BTreeMap<(Topic, u64), Event>,
    bytes: usize,
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
    /// Whether nothing is being made good.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Starts to hold what comes from these nodes.
    pub(super) fn start(&mut self, nodes: impl Iterator<Item = NodeId>, now: Instant) {
        self.since = Some(now);
        for node in nodes {
            let catch = self.nodes.entry(node).or_default();
            let Catch { asked, done, heard, until, asked_again, .. } = catch;
            (*asked, *done, *heard, *until, *asked_again) = (true, false, None, None, 0);
        }
    }

    /// Takes note that a node is heard. Whether what comes from it is to be held. One that is not `known` has started
    /// when this one could not hear, and makes that good as well.
    pub(super) fn hears(&mut self, node: NodeId, known: bool, now: Instant) -> bool {
        if !known && self.since.is_some_and(|since| now < since + PATIENCE) && self.nodes.len() < MOST_PEERS {
            self.nodes.entry(node).or_default();
        }
        let Some(catch) = self.nodes.get_mut(&node) else { return false };
        catch.heard.get_or_insert(now);
        catch.until.get_or_insert(now + PATIENCE);
        true
    }

    /// Holds an event. One that comes both by itself and repeated counts as it came by itself.
    pub(super) fn hold(&mut self, node: NodeId, topic: &Topic, number: u64, event: Event, now: Instant) {
        let Some(catch) = self.nodes.get_mut(&node) else { return };
        if let (true, false, Some(heard)) = (event.born.is_some(), catch.done, catch.heard) {
            catch.until = Some((now + PATIENCE).min(heard + MOST_PATIENCE));
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

    /// Whether a node, which could not hear either until now, is to be told again what is missed. Two that told each other
    /// each time would never end.
    pub(super) fn asks_again(&mut self, node: NodeId) -> bool {
        let Some(catch) = self.nodes.get_mut(&node) else { return false };
        catch.asked_again += 1;
        catch.asked_again <= MOST_ASKS
    }

    /// Takes note that a node is done.
    pub(super) fn caught_up(&mut self, node: NodeId, now: Instant) {
        if let Some(catch) = self.nodes.get_mut(&node) {
            (catch.done, catch.until) = (true, Some(now + SETTLE));
        }
    }

    /// The events of nodes that are done or late, which are held no longer, and whether all has come that was asked for.
    pub(super) fn done(&mut self, now: Instant) -> Vec<(NodeId, Held, bool)> {
        let done = self.nodes.extract_if(|_, catch| catch.until.is_some_and(|until| until <= now));
        done.map(|(node, catch)| (node, catch.held, catch.done || !catch.asked)).collect()
    }

    /// The events of a node that is gone.
    pub(super) fn gone(&mut self, node: NodeId) -> Option<Held> {
        self.nodes.remove(&node).map(|catch| catch.held)
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
        assert!(!catching.hears(NODE, true, now));
        catching.start([NODE].into_iter(), now);
        assert!(catching.hears(NODE, true, now) && !catching.hears(NodeId(2), true, now));
        catching.hold(NODE, &a, 9, event(None), now);
        for (topic, number) in [(&a, 7), (&b, 8), (&a, 9)] {
            catching.hold(NODE, topic, number, event(Some(now)), now);
        }
        assert!(catching.done(now + PATIENCE / 2).is_empty());
        catching.caught_up(NODE, now);
        assert!(catching.done(now).is_empty());
        let done = catching.done(now + SETTLE);
        assert_eq!(numbers(&done[0].1), [("a", 7, true), ("a", 9, false), ("b", 8, true)]);
        assert!(!catching.hears(NODE, true, now));
        let (stranger, late) = (NodeId(3), now + PATIENCE);
        assert!(!catching.hears(stranger, false, late) && catching.hears(stranger, false, now));
    }

    #[test]
    fn nobody_is_waited_for_without_end() {
        let (mut catching, now) = (Catching::default(), Instant::now());
        catching.start([NODE].into_iter(), now);
        assert!(catching.done(now + PATIENCE * 9).is_empty(), "nothing is held of a node that says nothing");
        catching.hears(NODE, true, now);
        catching.hears(NODE, true, now + PATIENCE / 2);
        let late = catching.done(now + PATIENCE);
        assert_eq!(late.iter().map(|(node, _, complete)| (*node, *complete)).collect::<Vec<_>>(), [(NODE, false)]);
        catching.start([NODE].into_iter(), now);
        catching.hears(NODE, true, now);
        for secs in 0..60 {
            catching.hold(NODE, &Topic::new(&["a"]), secs, event(Some(now)), now + Duration::from_secs(secs));
        }
        assert!(catching.done(now + MOST_PATIENCE - SETTLE).is_empty(), "it goes on repeating");
        assert_eq!(catching.done(now + MOST_PATIENCE).len(), 1);
        catching.start([NODE].into_iter(), now);
        assert_eq!((0..9).filter(|_| catching.asks_again(NODE)).count(), 5);
        assert!(catching.gone(NODE).is_some() && catching.gone(NODE).is_none());
    }
}
