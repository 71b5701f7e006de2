//! What is to be subscribed, and what is.

use super::super::{Error, Topic};
use std::collections::{HashMap, HashSet};
use tokio::sync::oneshot;

type Answer = Result<(), Error>;

/// Topics, whether they are wanted and whether they stand. They are brought together in rounds, one after the other:
/// [`Topics::round`] says what to ask for, and [`Topics::settle`] what came of it.
#[derive(Default)]
pub(super) struct Topics {
    all: HashMap<Topic, Entry>,
    /// Those that the next round has to look at.
    dirty: HashSet<Topic>,
}

#[derive(Default)]
struct Entry {
    wanted: bool,
    /// Acknowledged, and not being ended.
    standing: bool,
    waiting: Vec<oneshot::Sender<Answer>>,
}

/// What one round asks for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Round {
    pub(super) subscribe: Vec<Topic>,
    pub(super) unsubscribe: Vec<Topic>,
}

impl Topics {
    /// Wants a topic. What comes of it, unless it stands already.
    pub(super) fn want(&mut self, topic: &Topic) -> Option<oneshot::Receiver<Answer>> {
        let entry = self.all.entry(topic.clone()).or_default();
        entry.wanted = true;
        if entry.standing {
            return None;
        }
        let (answer, waiting) = oneshot::channel();
        // Those who have given up meanwhile are not kept.
        entry.waiting.retain(|answer| !answer.is_closed());
        entry.waiting.push(answer);
        self.dirty.insert(topic.clone());
        Some(waiting)
    }

    /// Wants a topic no more.
    pub(super) fn unwant(&mut self, topic: &Topic) {
        if let Some(entry) = self.all.get_mut(topic) {
            entry.wanted = false;
            self.dirty.insert(topic.clone());
        }
    }

    /// Nothing stands, and nobody need wait: the connection is gone.
    pub(super) fn fall(&mut self) {
        self.all.retain(|_, entry| {
            entry.standing = false;
            entry.waiting.clear();
            entry.wanted
        });
        self.dirty = self.all.keys().cloned().collect();
    }

    /// What to ask for now. Nothing if all is as it should be.
    pub(super) fn round(&mut self) -> Option<Round> {
        let mut round = Round::default();
        for topic in self.dirty.drain() {
            let Some(entry) = self.all.get_mut(&topic) else { continue };
            match (entry.wanted, entry.standing) {
                (true, false) => round.subscribe.push(topic),
                (false, true) => {
                    entry.standing = false;
                    round.unsubscribe.push(topic);
                }
                (true, true) => {}
                (false, false) => drop(self.all.remove(&topic)),
            }
        }
        // A topic that has just been asked to end is forgotten, unless somebody wants it meanwhile.
        self.dirty.extend(round.unsubscribe.iter().cloned());
        (round != Round::default()).then_some(round)
    }

    /// Whether there is nothing for a round to look at.
    pub(super) fn settled(&self) -> bool {
        self.dirty.is_empty()
    }

    /// What came of subscribing a topic in the last round.
    pub(super) fn settle(&mut self, topic: &Topic, answer: &Answer) {
        let Some(entry) = self.all.get_mut(topic) else { return };
        entry.standing = answer.is_ok();
        for waiting in entry.waiting.drain(..) {
            let _ = waiting.send(answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(subscribe: &[&Topic], unsubscribe: &[&Topic]) -> Option<Round> {
        let owned = |topics: &[&Topic]| topics.iter().copied().cloned().collect();
        Some(Round { subscribe: owned(subscribe), unsubscribe: owned(unsubscribe) })
    }

    #[test]
    fn a_topic_stands_once_it_is_acknowledged() {
        let (mut topics, a) = (Topics::default(), Topic::new(&["a"]));
        let mut first = topics.want(&a).unwrap();
        assert_eq!(topics.round(), round(&[&a], &[]));
        let mut second = topics.want(&a).unwrap();
        topics.settle(&a, &Ok(()));
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(Ok(())), Ok(Ok(()))));
        assert!(topics.want(&a).is_none());
        assert_eq!(topics.round(), None);
    }

    #[test]
    fn an_end_never_overtakes_a_later_beginning() {
        let (mut topics, a) = (Topics::default(), Topic::new(&["a"]));
        topics.want(&a).unwrap();
        topics.unwant(&a);
        assert_eq!(topics.round(), None);
        assert!(topics.all.is_empty());

        topics.want(&a).unwrap();
        topics.round().unwrap();
        topics.unwant(&a);
        topics.settle(&a, &Ok(()));
        assert!(topics.want(&a).is_none(), "it stands, and nobody has asked to end it yet");
        assert_eq!(topics.round(), None);

        topics.unwant(&a);
        assert_eq!(topics.round(), round(&[], &[&a]));
        let mut again = topics.want(&a).unwrap();
        assert_eq!(topics.round(), round(&[&a], &[]));
        topics.settle(&a, &Ok(()));
        assert_eq!(again.try_recv(), Ok(Ok(())));

        topics.unwant(&a);
        topics.round().unwrap();
        assert_eq!(topics.round(), None);
        assert!(topics.all.is_empty() && topics.dirty.is_empty());
    }

    #[test]
    fn what_is_wanted_outlives_the_connection() {
        let (mut topics, a, b) = (Topics::default(), Topic::new(&["a"]), Topic::new(&["b"]));
        for topic in [&a, &b] {
            topics.want(topic).unwrap();
        }
        topics.round().unwrap();
        topics.settle(&a, &Ok(()));
        topics.settle(&b, &Err(Error::Refused("no".to_owned())));
        let mut waiting = topics.want(&b).unwrap();
        topics.unwant(&a);
        topics.fall();
        assert!(waiting.try_recv().is_err());
        assert_eq!(topics.round(), round(&[&b], &[]));
    }
}
