//! What a connection holds in the hub: its place among the connections, and its places in channels. Dropping one gives
//! it up.

use super::Hub;
use super::arrivals::Place;
use super::channel::Channel;
use super::outbox::{Outbox, Push};
use super::users::SignIn;
use crate::protocol::{ChannelName, CloseCode, Frame, SocketId, UserId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A connection's place in the hub; dropping it gives the place up.
#[derive(Debug)]
pub struct Registration {
    pub(super) hub: Arc<Hub>,
    pub(super) socket: SocketId,
    pub(super) outbox: Arc<Outbox>,
    /// Whether it counts towards the app's connection limit.
    pub(super) counted: AtomicBool,
    /// Its place among those of its address. Boxed, as few apps count them.
    pub(super) _arrival: Option<Box<Place>>,
}

/// A connection's place in a channel; dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    pub(super) hub: Arc<Hub>,
    pub(super) channel: Arc<Channel>,
    pub(super) socket: SocketId,
    pub(super) member: Option<UserId>,
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

    /// Does what makes the connection count towards the app's limit, which it may already do. `None` if the app is at
    /// the limit; where `act` fails, it counts no more than before.
    pub fn counting<T, E>(&self, act: impl FnOnce() -> Result<T, E>) -> Option<Result<T, E>> {
        if self.counted.load(Ordering::Relaxed) {
            return Some(act());
        }
        if !self.hub.count_one() {
            return None;
        }
        let done = act();
        self.counted.store(done.is_ok(), Ordering::Relaxed);
        if done.is_err() {
            self.hub.totals.uncount_one();
        }
        Some(done)
    }

    /// Signs the connection in, or renews its sign-in as the same user.
    pub fn sign_in(&self, sign_in: SignIn<'_>) {
        let delivery = self.hub.users.sign_in(self.socket, &self.outbox, sign_in, &self.hub.journal);
        delivery.slow.iter().for_each(|socket| self.hub.report_slow(*socket, None));
    }

    /// Counts that the connection has ended: closed by the server, or else by the client, unless it was closing anyway.
    pub fn ended(&self, close: Option<CloseCode>) {
        self.hub.count_end(self.outbox.closing().or(close));
    }

    /// Counts and logs that the connection is given up because a write took too long, unless it was closing anyway.
    pub fn gave_up(&self) {
        if let Some(close) = self.outbox.closing() {
            return self.hub.count_end(Some(close));
        }
        let app = self.hub.app();
        self.hub.metrics.closed_over_deadline_total.add(1);
        tracing::debug!(
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
        let delivery = self.hub.users.sign_out(self.socket, &self.hub.journal);
        delivery.slow.iter().for_each(|socket| self.hub.report_slow(*socket, None));
        self.hub.sockets.remove(&self.socket);
        self.hub.totals.disconnect();
        if self.counted.load(Ordering::Relaxed) {
            self.hub.totals.uncount_one();
        }
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
        let (empty, delivery) = self.channel.leave(self.socket, self.member.as_ref(), Instant::now(), self.hub.notes());
        if empty {
            self.hub.forget(&self.channel);
        }
        self.hub.report(&self.channel, &delivery);
    }
}
