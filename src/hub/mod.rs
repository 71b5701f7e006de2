//! The state: one app's connections and channels on this node.
//!
//! Synchronous throughout; locks are taken in the order map shard, `Channel`, `Outbox`, and a map guard lives for one
//! expression. Must not know: sockets, HTTP, other nodes, or anything that awaits.

mod activity;
mod arrivals;
mod cache;
mod channel;
mod elsewhere;
mod gauges;
mod hubs;
mod journal;
mod listing;
mod occupancy;
mod outbox;
mod registration;
mod shared;
mod slow;
mod tally;
#[cfg(test)]
mod tests;
mod totals;
mod transitions;
mod users;

use crate::app::App;
use crate::feed::Feed;
use crate::metrics::AppMetrics;
use crate::protocol::presence::Member;
use crate::protocol::{ChannelName, CloseCode, Frame, SocketId, UserId};
use crate::rates::Rate;
use activity::Activity;
pub use activity::Volume;
use arc_swap::{ArcSwap, Guard};
use arrivals::Arrivals;
use cache::Cache;
pub use cache::Cached;
pub use channel::Counts;
use channel::{Channel, Delivery, Newcomer, Notes, Refused};
use dashmap::{DashMap, Entry};
pub use gauges::Gauges;
pub use hubs::Hubs;
use journal::Journal;
pub use journal::{Changes, Fact};
pub use listing::{Filter, Listed, Page, Stats};
pub use outbox::{Outbox, Push};
use parking_lot::Mutex;
pub use registration::{Registration, Subscription};
use slow::Slow;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
pub use totals::Share;
use totals::Totals;
use transitions::Transitions;
pub use transitions::{Change, Gap, Transition};
use users::Users;
pub use users::{Online, SignIn};

/// Map shards: enough for the cores of a large machine, few enough that an empty app costs a few KiB.
const SHARDS: usize = 16;

/// One app's connections and channels on this node.
#[derive(Debug)]
pub struct Hub {
    app: ArcSwap<App>,
    /// Why nobody is let in any more, if so.
    shut: Mutex<Option<CloseCode>>,
    metrics: Arc<AppMetrics>,
    channels: DashMap<ChannelName, Arc<Channel>>,
    sockets: DashMap<SocketId, Arc<Outbox>>,
    users: Users,
    cache: Cache,
    activity: Activity,
    journal: Journal,
    transitions: Transitions,
    feed: Arc<Feed>,
    /// Channels whose subscribers are to be told later how many they are.
    tallies: Mutex<Vec<Arc<Channel>>>,
    totals: Totals,
    slow: Slow,
    arrivals: Arrivals,
    /// Events of back ends.
    pub events: Rate,
    /// What back ends ask.
    pub reads: Rate,
}

/// The channel has all the members it may have (M4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Where an event went.
#[derive(Debug, Default)]
pub struct Reach {
    /// Connections that will get it.
    pub connections: usize,
    /// One of them that has much waiting already, if any has: publishing more at once could overrun it.
    pub crowded: Option<Arc<Outbox>>,
}

impl Hub {
    /// An empty hub for `app`, started at `now`.
    pub fn new(app: Arc<App>, metrics: Arc<AppMetrics>, now: Instant) -> Self {
        let feed = Arc::<Feed>::default();
        Self {
            cache: Cache::new(&app.limits),
            arrivals: Arrivals::new(&app.limits),
            events: Rate::new(app.limits.events_per_second),
            reads: Rate::new(app.limits.reads_per_second),
            transitions: Transitions::new(&app, feed.clone()),
            feed,
            app: ArcSwap::new(app),
            shut: Mutex::default(),
            metrics,
            channels: DashMap::with_shard_amount(SHARDS),
            sockets: DashMap::with_shard_amount(SHARDS),
            users: Users::default(),
            activity: Activity::new(now),
            journal: Journal::default(),
            tallies: Mutex::default(),
            totals: Totals::default(),
            slow: Slow::default(),
        }
    }

    /// The app whose hub this is, as it is configured now.
    pub fn app(&self) -> Guard<Arc<App>> {
        self.app.load()
    }

    /// Where what happens in the app is told.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// Takes note of how the app is configured from now on. Those who are here stay; what they have been told and given
    /// stays as it is.
    pub fn configure(&self, app: Arc<App>) {
        if app.enabled {
            *self.shut.lock() = None;
        }
        // Who watches has proved that with a key of the app as it was.
        if self.app().keys != app.keys {
            self.feed.cut();
        }
        self.cache.configure(&app.limits);
        self.arrivals.configure(&app.limits);
        self.events.configure(app.limits.events_per_second);
        self.reads.configure(app.limits.reads_per_second);
        self.transitions.configure(&app);
        self.app.store(app);
    }

    /// Lets nobody in any more, and ends every connection.
    pub fn shut(&self, close: CloseCode) {
        *self.shut.lock() = Some(close);
        self.feed.cut();
        self.outboxes().iter().for_each(|outbox| outbox.close(close));
    }

    /// Takes note of what becomes of channels no longer, until the app is configured again: nobody is told.
    pub fn forget_transitions(&self) {
        self.transitions.end();
    }

