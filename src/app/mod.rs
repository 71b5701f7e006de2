//! Apps, the tenants of the server: who they are and what they may do.
//!
//! Must not know: sockets, channels' state, where the settings were read from.

mod addresses;
mod endpoint;
mod features;
mod limits;
mod origins;

use crate::protocol::signature::Keys;
pub use addresses::is_public;
pub use endpoint::{Endpoint, Endpoints, EventKind};
pub use features::Features;
pub use limits::{Limits, MessageRate};
pub use origins::Origins;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;

/// Which client events (`client-*`) an app relays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientEvents {
    /// None at all (L1).
    None,
    /// From subscribers of private and presence channels: the Pusher rule (L2, L3), and the default.
    #[default]
    Guarded,
    /// From subscribers of any channel: Reverb's `members`.
    Members,
    /// From every connection, subscribed or not: Reverb's `all`.
    All,
}

/// One tenant.
#[derive(Debug, PartialEq)]
pub struct App {
    /// Names the app in HTTP API paths.
    pub id: String,
    /// Name the app in WebSocket paths and sign for it: any of them counts, and the oldest comes first.
    pub keys: Keys,
    /// A disabled app refuses connections with 4003 and API calls with 403.
    pub enabled: bool,
    /// Which client events are relayed.
    pub client_events: ClientEvents,
    /// Pages that may connect, by their `Origin` header.
    pub allowed_origins: Origins,
    /// Where its back end wants to hear of what happens: endpoints of webhooks.
    pub webhooks: Endpoints,
    /// What is switched on.
    pub features: Features,
    /// Sizes, counts and times.
    pub limits: Limits,
}

impl App {
    /// An enabled app with one key and every setting at its default.
    pub fn new(id: &str, key: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            keys: Keys::new(key, secret),
            enabled: true,
            client_events: ClientEvents::default(),
            allowed_origins: Origins::default(),
            webhooks: Endpoints::default(),
            features: Features::default(),
            limits: Limits::default(),
        }
    }
}

/// Every app of this server, found by any of its keys (WebSocket) or by id (HTTP API).
#[derive(Debug, Default)]
pub struct Apps {
    by_key: HashMap<String, Arc<App>>,
    by_id: HashMap<String, Arc<App>>,
}

impl Apps {
    /// Indexes `apps`, whose ids and keys the configuration has found to be distinct.
    pub fn new(apps: impl IntoIterator<Item = App>) -> Self {
        let mut all = Self::default();
        for app in apps.into_iter().map(Arc::new) {
            all.by_key.extend(app.keys.iter().map(|key| (key.to_owned(), app.clone())));
            all.by_id.insert(app.id.clone(), app);
        }
        all
    }

    /// The app that a client names by key.
    pub fn by_key(&self, key: &str) -> Option<&Arc<App>> {
        self.by_key.get(key)
    }

    /// The app that a back end names by id.
    pub fn by_id(&self, id: &str) -> Option<&Arc<App>> {
        self.by_id.get(id)
    }

    /// All apps, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<App>> {
        self.by_id.values()
    }
}
