//! The use cases: connect, subscribe, sign in, publish, look, terminate. What transports and the HTTP API talk to.
//!
//! Must not know: WebSockets, HTTP, or how messages are parsed.

mod nodes;
mod queries;
mod readiness;
mod transitions;

use crate::app::{App, Apps};
use crate::cluster::Cluster;
pub use crate::cluster::{Identity, Pin, Pinned};
use crate::feed::{Feed, Happening, Payload};
pub use crate::hub::Registration as Connection;
pub use crate::hub::{
    Cached, Change, Counts, Filter, Gap, Listed, Online, Outbox, Page, Reach, Stats, Transition, Volume,
};
use crate::hub::{Full, Hub, Hubs, SignIn, Subscription};
use crate::metrics::{Limited, Metrics};
pub use crate::pace::{STALLS, relieve};
use crate::protocol::command::{Signin, Subscribe};
use crate::protocol::json::{one_line, text};
use crate::protocol::presence::Member;
use crate::protocol::signature::{verify_channel, verify_user};
use crate::protocol::{ChannelKind, ChannelName, CloseCode, Frame, Refusal, Rejection, SocketId, User, UserId};
pub use crate::rates::{Allowance, Refused};
pub use crate::webhooks::{Attempt, Dead, EventId, Silent, Status, Webhooks};
use arc_swap::ArcSwap;
pub use nodes::NodeStatus;
use parking_lot::Mutex;
pub use readiness::Readiness;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};
pub use transitions::{News, Standing};

/// This process as a broadcast server, whatever carries its connections.
#[derive(Debug)]
pub struct Node {
    me: Identity,
    apps: ArcSwap<Apps>,
    hubs: Hubs,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    cluster: Option<Cluster>,
    webhooks: OnceLock<Webhooks>,
    gone: Mutex<Gone>,
}

/// When apps that are not there any more went, by id. Held while apps come and go.
type Gone = HashMap<String, Instant>;

/// For how long the hub of an app that is gone stays, at least: other nodes are to hear that nobody is here any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// Who wants to connect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visitor<'a> {
    /// The page's origin, if the client is a browser.
    pub origin: Option<&'a str>,
    /// Where the client is, as far as that is known.
    pub address: Option<IpAddr>,
}

/// Something said on a channel.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Where.
    pub channel: &'a ChannelName,
    /// What; any text (V2).
    pub name: &'a str,
    /// The payload, a JSON string (V1).
    pub data: &'a RawValue,
    /// The one connection that does not hear of it (V4, L4).
    pub except: Option<SocketId>,
    /// The member who said it, for client events on presence channels (L7).
    pub user_id: Option<&'a UserId>,
}

/// What becomes of a subscription that a connection may have.
#[derive(Debug)]
pub enum Subscribed {
    /// It has it.
    Now(Subscription, Reach),
    /// What other nodes publish does not arrive here yet. Once it does, the same is to be asked again, while the pin is
    /// held.
    Soon(Pinned),
}

/// What a connection asked for and does not get.
#[derive(Debug, PartialEq, Eq)]
pub enum Denied<R> {
    /// It is told, and stays open.
    Told(R),
    /// It ends.
    Ended(CloseCode),
}

impl<R> From<R> for Denied<R> {
    fn from(reason: R) -> Self {
        Self::Told(reason)
    }
}

impl Node {
    /// A node that serves `apps`, the only one.
    pub fn new(me: Identity, apps: Apps) -> Self {
        let now = Instant::now();
        let hubs = Hubs::default();
        hubs.add(apps.iter().map(|app| Arc::new(Hub::new(app.clone(), Arc::default(), now))).collect());
        Self {
            me,
            apps: ArcSwap::from_pointee(apps),
            hubs,
            metrics: Arc::default(),
            readiness: Readiness::default(),
            cluster: None,
            webhooks: OnceLock::new(),
            gone: Mutex::default(),
        }
    }

