//! Several nodes as one.
//!
//! Each node alone says what is so on it (facts), numbered, on a topic that all nodes hear; everything else is worked out
//! by each of them from what all say. Events go to the channel's own topic, which only nodes with subscribers hear.
//!
//! Must not know: sockets, HTTP, or which driver the bus has.

mod actor;
mod catching;
mod complaint;
mod echo;
pub mod interests;
mod kept;
mod lanes;
mod lately;
mod log;
pub mod message;
pub mod outgoing;
pub mod peers;
mod room;
mod seal;
mod sending;
mod telling;
#[cfg(test)]
mod tests;
mod view;
pub mod wire;

use crate::broker::{Broker, Error, Topic};
use crate::hub::{Hub, Hubs};
use crate::metrics::Metrics;
use crate::protocol::signature::Secret;
use crate::protocol::{ChannelName, Frame, NodeId, SocketId, UserId};
pub use actor::Actor;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use interests::Interests;
pub use interests::{Pin, Pinned};
use log::Log;
use message::{Keep, Kind};
pub use outgoing::Limits;
use outgoing::Outgoing;
use parking_lot::RwLock;
pub use sending::Sending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use view::Lag;
pub use view::{About, Health, Identity, LinkState, Seen};
use wire::{Envelope, Said};

/// How long a subscriber waits for the bus: longer than it takes to find the link dead. Where it is, a subscriber is taken
/// in at once, and what others publish reaches it when the link is back.
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(10);
/// How long a subscriber of a cache channel waits for its last event.
const RECALL_WITHIN: Duration = Duration::from_secs(2);
/// Between two tries to recall a cache channel's last event from a bus that does not answer.
const RECALL_AGAIN: Duration = Duration::from_millis(250);
/// Last events that are recalled at a time.
const RECALLS: usize = 64;

/// This node as one of several. Clones are the same node.
#[derive(Clone, Debug)]
pub struct Cluster(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    me: Identity,
    settings: Settings,
    /// The topic that all nodes hear.
    control: Topic,
    broker: Broker,
    hubs: Hubs,
    outgoing: Outgoing,
    interests: Interests,
    metrics: Arc<Metrics>,
    /// Whether the link is up, and since when that is so.
    link: RwLock<(bool, Instant)>,
    /// Whether what was missed while the link was down has been made good.
    settled: AtomicBool,
    /// The other nodes.
    others: RwLock<Vec<Seen>>,
    lag: Lag,
    log: Log,
    /// Whether what the others have said is to be asked for again, because not all of it was taken note of.
    relearn: AtomicBool,
}

/// The last event of a cache channel, who published it with which number, and for how long it is still kept.
struct Last {
    left: Duration,
    origin: NodeId,
    number: u64,
    frame: Frame,
}

/// How nodes find and trust each other.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What all topics start with: nodes with the same prefix on the same bus are one cluster.
    pub prefix: String,
    /// What everything said is sealed with, if it is.
    pub key: Option<Secret>,
    /// How much may wait for the bus, and may be repeated.
    pub limits: Limits,
}

impl From<&crate::config::Cluster> for Settings {
    fn from(config: &crate::config::Cluster) -> Self {
        let limits = Limits {
            outage_bytes: config.outage_bytes,
            outage: Duration::from_secs(config.outage_secs.into()),
            repeat_bytes: config.repeat_bytes,
        };
        Self { prefix: config.prefix.clone(), key: config.key.as_deref().map(Secret::new), limits }
    }
}

