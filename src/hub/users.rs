//! Who is signed in, here and on other nodes, and who here watches whom (spec section 4). One lock for all of an app's
//! users, so that what a watcher is told when it comes and what it is told later fit together.

use super::channel::Delivery;
use super::journal::{Fact, Journal};
use super::outbox::Outbox;
use crate::protocol::{Frame, NodeId, SocketId, UserId};
use indexmap::IndexMap;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

type Sockets = IndexMap<SocketId, Arc<Outbox>>;

/// The signed-in connections of one app.
#[derive(Debug, Default)]
pub(super) struct Users(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    users: HashMap<UserId, User>,
    places: HashMap<SocketId, Place>,
    online: usize,
    /// Users with sessions here.
    here: usize,
}

/// One who is signed in, or watched, or both.
#[derive(Debug, Default)]
struct User {
    sessions: Sockets,
    /// Other nodes with sessions, and how many they have.
    elsewhere: Vec<(NodeId, usize)>,
    watchers: Sockets,
    /// Since when there has been a session, wherever it was.
    since: Option<SystemTime>,
}

/// What a signed-in connection has to give up when it goes.
#[derive(Debug)]
struct Place {
    user: UserId,
    watched: Vec<UserId>,
}

/// A connection that signs in.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// Who it is.
    pub user: &'a UserId,
    /// Whom it watches.
    pub watch: &'a [UserId],
    /// What it is answered, before anything about those it watches (U4).
    pub answers: &'a [Frame],
    /// When.
    pub at: SystemTime,
}

/// A user who is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Online {
    /// Connections signed in as the user.
    pub connections: usize,
    /// Since when there has always been one.
    pub since: SystemTime,
}

impl Users {
    /// Signs a connection in, or renews its sign-in as the same user (U5): answers it, tells it who of those it
    /// watches is online (W2), and tells the user's watchers if this is the user's first connection (W3).
    pub(super) fn sign_in(
        &self,
        socket: SocketId,
        outbox: &Arc<Outbox>,
        sign_in: SignIn<'_>,
        journal: &Journal,
    ) -> Delivery {
        let SignIn { user, watch, answers, at } = sign_in;
        let mut delivery = Delivery::default();
        let mut state = self.0.lock();
        for answer in answers {
            delivery.push(socket, outbox, answer.clone());
        }
        if let Some(place) = state.places.remove(&socket) {
            state.unwatch(socket, &place.watched);
        }
        let known = state.users.entry(user.clone()).or_default();
        let renewed = known.sessions.insert(socket, outbox.clone()).is_some();
        let first = !renewed && known.sessions.len() == 1;
        known.note(user, at, journal);
        state.settle(user, at, &mut delivery);
        state.here += usize::from(first);
        if !watch.is_empty() {
            let (online, offline): (Vec<_>, Vec<_>) = watch.iter().partition(|id| state.is_online(id));
            delivery.push(socket, outbox, Frame::watchlist(&online, &offline));
            for id in watch {
                state.users.entry(id.clone()).or_default().watchers.insert(socket, outbox.clone());
            }
        }
        state.places.insert(socket, Place { user: user.clone(), watched: watch.to_vec() });
        delivery
    }

    /// Forgets a connection, signed in or not, and tells the user's watchers if it was the user's last (W3).
    pub(super) fn sign_out(&self, socket: SocketId, journal: &Journal) -> Delivery {
        let mut delivery = Delivery::default();
        let mut state = self.0.lock();
        let Some(Place { user, watched }) = state.places.remove(&socket) else { return delivery };
        state.unwatch(socket, &watched);
        let Some(known) = state.users.get_mut(&user) else { return delivery };
        let last = known.sessions.swap_remove(&socket).is_some() && known.sessions.is_empty();
        known.note(&user, SystemTime::UNIX_EPOCH, journal);
        state.here -= usize::from(last);
        state.settle(&user, SystemTime::UNIX_EPOCH, &mut delivery);
        delivery
    }

    /// Takes note that `node` has `connections` signed in as `user`, whom it knows to be online since `since`.
    pub(super) fn set(&self, node: NodeId, user: &UserId, connections: usize, since: SystemTime) -> Delivery {
        let mut delivery = Delivery::default();
        let mut state = self.0.lock();
        let known = state.users.entry(user.clone()).or_default();
        known.elsewhere.retain(|(other, _)| *other != node);
        if connections > 0 {
            known.elsewhere.push((node, connections));
            known.since = known.since.map(|earlier| earlier.min(since));
        }
        state.settle(user, since, &mut delivery);
        delivery
    }