    /// Has back ends told what happens from now on, if they were not before.
    pub fn tell_by(&self, webhooks: Webhooks) {
        // There is one that tells them.
        let _ = self.webhooks.set(webhooks);
    }

    /// What tells back ends what happens; `None` if no app has had an endpoint yet.
    pub fn webhooks(&self) -> Option<&Webhooks> {
        self.webhooks.get()
    }

    /// The node as one of several, which `join` makes of its hubs.
    pub fn clustered(me: Identity, apps: Apps, join: impl FnOnce(Hubs, Arc<Metrics>) -> Cluster) -> Self {
        let mut node = Self::new(me, apps);
        node.cluster = Some(join(node.hubs.clone(), node.metrics.clone()));
        node
    }

    /// Whether a back end's event may be published: if not, the bus has been away for so long that other nodes might
    /// never get it.
    pub fn accepts(&self) -> bool {
        self.cluster.as_ref().is_none_or(Cluster::accepts)
    }

    /// Serves these apps from now on. Connections of those that stay go on as they are; those of others are closed, with
    /// 4001, or 4003 where the app is there but disabled.
    pub fn configure(&self, apps: Apps) {
        let now = Instant::now();
        let mut gone = self.gone.lock();
        let apps = Arc::new(apps);
        let mut fresh = Vec::new();
        for app in apps.iter() {
            match self.hubs.get(&app.id) {
                Some(hub) => hub.configure(app.clone()),
                None => fresh.push(Arc::new(Hub::new(app.clone(), Arc::default(), now))),
            }
        }
        self.hubs.add(fresh.clone());
        if let Some(cluster) = &self.cluster {
            fresh.iter().for_each(|hub| cluster.added(hub));
        }
        self.apps.store(apps.clone());
        for (id, hub) in self.hubs.all().iter() {
            match apps.by_id(id) {
                None => {
                    hub.forget_transitions();
                    hub.shut(CloseCode::UnknownApp);
                    gone.entry(id.clone()).or_insert(now);
                }
                Some(app) if !app.enabled => hub.shut(CloseCode::AppDisabled),
                Some(_) => {}
            }
        }
        gone.retain(|id, _| apps.by_id(id).is_none());
    }

    /// Lets go of the hubs of apps that are gone for long enough.
    fn forget(&self, now: Instant) {
        let mut gone = self.gone.lock();
        let is_over = |id: &str, since: Instant| {
            now.saturating_duration_since(since) >= FORGOTTEN_AFTER
                && self.hubs.get(id).is_some_and(|hub| hub.is_deserted())
        };
        let over: Vec<_> = gone.iter().filter(|(id, since)| is_over(id, **since)).map(|(id, _)| id.clone()).collect();
        if !over.is_empty() {
            self.hubs.remove(&over);
            gone.retain(|id, _| !over.contains(id));
        }
    }

    /// The app that a back end names by id.
    pub fn app(&self, id: &str) -> Option<Arc<App>> {
        self.apps.load().by_id(id).cloned()
    }

    /// Every app.
    pub fn apps(&self) -> Vec<Arc<App>> {
        self.apps.load().iter().cloned().collect()
    }

    /// The app that a client names by key.
    pub fn app_by_key(&self, key: &str) -> Option<Arc<App>> {
        self.apps.load().by_key(key).cloned()
    }

    /// Each app's connections and channels, in no promised order.
    pub fn hubs(&self) -> Vec<Arc<Hub>> {
        self.hubs.all().values().cloned().collect()
    }