/// The time by the runtime's clock, which tests can wind.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Cluster {
    /// The node `me` with its hubs, which start taking notes.
    pub fn new(me: Identity, settings: Settings, broker: Broker, hubs: Hubs, metrics: Arc<Metrics>) -> Self {
        hubs.all().values().for_each(|hub| hub.share());
        let control = Topic::new(&[&settings.prefix, "$nodes"]);
        let log = Log::new(&settings.prefix);
        let outgoing = Outgoing::new(settings.limits);
        let (interests, link) = (Interests::default(), RwLock::new((false, now())));
        let settled = AtomicBool::new(false);
        let (others, lag) = (RwLock::default(), Lag::default());
        Self(Arc::new(Shared {
            me,
            settings,
            control,
            broker,
            hubs,
            outgoing,
            interests,
            metrics,
            link,
            settled,
            others,
            lag,
            log,
            relearn: AtomicBool::new(false),
        }))
    }

    /// Lets a hub that was added later take its notes, and asks the others for what they have said of its app.
    pub fn added(&self, hub: &Hub) {
        hub.share();
        self.0.relearn.store(true, Ordering::Relaxed);
    }

    /// Whether the link to the bus is up.
    pub fn is_up(&self) -> bool {
        self.0.link.read().0
    }

    /// Whether an event may be published: if not, other nodes could not get it in time.
    pub fn accepts(&self) -> bool {
        self.0.outgoing.accepts(now())
    }

    /// Sends an event to the subscribers on other nodes, and to newcomers there for `keep`, if that is given. Those here
    /// have it.
    pub fn publish(
        &self,
        app: &str,
        channel: &ChannelName,
        except: Option<SocketId>,
        keep: Option<Duration>,
        frame: &Frame,
    ) {
        let said = Said::Event { except, kept: keep.is_some(), frame: frame.clone() };
        let keep = keep.map(|ttl| Keep { key: self.key(app, channel), ttl });
        self.say(Kind::Event, self.topic(app, channel), keep, said);
    }

    /// Ends the connections that are signed in as `user` on other nodes.
    pub fn end_user(&self, app: &str, user: &UserId) {
        let said = Said::EndUser { app: app.to_owned(), user: user.clone() };
        self.say(Kind::Command, self.0.control.clone(), None, said);
    }

    /// Ends the connections that are subscribed to `channel` on other nodes.
    pub fn end_channel(&self, app: &str, channel: &ChannelName) {
        let said = Said::EndChannel { app: app.to_owned(), channel: channel.clone() };
        self.say(Kind::Command, self.0.control.clone(), None, said);
    }

    /// Sees to it that what is published on a channel anywhere arrives here, from when `stands` turns true.
    pub fn pin(&self, app: &str, channel: &ChannelName) -> Pinned {
        let topic = self.topic(app, channel);
        let mut pinned = self.0.interests.pin(topic.clone(), app, channel);
        if let Some(stands) = pinned.subscribe.take() {
            let (cluster, app, channel) = (self.clone(), app.to_owned(), channel.clone());
            // Nobody waits for it by itself: whoever is about to subscribe may be gone before it is done.
            tokio::spawn(async move {
                match cluster.open(&topic, &app, &channel).await {
                    Ok(()) => {}
                    Err(Error::Refused(why)) => tracing::error!(
                        topic = topic.as_str(),
                        "the bus does not give a channel's events, or its last one, to this node: {why}"
                    ),
                    Err(Error::Down) => {
                        tracing::debug!(topic = topic.as_str(), "the bus has not taken a subscription yet");
                    }
                }
                stands.send_replace(true);
                cluster.recall_late(&topic, &app, &channel).await;
            });
        }
        pinned
    }

    /// Subscribes a channel's topic, and then recalls the channel's last event: what comes after that comes on the topic.
    async fn open(&self, topic: &Topic, app: &str, channel: &ChannelName) -> Result<(), Error> {
        let since = now();
        let Ok(stands) = timeout(SUBSCRIBE_WITHIN, self.0.broker.subscribe(topic)).await else {
            self.0.metrics.bus_lost_total.add(1);
            tracing::warn!(
                topic = topic.as_str(),
                "the bus has not taken a subscription in time: what others publish until it does may be lost"
            );
            return Err(Error::Down);
        };
        stands?;
        if channel.is_cache() {
            let found = timeout(RECALL_WITHIN, self.last(app, channel)).await.unwrap_or(Err(Error::Down))?;
            if let Some((origin, number)) = self.recalled(topic, app, channel, found, since) {
                // It comes on the topic as well, if it is only just being published.
                self.0.interests.heard(topic, origin, number);
            }
        }
        Ok(())
    }

    /// Recalls a cache channel's last event once the bus can be asked, if it could not be when its topic was opened, and
    /// nothing is about to come on the topic: that is for those who are there, and would come to newcomers twice.
    async fn recall_late(&self, topic: &Topic, app: &str, channel: &ChannelName) {
        let is_settled = || self.0.settled.load(Ordering::Relaxed);
        while channel.is_cache() && self.0.interests.lacks(topic) {
            sleep(RECALL_AGAIN).await;
            if !is_settled() {
                continue;
            }
            let since = now();
            let found = match self.last(app, channel).await {
                Ok(found) => found,
                Err(Error::Down) => continue,
                Err(Error::Refused(_)) => return,
            };
            // If it has only just been published, it comes meanwhile.
            sleep(RECALL_AGAIN).await;
            if is_settled() {
                self.recalled(topic, app, channel, found, since);
            }
        }
    }

    /// Gives newcomers what the bus keeps of a cache channel, unless this node has a younger event. Who said it, and the
    /// number.
    fn recalled(
        &self,
        topic: &Topic,
        app: &str,
        channel: &ChannelName,
        found: Option<Last>,
        since: Instant,
    ) -> Option<(NodeId, u64)> {
        if !self.0.interests.recall(topic) {
            return None;
        }
        let Last { left, origin, number, frame } = found?;
        self.0.hubs.get(app)?.recall(channel, &frame, left, since, now());
        Some((origin, number))
    }

    /// Recalls the last events of all cache channels once everybody has repeated what this node missed: what several of
    /// them repeat comes here in another order than the bus had it in.
    async fn recall_all(self) {
        // What has just been handed out is before that, and does not win over what is recalled.
        sleep(Duration::from_millis(5)).await;
        let since = now();
        let recall = |(topic, app, channel)| self.recall_heard(topic, app, channel, since);
        stream::iter(self.0.interests.cached()).for_each_concurrent(RECALLS, recall).await;
    }

    /// Recalls a channel's last event, unless it is still to come on the topic.
    async fn recall_heard(&self, topic: Topic, app: Arc<str>, channel: ChannelName, since: Instant) {
        let Shared { hubs, interests, me, .. } = &*self.0;
        if let Ok(Some(Last { left, origin, number, frame })) = self.last(&app, &channel).await
            && (origin == me.id || interests.has_heard(&topic, origin, number))
            && let Some(hub) = hubs.get(&app)
        {
            hub.recall(&channel, &frame, left, since, now());
        }
    }

    /// The last event that the bus keeps of a cache channel, unless a younger one waits here for the bus, which newcomers
    /// here get already.
    async fn last(&self, app: &str, channel: &ChannelName) -> Result<Option<Last>, Error> {
        let Shared { broker, outgoing, settings, .. } = &*self.0;
        let key = self.key(app, channel);
        let found = if outgoing.keeps(&key) { None } else { broker.recall(&key).await? };
        Ok(match found.and_then(|bytes| kept::read(&bytes, &key, &self.topic(app, channel), settings.key.as_ref())) {
            Some((left, Envelope { origin, number, said: Said::Event { frame, .. } })) => {
                Some(Last { left, origin, number, frame })
            }
            _ => None,
        })
    }

    /// Repeats what others have asked for, tells them that this node stops, and waits until the bus has taken that and
    /// all that waited before it: for twice as long as `patience` at most.
    pub async fn leave(&self, patience: Duration) {
        let outgoing = &self.0.outgoing;
        let wait = async |is_over: &dyn Fn() -> bool| {
            while !is_over() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        // Nobody would hold anything back for a node that is gone.
        let repeated = timeout(patience, wait(&|| !outgoing.owes())).await;
        self.say(Kind::Farewell, self.0.control.clone(), None, Said::Leaving);
        let taken = timeout(patience, wait(&|| outgoing.bytes() == 0)).await;
        if repeated.is_err() || taken.is_err() {
            tracing::warn!(bytes = self.0.outgoing.bytes(), "the bus has not taken all that was said before the stop");
        }
    }

    /// Says something about this node to all others.
    fn tell(&self, said: Said) -> u64 {
        self.say(Kind::News, self.0.control.clone(), None, said)
    }

    /// Queues something to be said; its number.
    fn say(&self, kind: Kind, topic: Topic, keep: Option<Keep>, said: Said) -> u64 {
        let make = |number, topic: &Topic| self.envelope(number, topic, said);
        self.0.outgoing.push(kind, topic, keep, now(), make)
    }

    fn envelope(&self, number: u64, topic: &Topic, said: Said) -> Bytes {
        Envelope { origin: self.0.me.id, number, said }.encode(topic, self.0.settings.key.as_ref())
    }

    fn key(&self, app: &str, channel: &ChannelName) -> Topic {
        Topic::new(&[&self.0.settings.prefix, "$kept", app, channel.as_str()])
    }

    fn topic(&self, app: &str, channel: &ChannelName) -> Topic {
        Topic::new(&[&self.0.settings.prefix, app, channel.as_str()])
    }
}
