//! What is subscribed, or is to be with the next connection.

use crate::broker::Topic;
use futures_util::stream::{AbortHandle, AbortRegistration};
use std::collections::HashMap;

/// Topics that are wanted, and their subscriptions on the connection that stands.
#[derive(Default)]
pub(super) struct Topics(HashMap<Topic, Place>);

#[derive(Default)]
struct Place {
    /// Which of all subscriptions that were asked for on the connection.
    number: u64,
    /// Ends it, once it was made.
    abort: Option<AbortHandle>,
}

impl Topics {
    pub(super) fn all(&self) -> Vec<Topic> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn wants(&self, topic: &Topic) -> bool {
        self.0.contains_key(topic)
    }

    /// Wants a topic with the next connection.
    pub(super) fn want(&mut self, topic: Topic) {
        self.0.entry(topic).or_default();
    }

    /// Wants a topic that is being subscribed under this number.
    pub(super) fn ask(&mut self, topic: Topic, number: u64) {
        self.0.insert(topic, Place { number, abort: None });
    }

    /// Takes note that the subscription of this number was made. `None` if nobody wants it any more: the topic may have
    /// been unsubscribed meanwhile, and even subscribed again.
    pub(super) fn made(&mut self, topic: &Topic, number: u64) -> Option<AbortRegistration> {
        let place = self.0.get_mut(topic).filter(|place| place.number == number)?;
        let (abort, registration) = AbortHandle::new_pair();
        place.abort = Some(abort);
        Some(registration)
    }

    /// Wants a topic no more, and ends its subscription.
    pub(super) fn forget(&mut self, topic: &Topic) {
        if let Some(Place { abort: Some(abort), .. }) = self.0.remove(topic) {
            abort.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_subscription_of_a_topic_counts() {
        let (mut topics, a) = (Topics::default(), Topic::new(&["a"]));
        topics.ask(a.clone(), 1);
        topics.forget(&a);
        assert!(topics.made(&a, 1).is_none());
        topics.ask(a.clone(), 2);
        assert!(topics.made(&a, 1).is_none());
        assert!(topics.made(&a, 2).is_some());
        topics.want(a.clone());
        assert!(topics.made(&a, 2).is_some(), "it is as it was");
        assert_eq!(topics.all(), [a]);
    }
}
