//! Who is signed in, and who watches whom (spec section 4). One lock for all of an app's users, so that what a watcher
//! is told when it comes and what it is told later fit together.

use super::channel::Delivery;
use super::outbox::Outbox;
use crate::protocol::{CloseCode, Frame, SocketId, UserId};
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
}

/// One who is signed in, or watched, or both.
#[derive(Debug, Default)]
struct User {
    sessions: Sockets,
    watchers: Sockets,
    /// Since when there has been a session.
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
    pub(super) fn sign_in(&self, socket: SocketId, outbox: &Arc<Outbox>, sign_in: SignIn<'_>) -> Delivery {
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
        known.sessions.insert(socket, outbox.clone());
        if known.since.is_none() {
            known.since = Some(at);
            known.tell(&Frame::watchlist(&[user], &[]), &mut delivery);
            state.online += 1;
        }
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
    pub(super) fn sign_out(&self, socket: SocketId) -> Delivery {
        let mut delivery = Delivery::default();
        let mut state = self.0.lock();
        let Some(Place { user, watched }) = state.places.remove(&socket) else { return delivery };
        state.unwatch(socket, &watched);
        let Some(known) = state.users.get_mut(&user) else { return delivery };
        known.sessions.swap_remove(&socket);
        if known.sessions.is_empty() && known.since.take().is_some() {
            known.tell(&Frame::watchlist(&[], &[&user]), &mut delivery);
            state.online -= 1;
        }
        state.tidy(&user);
        delivery
    }

    /// Ends every connection signed in as `user`, whatever waits for them (4.4). How many there were.
    pub(super) fn terminate(&self, user: &UserId) -> usize {
        let sessions = self.sessions(user);
        for (_, outbox) in &sessions {
            outbox.cut(CloseCode::Terminated);
        }
        sessions.len()
    }

    /// The connections signed in as `user`.
    pub(super) fn sessions(&self, user: &UserId) -> Vec<(SocketId, Arc<Outbox>)> {
        let state = self.0.lock();
        let sessions = state.users.get(user).map(|known| &known.sessions);
        sessions.into_iter().flatten().map(|(socket, outbox)| (*socket, outbox.clone())).collect()
    }

    /// What there is to say about `user`; `None` if no connection is signed in as them.
    pub(super) fn online(&self, user: &UserId) -> Option<Online> {
        let state = self.0.lock();
        let known = state.users.get(user)?;
        Some(Online { connections: known.sessions.len(), since: known.since? })
    }

    /// Who the connection is signed in as.
    pub(super) fn user_of(&self, socket: SocketId) -> Option<UserId> {
        self.0.lock().places.get(&socket).map(|place| place.user.clone())
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

    /// Forgets a user whom nobody is and nobody watches.
    fn tidy(&mut self, user: &UserId) {
        if self.users.get(user).is_some_and(|known| known.sessions.is_empty() && known.watchers.is_empty()) {
            self.users.remove(user);
        }
    }
}

impl User {
    fn tell(&self, frame: &Frame, delivery: &mut Delivery) {
        for (socket, outbox) in &self.watchers {
            delivery.push(*socket, outbox, frame.clone());
        }
    }
}
