//! The state: one app's connections and channels on this node.
//!
//! Synchronous throughout; locks are taken in the order map shard, `Channel`, `Outbox`, and a map guard lives for one
//! expression. Must not know: sockets, HTTP, other nodes, or anything that awaits.

mod channel;
mod occupancy;
mod outbox;
#[cfg(test)]
mod tests;

use crate::app::App;
use crate::metrics::Metrics;
use crate::protocol::presence::Member;
use crate::protocol::{ChannelName, CloseCode, Frame, SocketId, UserId};
pub use channel::Counts;
use channel::{Channel, Delivery, Refused};
use dashmap::{DashMap, Entry};
pub use outbox::{Outbox, Push};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Map shards: enough for the cores of a large machine, few enough that an empty app costs a few KiB.
const SHARDS: usize = 16;

/// One app's connections and channels on this node.
#[derive(Debug)]
pub struct Hub {
    app: Arc<App>,
    metrics: Arc<Metrics>,
    channels: DashMap<ChannelName, Arc<Channel>>,
    sockets: DashMap<SocketId, Arc<Outbox>>,
    connections: AtomicUsize,
}

/// A connection's place in the hub; dropping it gives the place up.
#[derive(Debug)]
pub struct Registration {
    hub: Arc<Hub>,
    socket: SocketId,
    outbox: Arc<Outbox>,
}

/// A connection's place in a channel; dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    channel: Arc<Channel>,
    socket: SocketId,
    member: Option<UserId>,
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
    /// An empty hub for `app`.
    pub fn new(app: Arc<App>, metrics: Arc<Metrics>) -> Self {
        Self {
            app,
            metrics,
            channels: DashMap::with_shard_amount(SHARDS),
            sockets: DashMap::with_shard_amount(SHARDS),
            connections: AtomicUsize::new(0),
        }
    }

    /// The app whose hub this is.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Gives a new connection an id and an outbox, unless the app is at its connection limit (1.9).
    pub fn register(self: &Arc<Self>) -> Option<Registration> {
        let max = Some(self.app.limits.max_connections).filter(|max| *max > 0).unwrap_or(usize::MAX);
        let room = |count: usize| (count < max).then_some(count + 1);
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        let outbox = Arc::new(Outbox::new(self.app.limits.outbox_bytes));
        loop {
            let bits = getrandom::u64().expect("the operating system gives random numbers");
            let socket = SocketId::from_random(bits);
            // An id is given out once at a time, however unlikely a second draw is.
            if let Entry::Vacant(place) = self.sockets.entry(socket) {
                place.insert(outbox.clone());
                return Some(Registration { hub: self.clone(), socket, outbox });
            }
        }
    }

    /// Subscribes a connection. Its outbox holds the confirmation when this returns. `member` is given on presence
    /// channels and only there.
    pub fn subscribe(
        self: &Arc<Self>,
        name: &ChannelName,
        connection: &Registration,
        member: Option<&Member>,
    ) -> Result<Subscription, Full> {
        let Registration { socket, outbox, .. } = connection;
        loop {
            let channel =
                self.channels.entry(name.clone()).or_insert_with(|| Channel::new(name.clone()).into()).clone();
            match channel.join(*socket, outbox, member, self.app.limits.max_presence_members) {
                Ok(delivery) => {
                    self.report(name, &delivery);
                    let member = member.map(|member| member.id.clone());
                    return Ok(Subscription { hub: self.clone(), channel, socket: *socket, member });
                }
                Err(Refused::Full) => return Err(Full),
                Err(Refused::Retired) => self.forget(&channel),
            }
        }
    }

    /// Queues the frame made by `encode` for every subscriber of the channel but `except`; it is not made if the
    /// channel has none.
    pub fn deliver(&self, name: &ChannelName, except: Option<SocketId>, encode: impl FnOnce() -> Frame) -> Reach {
        let Some(channel) = self.channels.get(name).map(|channel| channel.clone()) else { return Reach::default() };
        let delivery = channel.deliver(&encode(), except);
        self.metrics.encodings_total.add(1);
        self.metrics.deliveries_total.add(delivery.queued);
        self.report(name, &delivery);
        Reach { connections: delivery.queued, crowded: delivery.crowded }
    }

    /// Connections and members of a channel, zeros where nobody is.
    pub fn counts(&self, name: &ChannelName) -> Counts {
        let channel = self.channels.get(name).map(|channel| channel.clone());
        channel.map(|channel| channel.counts()).unwrap_or_default()
    }

    /// Connections registered.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Channels with a subscriber.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// The outboxes of all connections, to close them.
    pub fn outboxes(&self) -> Vec<Arc<Outbox>> {
        self.sockets.iter().map(|socket| socket.value().clone()).collect()
    }

    fn report(&self, name: &ChannelName, delivery: &Delivery) {
        for socket in &delivery.slow {
            self.report_slow(*socket, Some(name));
        }
    }

    /// Counts and logs a connection that a frame was one too many for. It happens once to each, as it is closing
    /// afterwards (G6).
    fn report_slow(&self, socket: SocketId, channel: Option<&ChannelName>) {
        self.metrics.closed_over_bytes_total.add(1);
        tracing::warn!(
            app.id = self.app.id,
            channel.name = channel.map(ChannelName::as_str),
            socket.id = %socket,
            limit_bytes = self.app.limits.outbox_bytes,
            "connection closed with {}: it does not read fast enough",
            CloseCode::OverCapacity.code(),
        );
    }

    /// Drops a retired channel from the map, unless a new one has taken its name.
    fn forget(&self, channel: &Arc<Channel>) {
        self.channels.remove_if(&channel.name, |_, current| Arc::ptr_eq(current, channel));
    }
}

impl Registration {
    /// The connection's id.
    pub fn socket(&self) -> SocketId {
        self.socket
    }

    /// The connection's outbox.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Queues a frame for this connection alone, an answer or a confirmation. One too many closes it, as with events.
    pub fn send(&self, frame: Frame) {
        if self.outbox.push(frame) == Push::Overflowed {
            self.hub.report_slow(self.socket, None);
        }
    }

    /// Counts and logs that the connection is given up because a write took too long, unless it was closing anyway.
    pub fn gave_up(&self) {
        if self.outbox.is_closed() {
            return;
        }
        let Hub { app, metrics, .. } = &*self.hub;
        metrics.closed_over_deadline_total.add(1);
        tracing::warn!(
            app.id = app.id,
            socket.id = %self.socket,
            limit_ms = app.limits.write_timeout().as_millis(),
            "connection given up: a write to it took too long",
        );
    }

    /// The hub the connection is registered with.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.sockets.remove(&self.socket);
        self.hub.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Subscription {
    /// The channel subscribed to.
    pub fn channel(&self) -> &ChannelName {
        &self.channel.name
    }

    /// The member this connection is, on presence channels.
    pub fn member(&self) -> Option<&UserId> {
        self.member.as_ref()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let (empty, delivery) = self.channel.leave(self.socket, self.member.as_ref());
        if empty {
            self.hub.forget(&self.channel);
        }
        self.hub.report(&self.channel.name, &delivery);
    }
}
