//! What came from the bus and waits for the node, bounded in bytes.

use super::{Incoming, Link, Topic};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// What a message takes besides its payload.
const OVERHEAD: usize = 128;

/// Where a driver puts what comes in. Never waits, so it may be used from a callback.
#[derive(Clone, Debug)]
pub struct Feed {
    sender: mpsc::UnboundedSender<Incoming>,
    waiting: Arc<AtomicUsize>,
    max_bytes: usize,
}

/// Where a node takes it from.
#[derive(Debug)]
pub struct Inbox {
    receiver: mpsc::UnboundedReceiver<Incoming>,
    waiting: Arc<AtomicUsize>,
    max_bytes: usize,
}

impl Inbox {
    /// An inbox for up to `max_bytes` of messages, and its feed.
    pub fn new(max_bytes: usize) -> (Feed, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::<AtomicUsize>::default();
        (Feed { sender, waiting: waiting.clone(), max_bytes }, Self { receiver, waiting, max_bytes })
    }

    /// How much of messages it is for.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// What came first of what waits. `None` once every feed is gone.
    pub async fn next(&mut self) -> Option<Incoming> {
        let incoming = self.receiver.recv().await?;
        self.taken(&incoming);
        Some(incoming)
    }

    /// What came first of what waits. `None` if nothing does.
    pub fn try_next(&mut self) -> Option<Incoming> {
        let incoming = self.receiver.try_recv().ok()?;
        self.taken(&incoming);
        Some(incoming)
    }

    fn taken(&self, incoming: &Incoming) {
        if let Incoming::Message { payload, .. } = incoming {
            self.waiting.fetch_sub(payload.len() + OVERHEAD, Ordering::Relaxed);
        }
    }
}

impl Feed {
    /// Puts a message in. `false` if it was dropped because too much waits: the driver must drop its link, as messages
    /// have been lost. A message that finds the inbox empty always goes in.
    #[must_use]
    pub fn message(&self, topic: Topic, payload: Bytes) -> bool {
        let bytes = payload.len() + OVERHEAD;
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        if before > 0 && before + bytes > self.max_bytes {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        // Nobody reads any more when the node stops.
        let _ = self.sender.send(Incoming::Message { topic, payload });
        true
    }

    /// Tells how the link is. A driver tells changes only.
    pub fn link(&self, link: Link) {
        let _ = self.sender.send(Incoming::Link(link));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_bounded_and_room_comes_back() {
        let (feed, mut inbox) = Inbox::new(1000);
        let topic = Topic::new(&["a"]);
        let large = Bytes::from(vec![0; 2000]);
        assert!(feed.message(topic.clone(), large.clone()));
        assert!(!feed.message(topic.clone(), Bytes::new()));
        feed.link(Link::Down);
        assert_eq!(inbox.next().await, Some(Incoming::Message { topic: topic.clone(), payload: large }));
        assert_eq!(inbox.next().await, Some(Incoming::Link(Link::Down)));
        for _ in 0..7 {
            assert!(feed.message(topic.clone(), Bytes::new()));
        }
        assert!(!feed.message(topic, Bytes::new()));
        drop(feed);
        for _ in 0..7 {
            assert!(inbox.next().await.is_some());
        }
        assert_eq!(inbox.next().await, None);
    }
}
