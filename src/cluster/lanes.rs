//! Events from other nodes that wait to be handed out, each channel's in a lane of its own: of those in which something
//! waits each is served in turn, so that a channel on which much comes delays no other. Pure.

use super::catching::{Event, Held};
use crate::broker::Topic;
use crate::protocol::NodeId;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// What a payload takes besides its bytes.
const OVERHEAD: usize = 128;

/// The lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    max_bytes: usize,
    bytes: usize,
    /// Those in which something waits.
    lanes: HashMap<Topic, Lane>,
    turns: VecDeque<Topic>,
    /// Payloads that have come so far.
    count: u64,
    released: usize,
    dropped: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// Events that were held back, which come before all others.
    released: VecDeque<(NodeId, u64, Event)>,
    /// Payloads, each with how many had come with it.
    waiting: VecDeque<(u64, Bytes)>,
    bytes: usize,
}

/// What is served next.
#[derive(Debug)]
pub(super) enum Next {
    /// A payload, as it came.
    Payload(Topic, Bytes),
    /// An event that was held back: who published it, where, and with which number.
    Released(NodeId, Topic, u64, Event),
}

impl Lanes {
    /// Lanes for up to `max_bytes` of payloads, of which one lane takes half at most.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, bytes: 0, lanes: HashMap::new(), turns: VecDeque::new(), count: 0, released: 0, dropped: 0 }
    }

    /// Puts a payload last, or drops it if there is no room and something waits there already.
    pub(super) fn push(&mut self, topic: Topic, payload: Bytes) {
        self.count += 1;
        let size = payload.len() + OVERHEAD;
        let is_full = self.bytes + size > self.max_bytes;
        let (count, most) = (self.count, self.max_bytes / 2);
        let lane = self.lane(topic);
        if lane.bytes > 0 && (is_full || lane.bytes + size > most) {
            self.dropped += 1;
            return;
        }
        lane.waiting.push_back((count, payload));
        lane.bytes += size;
        self.bytes += size;
    }

    /// Puts events that were held back first. They are never dropped.
    pub(super) fn release(&mut self, node: NodeId, held: Held) {
        self.released += held.len();
        for ((topic, number), event) in held {
            self.lane(topic).released.push_back((node, number, event));
        }
    }

    /// Takes what is next.
    pub(super) fn pop(&mut self) -> Option<Next> {
        let topic = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&topic)?;
        let next = match lane.released.pop_front() {
            Some((node, number, event)) => {
                self.released -= 1;
                Next::Released(node, topic.clone(), number, event)
            }
            None => {
                let (_, payload) = lane.waiting.pop_front()?;
                let size = payload.len() + OVERHEAD;
                lane.bytes -= size;
                self.bytes -= size;
                Next::Payload(topic.clone(), payload)
            }
        };
        if lane.released.is_empty() && lane.waiting.is_empty() {
            self.lanes.remove(&topic);
        } else {
            self.turns.push_back(topic);
        }
        Some(next)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether nothing waits that was held back.
    pub(super) fn is_released(&self) -> bool {
        self.released == 0
    }

    /// How many payloads have come so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Whether the first so many payloads have all been taken.
    pub(super) fn have_served(&self, count: u64) -> bool {
        self.lanes.values().all(|lane| lane.waiting.front().is_none_or(|(first, _)| *first > count))
    }

    /// How many payloads have been dropped since the last time.
    pub(super) fn dropped(&mut self) -> usize {
        std::mem::take(&mut self.dropped)
    }

    fn lane(&mut self, topic: Topic) -> &mut Lane {
        self.lanes.entry(topic).or_insert_with_key(|topic| {
            self.turns.push_back(topic.clone());
            Lane::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ChannelName, Frame};

    fn topic(name: &str) -> Topic {
        Topic::new(&[name])
    }

    fn all(lanes: &mut Lanes) -> Vec<String> {
        let text = |next| match next {
            Next::Payload(topic, payload) => format!("{} {}", topic.as_str(), String::from_utf8_lossy(&payload)),
            Next::Released(node, topic, number, _) => format!("{} {number} of {}", topic.as_str(), node.0),
        };
        std::iter::from_fn(|| lanes.pop()).map(text).collect()
    }

    #[test]
    fn a_busy_lane_delays_no_other() {
        let mut lanes = Lanes::new(10_000);
        for (name, payload) in [("busy", "1"), ("busy", "2"), ("busy", "3"), ("calm", "1"), ("other", "1")] {
            lanes.push(topic(name), payload.into());
        }
        assert!(!lanes.have_served(4) && lanes.have_served(0));
        assert_eq!(all(&mut lanes), ["busy 1", "calm 1", "other 1", "busy 2", "busy 3"]);
        assert!(lanes.is_empty() && lanes.have_served(5) && lanes.bytes == 0);
    }

    #[test]
    fn what_was_held_back_comes_first() {
        let mut lanes = Lanes::new(10_000);
        lanes.push(topic("a"), "after".into());
        let frame = Frame::cache_miss(&ChannelName::parse("cache-a", 164).unwrap());
        let event = Event { except: None, kept: false, frame, born: None };
        let held = [("a", 1), ("a", 2), ("b", 1)].map(|(name, number)| ((topic(name), number), event.clone()));
        lanes.release(NodeId(7), Held::from(held));
        assert!(!lanes.is_released());
        assert_eq!(all(&mut lanes), ["a 1 of 7", "b 1 of 7", "a 2 of 7", "a after"]);
        assert!(lanes.is_released());
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_leaves_room_for_others() {
        let mut lanes = Lanes::new(10 * (100 + OVERHEAD));
        let mut push = |name: &str| lanes.push(topic(name), vec![0; 100].into());
        (0..7).for_each(|_| push("busy"));
        (0..4).for_each(|_| push("calm"));
        (0..3).for_each(|_| push("late"));
        assert_eq!((lanes.dropped(), lanes.dropped()), (2 + 2, 0));
        assert_eq!(all(&mut lanes).len(), 5 + 4 + 1);
    }
}
