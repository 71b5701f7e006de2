//! What Redis sends unasked.

use super::super::{Feed, Topic};
use super::fault::Fault;
use redis::{PushInfo, PushKind, Value};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Takes what Redis sends unasked.
pub(super) struct Tap {
    feed: Feed,
    pub(super) fault: Fault,
    /// How much has come, so that a busy connection is not taken for a dead one.
    heard: AtomicUsize,
    /// Subscriptions that were asked to end and have not yet.
    ending: AtomicUsize,
}

impl Tap {
    pub(super) fn new(feed: Feed) -> Self {
        let (heard, ending) = Default::default();
        Self { feed, fault: Fault::default(), heard, ending }
    }

    /// How much has come so far.
    pub(super) fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }

    /// So many subscriptions are about to end because they were asked to.
    pub(super) fn expect_ends(&self, count: usize) {
        self.ending.fetch_add(count, Ordering::Relaxed);
    }

    /// Called in the order in which Redis sends.
    pub(super) fn take(&self, PushInfo { kind, data }: PushInfo) {
        self.heard.fetch_add(1, Ordering::Relaxed);
        match kind {
            PushKind::Message | PushKind::SMessage => self.message(data),
            PushKind::Disconnection => self.fault.set("it closed the connection"),
            PushKind::Unsubscribe | PushKind::SUnsubscribe => {
                // A cluster ends subscriptions by itself when a slot moves.
                let less = |ending: usize| ending.checked_sub(1);
                if self.ending.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
                    self.fault.set("it ended a subscription");
                }
            }
            _ => {}
        }
    }

    fn message(&self, data: Vec<Value>) {
        let Ok([Value::BulkString(channel), Value::BulkString(payload)]) = <[Value; 2]>::try_from(data) else { return };
        let Ok(name) = std::str::from_utf8(&channel) else { return };
        let taken = self.fault.unless(|| self.feed.message(Topic::named(name), payload.into()));
        if taken == Some(false) {
            self.fault.set("more came than this node takes in");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Inbox, Incoming};
    use super::*;

    fn text(text: &[u8]) -> Value {
        Value::BulkString(text.to_vec())
    }

    #[tokio::test]
    async fn whatever_is_sent_is_survived() {
        let (feed, mut inbox) = Inbox::new(1000);
        let tap = Tap::new(feed);
        let take = |kind: PushKind, data: Vec<Value>| tap.take(PushInfo { kind, data });
        for data in [
            vec![],
            vec![Value::Nil, Value::Nil],
            vec![text(b"a")],
            vec![text(b"a"), Value::Int(1)],
            vec![text(b"\xff"), text(b"x")],
            vec![text(b"a"), text(b"x"), text(b"x")],
        ] {
            take(PushKind::Message, data);
        }
        take(PushKind::Invalidate, vec![]);
        take(PushKind::Other("x".to_owned()), vec![]);
        take(PushKind::SMessage, vec![text(b"a"), text(b"x")]);
        let message = Incoming::Message { topic: Topic::named("a"), payload: "x".into() };
        assert_eq!(inbox.next().await, Some(message));
        assert!(!tap.fault.is_set());
    }

    #[tokio::test]
    async fn an_end_that_nobody_asked_for_is_a_fault() {
        let (feed, mut inbox) = Inbox::new(1000);
        let tap = Tap::new(feed);
        let end = || tap.take(PushInfo { kind: PushKind::SUnsubscribe, data: vec![] });
        tap.expect_ends(1);
        end();
        assert!(!tap.fault.is_set());
        end();
        assert_eq!(tap.fault.wait().await, "it ended a subscription");
        // Nothing gets in after the end.
        tap.take(PushInfo { kind: PushKind::Message, data: vec![text(b"a"), text(b"x")] });
        drop(tap);
        assert_eq!(inbox.next().await, None);
    }
}
