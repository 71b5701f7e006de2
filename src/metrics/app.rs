//! What is counted for one app.

use super::{Counter, Counters, Histogram, Label};
use crate::protocol::CloseCode;

/// Counters of one app on this node.
#[derive(Debug, Default)]
pub struct AppMetrics {
    /// Connections whose handshake was answered with `connection_established`.
    pub connections_total: Counter,
    /// Those of them that the server has closed, by reason.
    pub closed: Counters<CloseCode>,
    /// Those of them that the client has closed, or that broke.
    pub gone_total: Counter,
    /// Connections that fell so far behind that more waited for them than the app allows.
    pub closed_over_bytes_total: Counter,
    /// Connections given up because one write took longer than the app allows.
    pub closed_over_deadline_total: Counter,
    /// Messages that clients sent, of any kind.
    pub messages_total: Counter,
    /// Events encoded for a channel: one for each event and channel, whatever the number of subscribers.
    pub encodings_total: Counter,
    /// Events that back ends published here, once for each of their channels.
    pub published_total: Counter,
    /// Events that clients sent here.
    pub client_events_total: Counter,
    /// Frames that events queued for connections.
    pub deliveries_total: Counter,
    /// Events of cache channels that were forgotten before their time, because the app's cache was full.
    pub cache_forgotten_total: Counter,
    /// What was refused because there was too much of it in too short a time.
    pub limited: Counters<Limited>,
    /// From publishing an event until a connection's batch with it was written.
    pub latency: Histogram,
}

/// What there may be too much of in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Messages of a connection, of any kind: `message_rate`.
    Message,
    /// Client events of a connection: `client_events_per_second`.
    ClientEvent,
    /// Events of back ends: `events_per_second`.
    Event,
    /// What back ends ask: `reads_per_second`.
    Read,
}

impl Label for Limited {
    const ALL: &'static [Self] = &[Self::Message, Self::ClientEvent, Self::Event, Self::Read];

    fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::ClientEvent => "client_event",
            Self::Event => "event",
            Self::Read => "read",
        }
    }
}