    /// What `node` has said, as if it had nobody any more.
    pub(super) fn said_by(&self, node: NodeId) -> Vec<Fact> {
        let state = self.0.lock();
        let theirs = state.users.iter().filter(|(_, known)| known.elsewhere.iter().any(|(other, _)| *other == node));
        let gone = |user: &UserId| Fact::User { user: user.clone(), connections: 0, since: SystemTime::UNIX_EPOCH };
        theirs.map(|(user, _)| gone(user)).collect()
    }

    /// What this node says.
    pub(super) fn facts(&self, facts: &mut Vec<Fact>) {
        let state = self.0.lock();
        let here = state.users.iter().filter(|(_, known)| !known.sessions.is_empty());
        facts.extend(here.map(|(user, known)| known.fact(user, SystemTime::UNIX_EPOCH)));
    }

    /// The connections here that are signed in as `user`.
    pub(super) fn sessions(&self, user: &UserId) -> Vec<(SocketId, Arc<Outbox>)> {
        let state = self.0.lock();
        let sessions = state.users.get(user).map(|known| &known.sessions);
        sessions.into_iter().flatten().map(|(socket, outbox)| (*socket, outbox.clone())).collect()
    }

    /// What there is to say about `user`; `None` if no connection is signed in as them.
    pub(super) fn online(&self, user: &UserId) -> Option<Online> {
        let state = self.0.lock();
        let known = state.users.get(user)?;
        let elsewhere: usize = known.elsewhere.iter().map(|(_, connections)| connections).sum();
        Some(Online { connections: known.sessions.len() + elsewhere, since: known.since? })
    }

    /// Who the connection is signed in as.
    pub(super) fn user_of(&self, socket: SocketId) -> Option<UserId> {
        self.0.lock().places.get(&socket).map(|place| place.user.clone())
    }

    /// Distinct users signed in here.
    pub(super) fn count_here(&self) -> usize {
        self.0.lock().here
    }

    /// Distinct users signed in.
    pub(super) fn count(&self) -> usize {
        self.0.lock().online
    }
}

impl State {
    fn is_online(&self, user: &UserId) -> bool {
        self.users.get(user).is_some_and(|known| known.since.is_some())
    }

    fn unwatch(&mut self, socket: SocketId, watched: &[UserId]) {
        for id in watched {
            if let Some(known) = self.users.get_mut(id) {
                known.watchers.swap_remove(&socket);
            }
            self.tidy(id);
        }
    }

    /// Tells the user's watchers if the user has come or gone with what changed at `at`.
    fn settle(&mut self, user: &UserId, at: SystemTime, delivery: &mut Delivery) {
        let Some(known) = self.users.get_mut(user) else { return };
        match (known.is_somewhere(), known.since) {
            (true, None) => {
                known.since = Some(at);
                known.tell(&Frame::watchlist(&[user], &[]), delivery);
                self.online += 1;
            }
            (false, Some(_)) => {
                known.since = None;
                known.tell(&Frame::watchlist(&[], &[user]), delivery);
                self.online -= 1;
            }
            _ => {}
        }
        self.tidy(user);
    }

    /// Forgets a user whom nobody is and nobody watches.
    fn tidy(&mut self, user: &UserId) {
        if self.users.get(user).is_some_and(|known| !known.is_somewhere() && known.watchers.is_empty()) {
            self.users.remove(user);
        }
    }
}

impl User {
    fn is_somewhere(&self) -> bool {
        !self.sessions.is_empty() || !self.elsewhere.is_empty()
    }

    /// Takes note of the user's connections here, which changed at `at`.
    fn note(&self, user: &UserId, at: SystemTime, journal: &Journal) {
        journal.note(|| self.fact(user, at));
    }

    fn fact(&self, user: &UserId, at: SystemTime) -> Fact {
        Fact::User { user: user.clone(), connections: self.sessions.len(), since: self.since.unwrap_or(at) }
    }

    fn tell(&self, frame: &Frame, delivery: &mut Delivery) {
        for (socket, outbox) in &self.watchers {
            delivery.push(*socket, outbox, frame.clone());
        }
    }
}
