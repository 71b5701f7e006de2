//! Which channels' topics this node is subscribed to: those it has subscribers of, those somebody is about to subscribe
//! to, and for a moment those that have just lost their last one, as people reload pages.

use crate::broker::Topic;
use crate::protocol::{ChannelName, NodeId};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a topic without subscribers stays subscribed.
const LINGER: Duration = Duration::from_secs(1);

/// Nodes of which a topic knows what was heard last; of more, the first ones are gone for long.
const MOST_HEARD: usize = 64;

/// The topics of one node.
#[derive(Clone, Debug, Default)]
pub struct Interests(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    topics: HashMap<Topic, Interest>,
    /// Topics that somebody has let go of, oldest first. Some of them are held again.
    idle: VecDeque<(Instant, Topic)>,
    /// The highest number heard from each node, on any topic.
    heard: Arc<Vec<(NodeId, u64)>>,
}

#[derive(Debug)]
struct Interest {
    app: Arc<str>,
    channel: ChannelName,
    /// Turns `true` once the bus has acknowledged the subscription, or does not in time.
    stands: watch::Receiver<bool>,
    pins: usize,
    since: Instant,
    /// The highest number heard from each node before: a node that does not know whether the bus has handed out what it
    /// said says it again, maybe to subscribers who have left and come back.
    before: Arc<Vec<(NodeId, u64)>>,
    /// The last number heard from each node: what is not above it is a repeat.
    heard: Vec<(NodeId, u64)>,
    /// Whether a cache channel's last event is known here: the bus was asked for it, or a younger one has come.
    recalled: bool,
}

/// Keeps a topic subscribed while somebody is about to subscribe to its channel.
#[derive(Debug)]
pub struct Pin {
    interests: Interests,
    topic: Topic,
}

/// A pinned topic.
#[derive(Debug)]
pub struct Pinned {
    /// The pin.
    pub pin: Pin,
    /// Turns `true` once the subscription stands.
    pub stands: watch::Receiver<bool>,
    /// To be told when it does, if the topic has to be subscribed first: by whoever gets this.
    pub subscribe: Option<watch::Sender<bool>>,
}

impl Pinned {
    /// Whether the subscription stands.
    pub fn is_ready(&self) -> bool {
        *self.stands.borrow()
    }

    /// Waits until it does.
    pub async fn ready(mut self) -> Pin {
        // If the task that subscribes is gone, so is the runtime.
        let _ = self.stands.wait_for(|stands| *stands).await;
        self.pin
    }
}

impl Interests {
    /// Pins a channel's topic.
    pub fn pin(&self, topic: Topic, app: &str, channel: &ChannelName) -> Pinned {
        let mut subscribe = None;
        let mut state = self.0.lock();
        let State { topics, heard, .. } = &mut *state;
        let interest = topics.entry(topic.clone()).or_insert_with(|| {
            let (sender, stands) = watch::channel(false);
            subscribe = Some(sender);
            Interest {
                app: app.into(),
                channel: channel.clone(),
                stands,
                pins: 0,
                since: super::now(),
                before: heard.clone(),
                heard: Vec::new(),
                recalled: false,
            }
        });
        interest.pins += 1;
        let stands = interest.stands.clone();
        drop(state);
        Pinned { pin: Pin { interests: self.clone(), topic }, stands, subscribe }
    }

    /// Whose topic it is, for an event that `node` has numbered, which newcomers are to get if it is `kept`; `None` if
    /// nobody is interested, or it is a repeat, or it was `born` before anybody was interested.
    pub fn hear(
        &self,
        topic: &Topic,
        node: NodeId,
        number: u64,
        kept: bool,
        born: Option<Instant>,
    ) -> Option<(Arc<str>, ChannelName)> {
        let mut state = self.0.lock();
        let State { topics, heard, .. } = &mut *state;
        let interest = topics.get_mut(topic).filter(|interest| born.is_none_or(|born| born >= interest.since))?;
        if number <= last(&interest.before, node).max(last(&interest.heard, node)) {
            return None;
        }
        note(&mut interest.heard, node, number);
        interest.recalled |= kept;
        if number > last(heard, node) {
            note(Arc::make_mut(heard), node, number);
        }
        Some((interest.app.clone(), interest.channel.clone()))
    }