    /// What this process counts, besides what it counts for each app.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Admits a connection to `app` (1.9, C3). Its first frame waits in its outbox when this returns.
    pub fn connect(&self, app: &App, visitor: Visitor<'_>) -> Result<Connection, CloseCode> {
        if !app.enabled {
            return Err(CloseCode::AppDisabled);
        }
        if !app.allowed_origins.allow(visitor.origin) {
            return Err(CloseCode::OriginNotAllowed);
        }
        let hub = self.hub(app);
        let connection = hub.register(visitor.address, Instant::now())?;
        // Only now, so that whoever shuts the hub meanwhile finds the connection there or is noticed here.
        if let Some(close) = hub.is_shut() {
            return Err(close);
        }
        connection.outbox().push(Frame::connection_established(connection.socket(), app.limits.activity_timeout_secs));
        hub.metrics().connections_total.add(1);
        tracing::debug!(app.id = app.id, socket.id = %connection.socket(), origin = visitor.origin, client = visitor.address.map(tracing::field::display), "connection established");
        Ok(connection)
    }

    /// Subscribes a connection, signed in as `user` or not, to the channel it asks for, if it may (2.3). Nothing has
    /// happened when this fails (F4).
    pub fn subscribe(
        &self,
        connection: &Connection,
        user: Option<&Member>,
        asked: &Subscribe<'_>,
    ) -> Result<Subscribed, Denied<Refusal>> {
        let hub = connection.hub();
        let (app, limits) = (hub.app(), &hub.app().limits);
        let name = ChannelName::parse(&asked.channel, limits.max_channel_name_chars)
            .map_err(|invalid| Refusal::invalid_channel(&invalid))?;
        let channel_data = asked.channel_data.as_deref();
        if name.kind().is_guarded() {
            if name.kind() == ChannelKind::Presence && channel_data.is_none() && user.is_none() {
                return Err(Refusal::no_channel_data(&name).into());
            }
            verify_channel(&app.keys, connection.socket(), name.as_str(), channel_data, asked.auth.as_deref())
                .map_err(Refusal::unauthorized)?;
        }
        let member = match name.kind() {
            ChannelKind::Public | ChannelKind::Private => None,
            ChannelKind::User if name.user() == user.map(|user| user.id.as_str()) => None,
            ChannelKind::User => return Err(Refusal::not_that_user(&name).into()),
            ChannelKind::Presence => {
                let member = match (channel_data, user) {
                    // What the app says about this channel wins over what it said on signing in (M10).
                    (Some(data), _) => Member::parse(data, limits.max_user_id_chars, limits.max_user_info_bytes),
                    (None, user) => {
                        let user = user.expect("presence without channel_data was refused above");
                        user.check_info(limits.max_user_info_bytes).map(|()| user.clone())
                    }
                };
                Some(member.map_err(|invalid| Refusal::invalid_member(&invalid))?)
            }
        };
        // Held until the connection is in.
        let _pin = match self.cluster.as_ref().map(|cluster| cluster.pin(&app.id, &name)) {
            Some(pinned) if !pinned.is_ready() => return Ok(Subscribed::Soon(pinned)),
            pinned => pinned,
        };
        let join = || hub.subscribe(&name, connection, member.as_ref(), Instant::now());
        let joined = if name.kind().is_guarded() { connection.counting(join) } else { Some(join()) };
        match joined {
            Some(Ok((subscription, reach))) => Ok(Subscribed::Now(subscription, reach)),
            Some(Err(Full)) => Err(Refusal::full(&name, limits.max_presence_members).into()),
            None => Err(Denied::Ended(CloseCode::OverQuota)),
        }
    }

