//! What this node has to say and the bus has not taken yet, in order and bounded.
//!
//! Events and commands wait until the bus has them, through an outage too; past the bounds nothing more is accepted.
//! News of this node is worthless once it is old, and whoever misses it asks: it does not wait for a link.

use crate::broker::Topic;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// What a message takes besides its bytes.
const OVERHEAD: usize = 128;
/// What is handed to the bus at a time, at most.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// The queue.
#[derive(Debug)]
pub struct Outgoing {
    max_bytes: usize,
    max_age: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    control: VecDeque<Message>,
    events: VecDeque<Message>,
    bytes: usize,
    /// The last number given.
    number: u64,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Message {
    number: u64,
    since: Instant,
    topic: Topic,
    bytes: Bytes,
    kind: Kind,
    keep: Option<Keep>,
}

/// What newcomers of a cache channel are to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Under which key.
    pub key: Topic,
    /// For how long.
    pub ttl: Duration,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On a channel's topic. It waits for the bus.
    Event,
    /// On the nodes' topic. It waits for the bus.
    Command,
    /// On the nodes' topic. It is dropped when the link is lost.
    News,
}

/// Messages on their way to the bus. They stay in the queue until it has taken them.
#[derive(Debug, Default)]
pub struct Batch {
    /// What to publish.
    pub messages: Vec<(Topic, Bytes)>,
    /// What to keep before, the last of each key.
    pub keeps: Vec<(Keep, Bytes)>,
    control: Option<u64>,
    event: Option<u64>,
}

impl Outgoing {
    /// A queue that accepts events while at most `max_bytes` wait, none of them for longer than `max_age`.
    pub fn new(max_bytes: usize, max_age: Duration) -> Self {
        Self { max_bytes, max_age, state: Mutex::default() }
    }

    /// Whether an event may be said: if not, the bus has been away for too long, or much has been said meanwhile.
    pub fn accepts(&self, now: Instant) -> bool {
        let state = self.state.lock();
        let oldest = [state.control.front(), state.events.front()].into_iter().flatten().map(|message| message.since);
        let old = oldest.min().is_some_and(|since| now.saturating_duration_since(since) > self.max_age);
        !old && state.bytes <= self.max_bytes
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Queues the message that `make` makes of its number, which is above that of any before it.
    pub fn push(&self, kind: Kind, topic: Topic, keep: Option<Keep>, now: Instant, make: impl FnOnce(u64) -> Bytes) {
        let mut state = self.state.lock();
        state.number += 1;
        let number = state.number;
        let bytes = make(number);
        state.bytes += bytes.len() + OVERHEAD;
        let message = Message { number, since: now, topic, bytes, kind, keep };
        let queue = if kind == Kind::Event { &mut state.events } else { &mut state.control };
        queue.push_back(message);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready once something waits.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if !state.control.is_empty() || !state.events.is_empty() {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The oldest of what waits, what concerns the nodes first.
    pub fn batch(&self) -> Batch {
        let state = self.state.lock();
        let (mut batch, mut bytes) = (Batch::default(), 0);
        for message in state.control.iter().chain(&state.events) {
            if batch.messages.len() == BATCH || (bytes > 0 && bytes + message.bytes.len() > BATCH_BYTES) {
                break;
            }
            bytes += message.bytes.len();
            batch.messages.push((message.topic.clone(), message.bytes.clone()));
            if let Some(keep) = &message.keep {
                batch.keeps.retain(|(earlier, _)| earlier.key != keep.key);
                batch.keeps.push((keep.clone(), message.bytes.clone()));
            }
            let last = if message.kind == Kind::Event { &mut batch.event } else { &mut batch.control };
            *last = Some(message.number);
        }
        batch
    }

    /// Lets go of a batch that the bus has taken.
    pub fn sent(&self, batch: &Batch) {
        let State { control, events, bytes, .. } = &mut *self.state.lock();
        for (queue, last) in [(control, batch.control), (events, batch.event)] {
            while let Some(message) = queue.pop_front_if(|message| Some(message.number) <= last) {
                *bytes -= message.bytes.len() + OVERHEAD;
            }
        }
    }

    /// Drops what is not worth waiting for: the link is lost.
    pub fn link_is_down(&self) {
        let State { control, bytes, .. } = &mut *self.state.lock();
        control.retain(|message| {
            let waits = message.kind != Kind::News;
            if !waits {
                *bytes -= message.bytes.len() + OVERHEAD;
            }
            waits
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> Topic {
        Topic::new(&[name])
    }

    fn names(batch: &Batch) -> Vec<&str> {
        batch.messages.iter().map(|(topic, _)| topic.as_str()).collect()
    }

    #[test]
    fn what_the_bus_has_not_taken_is_handed_over_again() {
        let (queue, now) = (Outgoing::new(10_000, Duration::from_secs(30)), Instant::now());
        let push = |kind, name| queue.push(kind, topic(name), None, now, |_| Bytes::from_static(b"x"));
        push(Kind::Event, "a");
        push(Kind::News, "news");
        push(Kind::Command, "end");
        push(Kind::Event, "b");
        let batch = queue.batch();
        assert_eq!(names(&batch), ["news", "end", "a", "b"]);
        push(Kind::Event, "c");
        queue.link_is_down();
        assert_eq!(names(&queue.batch()), ["end", "a", "b", "c"]);
        queue.sent(&batch);
        assert_eq!(names(&queue.batch()), ["c"]);
        queue.sent(&queue.batch());
        assert_eq!(queue.bytes(), 0);
        assert!(queue.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    #[test]
    fn nothing_is_accepted_once_it_is_full_or_too_old() {
        let (queue, start) = (Outgoing::new(1000, Duration::from_secs(30)), Instant::now());
        let after = |secs| start + Duration::from_secs(secs);
        assert!(queue.accepts(start));
        let push = || queue.push(Kind::Event, topic("a"), None, start, |_| Bytes::from(vec![0; 500]));
        push();
        assert!(queue.accepts(after(30)));
        assert!(!queue.accepts(after(31)));
        push();
        assert!(!queue.accepts(start));
        queue.sent(&queue.batch());
        assert!(queue.accepts(after(31)));
    }

    #[test]
    fn of_what_is_kept_only_the_last_counts() {
        let (queue, now) = (Outgoing::new(10_000, Duration::from_secs(30)), Instant::now());
        for (key, bytes) in [("a", "1"), ("b", "2"), ("a", "3")] {
            let keep = Keep { key: topic(key), ttl: Duration::from_secs(1) };
            queue.push(Kind::Event, topic("t"), Some(keep), now, |_| Bytes::from_static(bytes.as_bytes()));
        }
        let batch = queue.batch();
        let keeps: Vec<_> = batch.keeps.iter().map(|(keep, bytes)| (keep.key.as_str(), &bytes[..])).collect();
        assert_eq!((keeps, batch.messages.len()), (vec![("b", &b"2"[..]), ("a", &b"3"[..])], 3));
    }

    #[test]
    fn batches_are_bounded_and_never_empty() {
        let (queue, now) = (Outgoing::new(1 << 30, Duration::from_secs(30)), Instant::now());
        for _ in 0..300 {
            queue.push(Kind::Event, topic("a"), None, now, |_| Bytes::from_static(b"x"));
        }
        queue.push(Kind::Event, topic("b"), None, now, |_| Bytes::from(vec![0; 3 << 20]));
        let mut sizes = Vec::new();
        while let batch @ Batch { event: Some(_), .. } = queue.batch() {
            sizes.push(batch.messages.len());
            queue.sent(&batch);
        }
        assert_eq!(sizes, [256, 44, 1]);
    }
}