    /// Whether what the bus has is news of a topic: nothing that newcomers get has come on it, which would be younger, or
    /// the same. From then on it is no news.
    pub fn recall(&self, topic: &Topic) -> bool {
        let mut state = self.0.lock();
        state.topics.get_mut(topic).is_some_and(|interest| !std::mem::replace(&mut interest.recalled, true))
    }

    /// Takes note that what `node` has numbered was heard, though not on the topic.
    pub fn heard(&self, topic: &Topic, node: NodeId, number: u64) {
        if let Some(interest) = self.0.lock().topics.get_mut(topic)
            && number > last(&interest.heard, node)
        {
            note(&mut interest.heard, node, number);
        }
    }

    /// Whether somebody is interested in a topic whose last event the bus could not be asked for.
    pub fn lacks(&self, topic: &Topic) -> bool {
        self.0.lock().topics.get(topic).is_some_and(|interest| !interest.recalled)
    }

    /// Whether something that `node` has numbered has been heard of a topic, or would count as a repeat.
    pub fn has_heard(&self, topic: &Topic, node: NodeId, number: u64) -> bool {
        let state = self.0.lock();
        let interest = state.topics.get(topic);
        interest.is_some_and(|interest| number <= last(&interest.before, node).max(last(&interest.heard, node)))
    }

    /// The topics of cache channels, and whose they are.
    pub fn cached(&self) -> Vec<(Topic, Arc<str>, ChannelName)> {
        let state = self.0.lock();
        let cached = state.topics.iter().filter(|(_, interest)| interest.channel.is_cache());
        cached.map(|(topic, interest)| (topic.clone(), interest.app.clone(), interest.channel.clone())).collect()
    }

    /// Takes note that a topic's channel may have lost its last subscriber.
    pub fn idle(&self, topic: Topic, now: Instant) {
        self.0.lock().idle.push_back((now, topic));
    }

    /// Gives up topics that have been idle for a while and that nobody needs, each by `unsubscribe` before anybody can
    /// pin it again. `is_needed` says whether a channel of an app has subscribers.
    pub fn release(&self, now: Instant, is_needed: impl Fn(&str, &ChannelName) -> bool, unsubscribe: impl Fn(&Topic)) {
        let mut state = self.0.lock();
        while let Some((_, topic)) = state.idle.pop_front_if(|(since, _)| now >= *since + LINGER) {
            let free = |interest: &Interest| interest.pins == 0 && !is_needed(&interest.app, &interest.channel);
            if state.topics.get(&topic).is_some_and(free) {
                state.topics.remove(&topic);
                unsubscribe(&topic);
            }
        }
    }

    /// Topics subscribed.
    pub fn len(&self) -> usize {
        self.0.lock().topics.len()
    }

