//! The use cases: connect, subscribe, publish, count. What transports and the HTTP API talk to.
//!
//! Must not know: WebSockets, HTTP, or how messages are parsed.

use crate::app::{App, Apps};
pub use crate::hub::{Counts, Outbox, Reach, Registration as Connection};
use crate::hub::{Full, Hub, Subscription};
use crate::metrics::Metrics;
use crate::protocol::command::Subscribe;
use crate::protocol::json::{one_line, text};
use crate::protocol::presence::Member;
use crate::protocol::signature::verify_channel;
use crate::protocol::{ChannelKind, ChannelName, CloseCode, Frame, Refusal, SocketId, UserId};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;

/// This process as a broadcast server, whatever carries its connections.
#[derive(Debug)]
pub struct Node {
    apps: Apps,
    hubs: HashMap<String, Arc<Hub>>,
    metrics: Arc<Metrics>,
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

impl Node {
    /// A node that serves `apps`.
    pub fn new(apps: Apps) -> Self {
        let metrics = Arc::<Metrics>::default();
        let hub = |app: &Arc<App>| (app.id.clone(), Arc::new(Hub::new(app.clone(), metrics.clone())));
        let hubs = apps.iter().map(hub).collect();
        Self { apps, hubs, metrics }
    }

    /// The app that a back end names by id.
    pub fn app(&self, id: &str) -> Option<&Arc<App>> {
        self.apps.by_id(id)
    }

    /// The app that a client names by key.
    pub fn app_by_key(&self, key: &str) -> Option<&Arc<App>> {
        self.apps.by_key(key)
    }

    /// What this process counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Admits a connection to `app` (1.9, C3). Its first frame waits in its outbox when this returns.
    pub fn connect(&self, app: &App, origin: Option<&str>) -> Result<Connection, CloseCode> {
        if !app.enabled {
            return Err(CloseCode::AppDisabled);
        }
        if !app.allowed_origins.allow(origin) {
            return Err(CloseCode::OriginNotAllowed);
        }
        let connection = self.hub(app).register().ok_or(CloseCode::OverQuota)?;
        connection.outbox().push(Frame::connection_established(connection.socket(), app.limits.activity_timeout_secs));
        self.metrics.connections_total.add(1);
        tracing::debug!(app.id = app.id, socket.id = %connection.socket(), origin, "connection established");
        Ok(connection)
    }

    /// Subscribes a connection to the channel it asks for, if it may (2.3). Nothing has happened when this fails (F4).
    pub fn subscribe(&self, connection: &Connection, asked: &Subscribe<'_>) -> Result<Subscription, Refusal> {
        let hub = connection.hub();
        let (app, limits) = (hub.app(), &hub.app().limits);
        let name = ChannelName::parse(&asked.channel, limits.max_channel_name_chars)
            .map_err(|invalid| Refusal::invalid_channel(&invalid))?;
        let channel_data = asked.channel_data.as_deref();
        let verify = || {
            verify_channel(&app.keys, connection.socket(), name.as_str(), channel_data, asked.auth.as_deref())
                .map_err(Refusal::unauthorized)
        };
        let member = match (name.kind(), channel_data) {
            (ChannelKind::Public, _) => None,
            (ChannelKind::User, _) => return Err(Refusal::not_that_user(&name)),
            (ChannelKind::Private, _) => verify().map(|()| None)?,
            (ChannelKind::Presence, None) => return Err(Refusal::no_channel_data(&name)),
            (ChannelKind::Presence, Some(data)) => {
                verify()?;
                let member = Member::parse(data, limits.max_user_id_chars, limits.max_user_info_bytes);
                Some(member.map_err(|invalid| Refusal::invalid_member(&invalid))?)
            }
        };
        hub.subscribe(&name, connection, member.as_ref())
            .map_err(|Full| Refusal::full(&name, limits.max_presence_members))
    }

    /// Sends an event to its channel's subscribers: encoded once, queued for each, written by each connection's task.
    pub fn publish(&self, app: &App, event: Event<'_>) -> Reach {
        let Event { channel, name, data, except, user_id } = event;
        let reach = self.hub(app).deliver(channel, except, || Frame::event(channel, name, data, user_id));
        tracing::debug!(
            app.id = app.id,
            channel.name = %channel,
            data = %one_line(&text(data).unwrap_or_default()),
            "broadcast {} to {} connections",
            one_line(name),
            reach.connections
        );
        reach
    }

    /// Connections and members of a channel.
    pub fn counts(&self, app: &App, channel: &ChannelName) -> Counts {
        self.hub(app).counts(channel)
    }

    /// Connections of all apps.
    pub fn connections(&self) -> usize {
        self.hubs.values().map(|hub| hub.connections()).sum()
    }

    /// Channels of all apps that have a subscriber.
    pub fn channels(&self) -> usize {
        self.hubs.values().map(|hub| hub.channels()).sum()
    }

    /// Every connection's outbox, to close them all.
    pub fn outboxes(&self) -> Vec<Arc<Outbox>> {
        self.hubs.values().flat_map(|hub| hub.outboxes()).collect()
    }

    fn hub(&self, app: &App) -> &Arc<Hub> {
        &self.hubs[&app.id]
    }
}
