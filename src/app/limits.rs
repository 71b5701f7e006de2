//! Sizes, counts and times that an app may set, with their defaults (spec section 14).

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an app's clients and back ends may do. Units are in the names; a limit is the largest value that still passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Advertised in the handshake: after so long without a frame a client sends `pusher:ping` (C8).
    pub activity_timeout_secs: u32,
    /// After so long without a frame from a client the server probes it with a ping (P4).
    pub ping_interval_secs: u32,
    /// How long after the probe a silent connection is closed with 4201 (P4).
    pub pong_timeout_secs: u32,
    /// Connections at one time; one more is refused with 4004. 0 means no limit.
    pub max_connections: usize,
    /// Connections from one address at one time, on this server; one more is closed with 4100. 0 means no limit. Addresses
    /// of IPv6 count as one where their first 64 bits are the same.
    pub max_connections_per_address: usize,
    /// New connections a second on this server, and as many at once; one more is closed with 4100. 0 means no limit.
    pub connections_per_second: u32,
    /// How long a connection is kept that never subscribes or signs in; then it is closed with 4202. 0 means for ever.
    pub unused_timeout_secs: u32,
    /// Channels that one connection may be subscribed to (F9).
    pub max_channels_per_connection: usize,
    /// Size of one WebSocket message from a client; a larger one closes the connection with 1009 (G5). A connection
    /// keeps a buffer as large as the largest message it has sent.
    pub max_message_bytes: usize,
    /// Size of an HTTP API request's body; a larger one is refused with 413, unread.
    pub max_request_bytes: usize,
    /// Length of a channel name, its prefix included (N2).
    pub max_channel_name_chars: usize,
    /// Length of an event name (V2, L6).
    pub max_event_name_chars: usize,
    /// Size of an event's `data` in UTF-8, as the client will read it (413 over it).
    pub max_event_data_bytes: usize,
    /// Channels that one `POST /events` may name.
    pub max_channels_per_publish: usize,
    /// Events in one `POST /batch_events` (B1).
    pub max_batch_events: usize,
    /// Distinct members of a presence channel (M4).
    pub max_presence_members: usize,
    /// Size of a member's `user_info` as JSON (M4).
    pub max_user_info_bytes: usize,
    /// Length of a member's or user's id (M4, U3).
    pub max_user_id_chars: usize,
    /// How long a cache channel keeps its last event for newcomers (K2).
    pub cache_ttl_secs: u32,
    /// Size of all events kept for cache channels; past it the oldest are forgotten early.
    pub cache_bytes: usize,
    /// Users that one connection may watch; further ones are ignored, with 4302 (W4).
    pub max_watchlist_users: usize,
    /// How long a connection may stay unauthorized where `authorized_connections` is on.
    pub authorization_timeout_secs: u32,
    /// Client events a second for each connection, also the size of a burst (L5, L15).
    pub client_events_per_second: u32,
    /// Inbound messages of any kind for each connection; none unless set (Reverb's rate limit).
    pub message_rate: Option<MessageRate>,
    /// Events that back ends may publish in a second on this server, and as many at once, each counted for every channel
    /// it names; 429 above that. 0 means no limit.
    pub events_per_second: u32,
    /// What back ends may ask in a second on this server, and as much at once; 429 above that. 0 means no limit.
    pub reads_per_second: u32,
    /// Bytes that may wait to be written to one connection; one that falls further behind is closed with 4100 (G6).
    pub outbox_bytes: usize,
    /// How long one write to a connection may take before the connection is given up.
    pub write_timeout_secs: u32,
    /// How far an API request's `auth_timestamp` may be from this server's clock (spec 5.2).
    pub auth_window_secs: u64,
}

/// A fixed window: the first message opens it, and within it messages past `max_attempts` are refused with 4301.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageRate {
    /// Messages that one window lets through.
    pub max_attempts: u32,
    /// Length of the window.
    pub decay_secs: u32,
    /// Whether the first refused message also closes the connection.
    pub terminate: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            activity_timeout_secs: 120,
            ping_interval_secs: 120,
            pong_timeout_secs: 30,
            max_connections: 0,
            max_connections_per_address: 0,
            connections_per_second: 0,
            unused_timeout_secs: 0,
            max_channels_per_connection: 1000,
            max_message_bytes: 64 * 1024,
            max_request_bytes: 1024 * 1024,
            max_channel_name_chars: 164,
            max_event_name_chars: 200,
            max_event_data_bytes: 10_240,
            max_channels_per_publish: 100,
            max_batch_events: 10,
            max_presence_members: 100,
            max_user_info_bytes: 1024,
            max_user_id_chars: 128,
            cache_ttl_secs: 1800,
            cache_bytes: 64 * 1024 * 1024,
            max_watchlist_users: 100,
            authorization_timeout_secs: 30,
            client_events_per_second: 10,
            message_rate: None,
            events_per_second: 0,
            reads_per_second: 0,
            outbox_bytes: 1024 * 1024,
            write_timeout_secs: 10,
            auth_window_secs: 600,
        }
    }
}

impl Limits {
    /// Silence after which a connection is probed.
    pub fn ping_interval(&self) -> Duration {
        Duration::from_secs(self.ping_interval_secs.into())
    }

    /// Silence after a probe that ends a connection.
    pub fn pong_timeout(&self) -> Duration {
        Duration::from_secs(self.pong_timeout_secs.into())
    }

    /// How long a cache channel keeps its last event.
    pub fn cache_ttl(&self) -> Duration {
        Duration::from_secs(self.cache_ttl_secs.into())
    }

    /// How long a connection may stay unauthorized.
    pub fn authorization_timeout(&self) -> Duration {
        Duration::from_secs(self.authorization_timeout_secs.into())
    }

    /// How long a connection that is of no use is kept, if not for ever.
    pub fn unused_timeout(&self) -> Option<Duration> {
        (self.unused_timeout_secs > 0).then(|| Duration::from_secs(self.unused_timeout_secs.into()))
    }

    /// How long one write may take.
    pub fn write_timeout(&self) -> Duration {
        Duration::from_secs(self.write_timeout_secs.into())
    }
}