    /// Has how all channels stand told with what becomes of them next, because somebody has not heard of what was before.
    pub fn ask_standing(&self) {
        self.transitions.ask();
    }

    /// Whether nobody is here, on this node or on another.
    pub fn is_deserted(&self) -> bool {
        self.sockets.is_empty() && self.channels.is_empty()
    }

    /// Why nobody is let in any more, if so.
    pub fn is_shut(&self) -> Option<CloseCode> {
        *self.shut.lock()
    }

    /// Gives a new connection from `address` an id and an outbox, unless one of the app's limits forbids it (1.9). Where
    /// connections have to be authorized, they count from then on (1.8).
    pub fn register(self: &Arc<Self>, address: Option<IpAddr>, now: Instant) -> Result<Registration, CloseCode> {
        let arrival = self.arrive_from(address)?.map(Box::new);
        let counted = !self.app().features.authorized_connections;
        if counted && !self.count_one() {
            return Err(CloseCode::OverQuota);
        }
        self.totals.connect();
        let outbox = Arc::new(Outbox::new(self.app().limits.outbox_bytes, now));
        loop {
            let bits = getrandom::u64().expect("the operating system gives random numbers");
            let socket = SocketId::from_random(bits);
            // An id is given out once at a time, however unlikely a second draw is.
            if let Entry::Vacant(place) = self.sockets.entry(socket) {
                place.insert(outbox.clone());
                return Ok(Registration {
                    hub: self.clone(),
                    socket,
                    outbox,
                    counted: counted.into(),
                    _arrival: arrival,
                });
            }
        }
    }

    /// Subscribes a connection. Its outbox holds the confirmation when this returns. `member` is given on presence
    /// channels and only there. What the others heard of it has gone where the [`Reach`] says.
    pub fn subscribe(
        self: &Arc<Self>,
        name: &ChannelName,
        connection: &Registration,
        member: Option<&Member>,
        now: Instant,
    ) -> Result<(Subscription, Reach), Full> {
        let Registration { socket, outbox, .. } = connection;
        let cache = name.is_cache().then_some(&self.cache);
        let new = Newcomer { socket: *socket, outbox, member, cache };
        loop {
            let channel = self.channels.entry(name.clone()).or_insert_with(|| Arc::new(self.fresh(name))).clone();
            match channel.join(new, self.app().limits.max_presence_members, now, self.notes()) {
                Ok(delivery) => {
                    self.report(&channel, &delivery);
                    let member = member.map(|member| member.id.clone());
                    return Ok((Subscription { hub: self.clone(), channel, socket: *socket, member }, delivery.into()));
                }
                Err(Refused::Full) => return Err(Full),
                Err(Refused::Retired) => self.forget(&channel),
            }
        }
    }

    /// Queues what a client says, the frame made by `encode`, for every subscriber of the channel but `except`. It is
    /// not made if the channel has none.
    pub fn relay(
        &self,
        name: &ChannelName,
        except: Option<SocketId>,
        now: Instant,
        encode: impl FnOnce() -> Frame,
    ) -> Reach {
        let delivery = self.deliver(name, except, || self.stamped(&encode(), now));
        self.activity.pass(now, || self.event_totals());
        self.metrics.client_events_total.add(1);
        self.metrics.deliveries_total.add(delivery.queued);
        delivery.into()
    }

    /// Queues what a back end publishes, the frame made by `encode`, for every subscriber of the channel but `except`.
    /// It is not made if nobody is there for it, now or, on a cache channel, later (K1, K3).
    pub fn publish(
        &self,
        name: &ChannelName,
        except: Option<SocketId>,
        now: Instant,
        encode: impl FnOnce() -> Frame,
    ) -> Reach {
        let encode = || self.stamped(&encode(), now);
        let delivery =
            if name.is_cache() { self.keep(name, except, now, &encode()) } else { self.deliver(name, except, encode) };
        self.activity.pass(now, || self.event_totals());
        self.metrics.published_total.add(1);
        self.metrics.deliveries_total.add(delivery.queued);
        delivery.into()
    }

    fn deliver(&self, name: &ChannelName, except: Option<SocketId>, encode: impl FnOnce() -> Frame) -> Delivery {
        let Some(channel) = self.channel(name) else { return Delivery::default() };
        let delivery = channel.deliver(&encode(), except);
        self.metrics.encodings_total.add(1);
        self.report(&channel, &delivery);
        delivery
    }

    /// Delivers a frame and keeps it for newcomers.
    fn keep(&self, name: &ChannelName, except: Option<SocketId>, now: Instant, frame: &Frame) -> Delivery {
        self.metrics.encodings_total.add(1);
        let keep = || {
            // Newcomers get it whenever they come: for them it is not late.
            self.report_forgotten(self.cache.keep(name, &frame.unstamped(), now));
            self.transitions.fill(name);
        };
        loop {
            let channel = match self.channels.entry(name.clone()) {
                // Kept while the map's shard is locked: whoever makes the channel finds it in the cache.
                Entry::Vacant(_) => {
                    keep();
                    return Delivery::default();
                }
                Entry::Occupied(channel) => channel.get().clone(),
            };
            if let Some(delivery) = channel.deliver_kept(frame, except, keep) {
                self.report(&channel, &delivery);
                return delivery;
            }
            self.forget(&channel);
        }
    }

