//! One connection's side of the protocol: what it says, what it is subscribed to, and when it has been silent too long.
//!
//! Everything it answers goes into its outbox. Must not know: sockets, HTTP, or which transport carries it.

mod limits;
#[cfg(test)]
mod tests;

use crate::app::{App, ClientEvents};
use crate::feed::Happening;
use crate::hub::{Outbox, Subscription};
use crate::metrics::{AppMetrics, Limited};
use crate::node::{Connection, Denied, Event, Node, Pinned, Reach, Subscribed, Visitor};
use crate::protocol::command::{ClientEvent, Signin, Subscribe};
use crate::protocol::presence::Member;
use crate::protocol::{ChannelKind, ChannelName, CloseCode, Command, Frame, Refusal, Rejection, Stamp, json};
use arc_swap::Guard;
use limits::Window;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Silence after which a client too old to be probed is let go (P5).
const OLD_CLIENT_SILENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of a client's own words the feed repeats, in an error.
const SHOWN_CHARS: usize = 1000;

/// The state of one accepted connection, owned by its task. Dropping it leaves every channel.
#[derive(Debug)]
pub struct Session {
    // Before `connection`, so that its subscriptions end while its id is still taken.
    subscriptions: Vec<Subscription>,
    connection: Connection,
    node: Arc<Node>,
    version: u8,
    last_seen: Instant,
    probed: Option<Instant>,
    /// Until when it must be authorized, if it still must (1.8).
    authorize_by: Option<Instant>,
    /// Whether it has ever subscribed or signed in.
    is_used: bool,
    /// Who is signed in. Boxed, because most connections are nobody's.
    user: Option<Box<Member>>,
    client_events: Window,
    messages: Window,
}

/// What a message calls for before the next one is taken.
#[derive(Debug)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// Someone else's outbox, which fills with what came of it, is to be relieved.
    Relieve(Arc<Outbox>),
    /// The same message is to be handed in again, by [`Session::resume`], once this is ready.
    Wait(Pinned),
}

/// What a session wants when its timer runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Nothing until then.
    Wait(Instant),
    /// The end.
    Close(CloseCode),
}

impl Session {
    /// Starts the session of an admitted connection that speaks protocol `version` (1.2).
    pub fn new(node: Arc<Node>, connection: Connection, version: u8) -> Self {
        let (now, app) = (Instant::now(), connection.hub().app());
        let authorize_by = app.features.authorized_connections.then(|| now + app.limits.authorization_timeout());
        Self {
            subscriptions: Vec::new(),
            connection,
            node,
            version,
            last_seen: now,
            probed: None,
            authorize_by,
            is_used: false,
            user: None,
            client_events: Window::default(),
            messages: Window::default(),
        }
    }

    /// The app the connection belongs to.
    pub fn app(&self) -> Guard<Arc<App>> {
        self.connection.hub().app()
    }

    /// Where the connection's frames wait.
    pub fn outbox(&self) -> &Arc<Outbox> {
        self.connection.outbox()
    }

    /// Takes note that something came in, whatever it was (P3).
    pub fn alive(&mut self, now: Instant) {
        self.last_seen = now;
        self.probed = None;
    }

    /// Handles one text message. An error ends the connection; everything else is answered and survived.
    pub fn receive(&mut self, message: &str, now: Instant) -> Result<Next, CloseCode> {
        tracing::debug!(
            app.id = self.app().id,
            socket.id = %self.connection.socket(),
            "message received: {}",
            json::one_line(message)
        );
        if !self.admit(now)? {
            return Ok(Next::Nothing);
        }
        self.resume(message, now)
    }

    /// Handles a message that had to wait.
    pub fn resume(&mut self, message: &str, now: Instant) -> Result<Next, CloseCode> {
        let answer = match Command::parse(message) {
            Ok(Command::Ping) => {
                self.send(Frame::pong());
                Ok(Next::Nothing)
            }
            Ok(Command::Pong) => Ok(Next::Nothing),
            Ok(Command::Subscribe(asked)) => self.subscribe(&asked),
            Ok(Command::Unsubscribe(channel)) => {
                self.unsubscribe(&channel).map(|()| Next::Nothing).map_err(Denied::Told)
            }
            Ok(Command::Signin(asked)) => self.sign_in(&asked).map(|()| Next::Nothing),
            Ok(Command::ClientEvent(event)) => self.client_event(&event, now).map(Next::after).map_err(Denied::Told),
            Err(rejection) => Err(Denied::Told(rejection)),
        };
        match answer {
            Ok(next) => Ok(next),
            Err(Denied::Told(rejection)) => {
                self.reject(&rejection);
                Ok(Next::Nothing)
            }
            Err(Denied::Ended(close)) => Err(close),
        }
    }