    /// Whether no topic is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The last number of a node; 0, which none has, if there is none.
fn last(heard: &[(NodeId, u64)], node: NodeId) -> u64 {
    heard.iter().find(|(known, _)| *known == node).map_or(0, |(_, number)| *number)
}

fn note(heard: &mut Vec<(NodeId, u64)>, node: NodeId, number: u64) {
    match heard.iter_mut().find(|(known, _)| *known == node) {
        Some((_, last)) => *last = number,
        None => {
            if heard.len() == MOST_HEARD {
                heard.remove(0);
            }
            heard.push((node, number));
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.interests.0.lock();
        if let Some(interest) = state.topics.get_mut(&self.topic) {
            interest.pins -= 1;
            if interest.pins == 0 {
                state.idle.push_back((super::now(), self.topic.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn topic(name: &str) -> Topic {
        Topic::new(&["t", name])
    }

    fn pin(interests: &Interests, name: &str) -> Pinned {
        interests.pin(topic(name), "app", &ChannelName::parse(name, 164).unwrap())
    }

    fn release(interests: &Interests, now: Instant, needed: &[&str]) -> Vec<String> {
        let released = RefCell::new(Vec::new());
        let is_needed = |_: &str, channel: &ChannelName| needed.contains(&channel.as_str());
        interests.release(now, is_needed, |topic| released.borrow_mut().push(topic.as_str().to_owned()));
        released.into_inner()
    }

    #[test]
    fn a_topic_is_subscribed_once_and_released_a_moment_after_the_last() {
        let (interests, soon) = (Interests::default(), Instant::now() + Duration::from_secs(60));
        let one = pin(&interests, "a");
        assert!(one.subscribe.is_some() && !*one.stands.borrow());
        let two = pin(&interests, "a");
        assert!(two.subscribe.is_none());
        one.subscribe.unwrap().send(true).unwrap();
        assert!(*two.stands.borrow());
        drop(one.pin);
        assert!(release(&interests, soon, &[]).is_empty(), "the other pin holds it");
        drop(two.pin);
        assert!(release(&interests, Instant::now(), &[]).is_empty(), "somebody may come back");
        assert!(release(&interests, soon, &["a"]).is_empty(), "somebody is subscribed");
        assert!(release(&interests, soon, &[]).is_empty(), "nobody has let go since");
        interests.idle(topic("a"), Instant::now());
        assert_eq!(release(&interests, soon, &[]), ["t.a"]);
        assert!(interests.is_empty());
        assert!(pin(&interests, "a").subscribe.is_some());
    }

    #[test]
    fn what_was_heard_is_a_repeat_for_those_who_come_back() {
        let (interests, soon) = (Interests::default(), Instant::now() + Duration::from_secs(60));
        let hear = |number| interests.hear(&topic("a"), NodeId(2), number, false, None).is_some();
        let first = pin(&interests, "a");
        assert!(hear(5));
        drop(first.pin);
        assert_eq!(release(&interests, soon, &[]), ["t.a"]);
        let _again = pin(&interests, "a");
        assert_eq!([hear(5), hear(6)], [false, true]);
        assert!(interests.hear(&topic("a"), NodeId(3), 1, false, None).is_some());
    }

    #[test]
    fn repeats_are_told_apart_for_each_node() {
        let interests = Interests::default();
        let _pin = pin(&interests, "a");
        let hear = |name, node, number| interests.hear(&topic(name), NodeId(node), number, false, None).is_some();
        assert_eq!([hear("a", 2, 5), hear("a", 2, 5), hear("a", 2, 4), hear("a", 2, 7)], [true, false, false, true]);
        assert!(hear("a", 3, 1));
        assert!(!hear("b", 2, 8), "nobody is interested");
        let born = |ago| Instant::now() - Duration::from_secs(ago);
        assert!(
            interests.hear(&topic("a"), NodeId(2), 9, false, Some(born(1))).is_none(),
            "nobody was interested then"
        );
        assert!(interests.hear(&topic("a"), NodeId(2), 9, false, Some(born(0))).is_some());
        (10..200).for_each(|node| assert!(hear("a", node, 1)));
        assert!(!hear("a", 199, 1) && hear("a", 10, 1));
    }

    #[test]
    fn what_the_bus_has_is_news_until_something_that_is_kept_has_come() {
        let interests = Interests::default();
        let lacks = || ["cache-a", "cache-b"].map(|name| interests.lacks(&topic(name)));
        let _pins = ["cache-a", "cache-b", "c"].map(|name| pin(&interests, name));
        let hear = |name, number, kept| interests.hear(&topic(name), NodeId(2), number, kept, None).is_some();
        assert!(hear("cache-a", 5, false) && hear("cache-b", 6, true));
        assert_eq!(lacks(), [true, false], "what clients say is not kept");
        assert_eq!(["cache-a", "cache-a", "cache-b"].map(|name| interests.recall(&topic(name))), [true, false, false]);
        assert_eq!(lacks(), [false, false]);
        interests.heard(&topic("cache-a"), NodeId(2), 4);
        assert!(!hear("cache-a", 5, true));
        interests.heard(&topic("cache-a"), NodeId(2), 9);
        assert!(!hear("cache-a", 9, true));
    }
}