    /// Signs a connection in, which may be signed in as `current` already (4.1). The answer and what the watchlist
    /// calls for wait in its outbox when this returns; nothing has happened when it fails.
    pub fn sign_in(
        &self,
        connection: &Connection,
        current: Option<&UserId>,
        asked: &Signin<'_>,
    ) -> Result<Member, Denied<Rejection>> {
        let app = connection.hub().app();
        verify_user(&app.keys, connection.socket(), &asked.user_data, asked.auth.as_deref()).map_err(Rejection::new)?;
        let User { member, mut watchlist } =
            User::parse(&asked.user_data, app.limits.max_user_id_chars, app.features.watchlist)
                .map_err(|invalid| Rejection::new(format!("Invalid user_data: {invalid}")))?;
        if let Some(current) = current.filter(|current| **current != member.id) {
            let current = current.as_str();
            let message = format!("Already signed in as {current}: connect again to sign in as another user");
            return Err(Rejection::new(message).into());
        }
        let mut answers = vec![Frame::signin_success(&asked.user_data)];
        let max = app.limits.max_watchlist_users;
        if watchlist.len() > max {
            watchlist.truncate(max);
            answers.push(Frame::rejection(&Rejection::watchlist(max)));
        }
        let sign_in = SignIn { user: &member.id, watch: &watchlist, answers: &answers, at: SystemTime::now() };
        let done = connection.counting(|| {
            connection.sign_in(sign_in);
            Ok::<_, Infallible>(())
        });
        done.map(|_| member).ok_or(Denied::Ended(CloseCode::OverQuota))
    }

    /// Sends a back end's event to its channel's subscribers: encoded once, queued for each, written by each
    /// connection's task.
    pub fn publish(&self, app: &App, event: Event<'_>) -> Reach {
        let hub = self.hub(app);
        let reach = match &self.cluster {
            None => hub.publish(event.channel, event.except, Instant::now(), || event.frame()),
            Some(cluster) => {
                let frame = event.frame();
                let reach = hub.publish(event.channel, event.except, Instant::now(), || frame.clone());
                let keep = event.channel.is_cache().then(|| app.limits.cache_ttl());
                cluster.publish(&app.id, event.channel, event.except, keep, &frame);
                reach
            }
        };
        hub.feed().tell(|| event.published(&reach));
        event.log(app, &reach);
        reach
    }

    /// Sends a client's event to its channel's subscribers. Newcomers of a cache channel do not get it (L13).
    pub fn relay(&self, app: &App, event: Event<'_>) -> Reach {
        let hub = self.hub(app);
        let reach = match self.cluster.as_ref().filter(|cluster| cluster.accepts()) {
            // A client is not told that others miss what it says, so it goes on for those who are here.
            None => hub.relay(event.channel, event.except, Instant::now(), || event.frame()),
            Some(cluster) => {
                let frame = event.frame();
                let reach = hub.relay(event.channel, event.except, Instant::now(), || frame.clone());
                cluster.publish(&app.id, event.channel, event.except, None, &frame);
                reach
            }
        };
        self.tell_of_client_event(app, &event);
        hub.feed().tell(|| event.said(&reach));
        event.log(app, &reach);
        reach
    }

    /// Takes note that the app's back end publishes `count` events, if it may.
    pub fn take_events(&self, app: &App, count: u32) -> Result<Option<Allowance>, Refused> {
        let hub = self.hub(app);
        hub.events.take(count).inspect_err(|_| {
            hub.metrics().limited.of(Limited::Event).add(1);
        })
    }

    /// Takes note that the app's back end asks something, if it may.
    pub fn take_read(&self, app: &App) -> Result<Option<Allowance>, Refused> {
        let hub = self.hub(app);
        hub.reads.take(1).inspect_err(|_| {
            hub.metrics().limited.of(Limited::Read).add(1);
        })
    }