    /// Refuses a message that is not text (G4).
    pub fn receive_binary(&mut self, now: Instant) -> Result<(), CloseCode> {
        if self.admit(now)? {
            self.reject(&Rejection::new("Binary messages are not supported: send JSON as text"));
        }
        Ok(())
    }

    /// Counts a message, against Reverb's rate limit too where the app sets it, and refuses one too many.
    fn admit(&mut self, now: Instant) -> Result<bool, CloseCode> {
        self.metrics().messages_total.add(1);
        let Some(rate) = self.app().limits.message_rate else { return Ok(true) };
        if self.messages.admit(now, rate.max_attempts, Duration::from_secs(rate.decay_secs.into())) {
            return Ok(true);
        }
        self.metrics().limited.of(Limited::Message).add(1);
        self.reject(&Rejection::rate("Rate limit exceeded"));
        if rate.terminate { Err(CloseCode::RateLimited) } else { Ok(false) }
    }

    /// Whether the connection is to end at once, whatever waits for it: it has been cut, or has not been authorized in
    /// time (1.8), and then is cut now.
    pub fn is_cut(&self) -> bool {
        if self.authorize_by.is_some_and(|by| Instant::now() >= by) {
            self.outbox().cut(CloseCode::Unauthorized);
        }
        self.outbox().is_cut()
    }

    /// Says what is due at `now`: the end for one that has not been authorized in time (1.8), or a probe.
    pub fn tick(&mut self, now: Instant) -> Tick {
        let (authorize_by, use_by) = (self.authorize_by, self.use_by());
        if authorize_by.is_some_and(|by| now >= by) {
            return Tick::Close(CloseCode::Unauthorized);
        }
        if use_by.is_some_and(|by| now >= by) {
            return Tick::Close(CloseCode::Inactive);
        }
        match self.probe(now) {
            Tick::Wait(until) => Tick::Wait([authorize_by, use_by].into_iter().flatten().fold(until, Instant::min)),
            close @ Tick::Close(_) => close,
        }
    }

    /// Until when it must subscribe or sign in, if it still must.
    fn use_by(&self) -> Option<Instant> {
        let patience = self.app().limits.unused_timeout().filter(|_| !self.is_used)?;
        Some(Instant::from_std(self.outbox().since()) + patience)
    }

    /// Says what silence calls for at `now` (P4, P5). A probe has the whole pong timeout to be answered, and an answer is noticed
    /// in time for the next probe to come one ping interval after it.
    fn probe(&mut self, now: Instant) -> Tick {
        let limits = &self.app().limits;
        let (interval, patience) = (limits.ping_interval(), limits.pong_timeout());
        if self.version <= 4 && now >= self.last_seen + OLD_CLIENT_SILENCE {
            return Tick::Close(CloseCode::Inactive);
        }
        match self.probed {
            None if now < self.last_seen + interval => Tick::Wait(self.last_seen + interval),
            None => {
                self.probed = Some(now);
                self.send(Frame::ping());
                Tick::Wait(now + interval.min(patience))
            }
            Some(_) if self.version <= 4 => Tick::Wait(self.last_seen + OLD_CLIENT_SILENCE),
            Some(probed) if now < probed + patience => Tick::Wait(probed + patience),
            Some(_) => Tick::Close(CloseCode::PongTimeout),
        }
    }

    /// Takes note of who has connected.
    pub fn began(&self, visitor: Visitor<'_>) {
        self.connection.hub().feed().tell(|| Happening::Connected {
            socket_id: self.id(),
            ip: visitor.address.map(|address| address.to_string()),
            origin: visitor.origin.map(str::to_owned),
        });
    }

    /// Takes note that the connection has ended: with `close`, or else by the client.
    pub fn ended(&self, close: Option<CloseCode>) {
        self.connection.ended(close);
        let reason = close.map_or("the client closed the connection, or is gone", CloseCode::reason);
        self.tell_of_end(close.map(CloseCode::code), reason);
    }

