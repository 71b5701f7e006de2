//! A bus that tests can connect to and break.

use bytes::Bytes;
use fanfare::broker::{Broker, Inbox, Incoming, Link, Position, Topic};
use std::time::Duration;
use tokio::time::timeout;

/// Longer than anything takes that is going to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server of its kind, started for one test and stopped with it.
pub(crate) trait Bus {
    /// Connects a node that has nothing to do with others but the bus.
    async fn connect(&self) -> Node;
    /// Makes the bus unreachable for `node`, and all that are connected to the same server.
    async fn cut(&mut self, node: &Node);
    /// Lets them reach it again.
    async fn mend(&mut self, node: &Node);
}

/// A node's end.
pub(crate) struct Node {
    pub(crate) broker: Broker,
    pub(crate) inbox: Inbox,
}

impl Node {
    pub(crate) async fn next(&mut self) -> Incoming {
        timeout(PATIENCE, self.inbox.next()).await.expect("nothing came").expect("the driver is gone")
    }

    /// The next message; the link must not change before it.
    pub(crate) async fn message(&mut self) -> (Topic, Bytes) {
        match self.next().await {
            Incoming::Message { topic, payload } => (topic, payload),
            other => panic!("expected a message, got {other:?}"),
        }
    }

    /// Waits until the link is as said.
    pub(crate) async fn link(&mut self, link: Link) {
        while self.next().await != Incoming::Link(link) {}
    }

    pub(crate) async fn publish(&self, topic: &Topic, payload: &'static [u8]) {
        self.broker.publish(&[(topic.clone(), Bytes::from_static(payload))]).await.unwrap();
    }

    /// Publishes again and again until it is taken, for a link that may be down. It may arrive more than once.
    pub(crate) async fn publish_until_taken(&self, topic: &Topic, payload: &'static [u8]) {
        let batch = [(topic.clone(), Bytes::from_static(payload))];
        let publish = async {
            while self.broker.publish(&batch).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, publish).await.expect("it is never taken");
    }

    /// Everything in a log from a position on.
    pub(crate) async fn entries(&self, log: &Topic, mut from: Position) -> Vec<(Position, Bytes)> {
        let mut entries = Vec::new();
        loop {
            let more = self.broker.read(log, from, usize::MAX).await.unwrap();
            let Some((last, _)) = more.last() else { return entries };
            from = last.next();
            entries.extend(more);
        }
    }
}