    /// The last event of a cache channel, while it is kept.
    pub fn cached(&self, name: &ChannelName, now: Instant) -> Option<Cached> {
        self.cache.look(name, now)
    }

    /// Ends every connection signed in as `user` that was made by `until` with 4009 (4.4). How many there were.
    pub fn terminate_user(&self, user: &UserId, until: Instant) -> usize {
        terminate(self.users.sessions(user), until)
    }

    /// Ends every connection subscribed to the channel that was made by `until` with 4009. How many there were.
    pub fn terminate_channel(&self, name: &ChannelName, until: Instant) -> usize {
        terminate(self.channel(name).map(|channel| channel.sockets()).unwrap_or_default(), until)
    }

    /// Does what is due at `now`: to be called a few times a second.
    pub fn sweep(&self, now: Instant) {
        self.cache.expire(now);
        let slow = self.metrics.closed_over_bytes_total.get() + self.metrics.closed_over_deadline_total.get();
        if let Some(connections) = self.slow.due(slow, now) {
            tracing::warn!(
                app.id = self.app().id,
                connections,
                "connections were ended because they do not read fast enough (told once a minute; at debug for each)"
            );
        }
        let due = std::mem::take(&mut *self.tallies.lock());
        for channel in due {
            let delivery = channel.tally_later(now);
            self.report(&channel, &delivery);
        }
    }

    /// Ready once something has become of channels that the app's webhooks tell of.
    pub fn poll_transitions(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.transitions.poll_ready(cx)
    }

    /// What has become of channels, here and on other nodes, since the last time, of what the app's webhooks tell of; and
    /// why how all of them stand is to be told as well, if so.
    pub fn transitions(&self) -> (Vec<Transition>, Option<Gap>) {
        self.transitions.take()
    }

    /// Connections registered.
    pub fn connections(&self) -> usize {
        self.totals.connections()
    }

    /// Channels with a subscriber here.
    pub fn channels(&self) -> usize {
        // Collected first: a channel's lock is not taken under that of the map.
        let channels: Vec<_> = self.channels.iter().map(|entry| entry.value().clone()).collect();
        channels.iter().filter(|channel| channel.connections_here() > 0).count()
    }

    /// The outboxes of all connections, to close them.
    pub fn outboxes(&self) -> Vec<Arc<Outbox>> {
        self.sockets.iter().map(|socket| socket.value().clone()).collect()
    }

    fn notes(&self) -> Notes<'_> {
        Notes { journal: &self.journal, transitions: &self.transitions, here: &self.totals.here }
    }

    fn fresh(&self, name: &ChannelName) -> Channel {
        Channel::new(name.clone(), self.app().features.subscription_count_events)
    }

    fn channel(&self, name: &ChannelName) -> Option<Arc<Channel>> {
        self.channels.get(name).map(|channel| channel.clone())
    }

    /// Acts on how frames went out, with no lock held.
    fn report(&self, channel: &Arc<Channel>, delivery: &Delivery) {
        for socket in &delivery.slow {
            self.report_slow(*socket, Some(&channel.name));
        }
        if delivery.tally_due {
            self.tallies.lock().push(channel.clone());
        }
    }

    /// Counts and logs a connection that a frame was one too many for. It happens once to each, as it is closing
    /// afterwards (G6).
    fn report_slow(&self, socket: SocketId, channel: Option<&ChannelName>) {
        self.metrics.closed_over_bytes_total.add(1);
        tracing::debug!(
            app.id = self.app().id,
            channel.name = channel.map(ChannelName::as_str),
            socket.id = %socket,
            limit_bytes = self.app().limits.outbox_bytes,
            "connection closed with {}: it does not read fast enough",
            CloseCode::OverCapacity.code(),
        );
    }

    /// Counts events that the cache had to forget early, and says so the first time.
    fn report_forgotten(&self, early: usize) {
        if early > 0 && self.metrics.cache_forgotten_total.add(early) == 0 {
            tracing::warn!(
                app.id = self.app().id,
                limit_bytes = self.app().limits.cache_bytes,
                "cache channels forget their last events early: raise cache_bytes"
            );
        }
    }

    /// Drops a retired channel from the map, unless a new one has taken its name.
    fn forget(&self, channel: &Arc<Channel>) {
        self.channels.remove_if(&channel.name, |_, current| Arc::ptr_eq(current, channel));
    }
}

impl From<Delivery> for Reach {
    fn from(delivery: Delivery) -> Self {
        Self { connections: delivery.queued, crowded: delivery.crowded }
    }
}

/// Ends those of the connections that were made by `until`, whatever waits for them. How many there were.
fn terminate(connections: Vec<(SocketId, Arc<Outbox>)>, until: Instant) -> usize {
    let old = connections.into_iter().filter(|(_, outbox)| outbox.since() <= until);
    old.map(|(_, outbox)| outbox.cut(CloseCode::Terminated)).count()
}