    fn tell_of_end(&self, code: Option<u16>, reason: &'static str) {
        tracing::debug!(app.id = self.app().id, socket.id = %self.connection.socket(), code, "connection ended: {reason}");
        let feed = self.connection.hub().feed();
        for subscription in &self.subscriptions {
            feed.tell(|| self.left(subscription));
        }
        feed.tell(|| Happening::Disconnected {
            socket_id: self.id(),
            user_id: self.user.as_ref().map(|user| user.id.as_str().to_owned()),
            code,
            reason,
            ms: u64::try_from(self.outbox().since().elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// Takes note that frames were written, of which the oldest event was published at `stamp`.
    pub fn wrote(&self, stamp: Stamp, now: Instant) {
        self.connection.hub().written(stamp, now.into_std());
    }

    /// The connection's id, for the feed.
    fn id(&self) -> String {
        self.connection.socket().to_string()
    }

    fn left(&self, subscription: &Subscription) -> Happening {
        let (channel, user_id) = place(subscription);
        Happening::Unsubscribed { socket_id: self.id(), channel, user_id }
    }

    /// Takes note that a write to the connection took too long, and that it is given up.
    pub fn gave_up(&self) {
        self.connection.gave_up();
        self.tell_of_end(None, "a write to the connection took too long");
    }

    /// The error that clients of protocol 4 and 5 read before they are closed; later ones read the close code (1.2).
    pub fn farewell(&self, close: CloseCode) -> Option<Frame> {
        farewell(self.version, close)
    }

    fn subscribe(&mut self, asked: &Subscribe<'_>) -> Result<Next, Denied<Rejection>> {
        if self.position(&asked.channel).is_some() {
            return Err(Rejection::new(format!("Existing subscription to channel {}", asked.channel)).into());
        }
        let max = self.app().limits.max_channels_per_connection;
        let subscription = if self.subscriptions.len() < max {
            self.node.subscribe(&self.connection, self.user.as_deref(), asked)
        } else {
            Err(Refusal::too_many_channels(max).into())
        };
        let (subscription, reach) = match subscription {
            Ok(Subscribed::Now(subscription, reach)) => (subscription, reach),
            Ok(Subscribed::Soon(pinned)) => return Ok(Next::Wait(pinned)),
            Err(Denied::Ended(close)) => return Err(Denied::Ended(close)),
            Err(Denied::Told(refusal)) => {
                tracing::debug!(socket.id = %self.connection.socket(), "no subscription to {}", json::one_line(&asked.channel));
                self.send(Frame::subscription_error(&asked.channel, &refusal));
                // What a client did not get it is told twice, and others once.
                let rejection = Rejection::new(refusal.message);
                self.refuse(&rejection, Some(&asked.channel));
                return Ok(Next::Nothing);
            }
        };
        let (socket, channel) = (self.connection.socket(), subscription.channel());
        tracing::debug!(app.id = self.app().id, socket.id = %socket, channel.name = %channel, "subscribed");
        if channel.kind().is_guarded() {
            self.authorize_by = None;
        }
        self.connection.hub().feed().tell(|| {
            let (channel, user_id) = place(&subscription);
            Happening::Subscribed { socket_id: self.id(), channel, user_id }
        });
        // Most connections have few channels, so the list does not start with room for four.
        if self.subscriptions.is_empty() {
            self.subscriptions.reserve_exact(1);
        }
        self.is_used = true;
        self.subscriptions.push(subscription);
        Ok(Next::after(reach))
    }

    fn sign_in(&mut self, asked: &Signin<'_>) -> Result<(), Denied<Rejection>> {
        let user = self.node.sign_in(&self.connection, self.user.as_ref().map(|user| &user.id), asked)?;
        tracing::debug!(
            app.id = self.app().id,
            socket.id = %self.connection.socket(),
            "signed in as {}",
            user.id.as_str()
        );
        self.connection
            .hub()
            .feed()
            .tell(|| Happening::SignedIn { socket_id: self.id(), user_id: user.id.as_str().to_owned() });
        self.authorize_by = None;
        self.is_used = true;
        self.user = Some(Box::new(user));
        Ok(())
    }

    fn unsubscribe(&mut self, channel: &str) -> Result<(), Rejection> {
        let Some(at) = self.position(channel) else {
            let message = format!("No current subscription to channel {channel:.200}, or subscription in progress");
            return Err(Rejection::new(message));
        };
        let subscription = self.subscriptions.swap_remove(at);
        self.connection.hub().feed().tell(|| self.left(&subscription));
        Ok(())
    }

    /// Relays a client event, rebuilt from what was verified and never from what the frame claims (section 3).
    fn client_event(&mut self, event: &ClientEvent<'_>, now: Instant) -> Result<Reach, Rejection> {
        let app = self.app().clone();
        let limits = &app.limits;
        if app.client_events == ClientEvents::None {
            return Err(Rejection::new(
                "To send client events, you must enable this feature in the Settings page of your dashboard.",
            ));
        }
        if !self.client_events.admit(now, limits.client_events_per_second, Duration::from_secs(1)) {
            self.metrics().limited.of(Limited::ClientEvent).add(1);
            return Err(Rejection::rate("Client event rejected due to rate limit"));
        }
        if event.name.chars().count() > limits.max_event_name_chars {
            let message =
                format!("Client event rejected - its name may have at most {} characters", limits.max_event_name_chars);
            return Err(Rejection::new(message));
        }
        if json::is_longer_than(&event.data, limits.max_event_data_bytes) {
            let message =
                format!("Client event rejected - its data may have at most {} bytes", limits.max_event_data_bytes);
            return Err(Rejection::new(message));
        }
        let kind = ChannelKind::of(&event.channel);
        // A user's own channel belongs to the back end, whatever else the app relays (CLI-15).
        if kind == ChannelKind::User || app.client_events == ClientEvents::Guarded && !kind.is_guarded() {
            return Err(Rejection::new("Client event rejected - only supported on private and presence channels"));
        }
        let subscription = self.position(&event.channel).map(|at| &self.subscriptions[at]);
        let named;
        let channel = match subscription {
            Some(subscription) => subscription.channel(),
            None if app.client_events == ClientEvents::All => {
                named = ChannelName::parse(&event.channel, limits.max_channel_name_chars)
                    .map_err(|invalid| Rejection::new(format!("Client event rejected - {invalid}")))?;
                &named
            }
            None => {
                let message = format!("Client event rejected - not subscribed to channel {:.200}", event.channel);
                return Err(Rejection::new(message));
            }
        };
        let user_id = subscription.and_then(Subscription::member);
        let except = Some(self.connection.socket());
        Ok(self.node.relay(&app, Event { channel, name: &event.name, data: &event.data, except, user_id }))
    }

    fn metrics(&self) -> &AppMetrics {
        self.connection.hub().metrics()
    }

    fn position(&self, channel: &str) -> Option<usize> {
        self.subscriptions.iter().position(|subscription| subscription.channel().as_str() == channel)
    }

    fn reject(&self, rejection: &Rejection) {
        self.refuse(rejection, None);
    }

    /// Tells the client that it does not get what it asked for, on a channel or not.
    fn refuse(&self, rejection: &Rejection, channel: Option<&str>) {
        tracing::debug!(
            app.id = self.app().id,
            socket.id = %self.connection.socket(),
            code = rejection.code,
            "refused: {}",
            json::one_line(&rejection.message)
        );
        self.send(Frame::rejection(rejection));
        self.connection.hub().feed().tell(|| Happening::Rejected {
            socket_id: self.id(),
            channel: channel.map(|name| name.chars().take(SHOWN_CHARS).collect()),
            code: rejection.code,
            message: rejection.message.chars().take(SHOWN_CHARS).collect(),
        });
    }

    /// Queues an answer. One that is one too many closes the connection, as an event would.
    fn send(&self, frame: Frame) {
        self.connection.send(frame);
    }
}

impl Next {
    /// What comes after something said.
    fn after(reach: Reach) -> Self {
        reach.crowded.map_or(Self::Nothing, Self::Relieve)
    }
}

/// Where a subscription is, and as which member.
fn place(subscription: &Subscription) -> (String, Option<String>) {
    let member = subscription.member().map(|user| user.as_str().to_owned());
    (subscription.channel().as_str().to_owned(), member)
}

/// See [`Session::farewell`]; also for connections that never became a session.
pub fn farewell(version: u8, close: CloseCode) -> Option<Frame> {
    (version < 6 && close.code() >= 4000).then(|| Frame::error(Some(close.code()), close.reason()))
}