    /// Does what is due: to be called a few times a second.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.hubs.all().values().for_each(|hub| hub.sweep(now));
        self.forget(now);
    }

    /// Connections of all apps.
    pub fn connections(&self) -> usize {
        self.hubs.all().values().map(|hub| hub.connections()).sum()
    }

    /// Channels of all apps that have a subscriber here.
    pub fn channels(&self) -> usize {
        self.hubs.all().values().map(|hub| hub.channels()).sum()
    }

    /// Where what happens in the app on this node is told.
    pub fn feed(&self, app: &App) -> Arc<Feed> {
        self.hub(app).feed().clone()
    }

    /// Ends everybody's watching, because the node stops.
    pub fn end_feeds(&self) {
        self.hubs.all().values().for_each(|hub| hub.feed().end());
    }

    /// Tells the feed of a connection to the app with this key that was refused.
    pub fn turned_away(&self, key: Option<&str>, visitor: Visitor<'_>, close: CloseCode) {
        if let Some(app) = key.and_then(|key| self.app_by_key(key)) {
            self.feed(&app).tell(|| Happening::TurnedAway {
                ip: visitor.address.map(|address| address.to_string()),
                origin: visitor.origin.map(str::to_owned),
                code: close.code(),
                reason: close.reason(),
            });
        }
    }

    /// Every connection's outbox, to close them all.
    pub fn outboxes(&self) -> Vec<Arc<Outbox>> {
        self.hubs.all().values().flat_map(|hub| hub.outboxes()).collect()
    }

    /// The app's hub. Whoever comes with an app that is gone finds one that nobody else has.
    fn hub(&self, app: &App) -> Arc<Hub> {
        self.hubs.get(&app.id).unwrap_or_else(|| {
            let hub = Hub::new(Arc::new(App::new(&app.id, "", "")), Arc::default(), Instant::now());
            hub.shut(CloseCode::UnknownApp);
            Arc::new(hub)
        })
    }
}

impl Event<'_> {
    fn frame(&self) -> Frame {
        Frame::event(self.channel, self.name, self.data, self.user_id)
    }

    /// What the feed tells of what a back end has published.
    fn published(&self, reach: &Reach) -> Happening {
        Happening::Published {
            channel: self.channel.as_str().to_owned(),
            event: self.name.to_owned(),
            except: self.except.map(|socket| socket.to_string()),
            connections: reach.connections,
            payload: Payload::of(&text(self.data).unwrap_or_default()),
        }
    }

    /// What the feed tells of what a client has said.
    fn said(&self, reach: &Reach) -> Happening {
        Happening::ClientEvent {
            socket_id: self.except.map(|socket| socket.to_string()),
            user_id: self.user_id.map(|user| user.as_str().to_owned()),
            channel: self.channel.as_str().to_owned(),
            event: self.name.to_owned(),
            connections: reach.connections,
            payload: Payload::of(&text(self.data).unwrap_or_default()),
        }
    }

    fn log(&self, app: &App, reach: &Reach) {
        tracing::debug!(
            app.id = app.id,
            channel.name = %self.channel,
            data = %one_line(&text(self.data).unwrap_or_default()),
            "broadcast {} to {} connections",
            one_line(self.name),
            reach.connections
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_of_apps_that_are_gone_are_let_go_of() {
        let app = |id: &str| App::new(id, &format!("{id}-key"), "secret");
        let me = Identity::new("test".to_owned(), SystemTime::UNIX_EPOCH);
        let node = Node::new(me, Apps::new(vec![app("a"), app("b")]));
        let [gone, back] = ["a", "b"].map(|id| node.app(id).expect("it is configured"));
        let stays = node.connect(&gone, Visitor { origin: None, address: None }).expect("it is taken in");
        let later = Instant::now() + FORGOTTEN_AFTER + Duration::from_secs(1);
        node.configure(Apps::new(vec![app("c")]));
        node.configure(Apps::new(vec![app("c"), app("b")]));
        node.forget(Instant::now());
        node.forget(later);
        assert_eq!(node.hubs().len(), 3, "somebody is still there");
        drop(stays);
        node.forget(later);
        assert!(node.hubs().len() == 2 && node.hubs.get("b").is_some(), "one came back");
        // Who came with the app as it was is told so, and nobody else hears it.
        assert_eq!(node.connect(&gone, Visitor { origin: None, address: None }).err(), Some(CloseCode::UnknownApp));
        assert!(node.connect(&back, Visitor { origin: None, address: None }).is_ok());
        assert_eq!(node.hubs().len(), 2);
    }
}
