//! What the server counts about itself.
//!
//! Must not know: sockets, channels, or who reads the numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`; the sum before.
    pub fn add(&self, n: usize) -> u64 {
        self.0.fetch_add(n as u64, Ordering::Relaxed)
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one process. Updated once per event, never once per recipient.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections whose handshake was answered with `connection_established`.
    pub connections_total: Counter,
    /// Events encoded for a channel: one for each event and channel, whatever the number of subscribers.
    pub encodings_total: Counter,
    /// Frames handed to connections by events.
    pub deliveries_total: Counter,
    /// Events of cache channels that were forgotten before their time, because the app's cache was full.
    pub cache_forgotten_total: Counter,
    /// Connections closed because more bytes waited for them than the app allows.
    pub closed_over_bytes_total: Counter,
    /// Messages on the bus that made no sense: from strangers, or cut short.
    pub bus_malformed_total: Counter,
    /// Times that news of another node was missed, and all of it was asked for.
    pub bus_gaps_total: Counter,
    /// Times that another node could not repeat all that was missed while the link was down: events are lost.
    pub bus_lost_total: Counter,
    /// Events of other nodes that were dropped, because more came than was handed out.
    pub bus_dropped_total: Counter,
    /// Events that the bus refused to take, or to keep for newcomers of a cache channel.
    pub bus_refused_total: Counter,
    /// Times that the link to the bus came up.
    pub bus_links_total: Counter,
    /// Requests made to endpoints of webhooks.
    pub webhook_attempts_total: Counter,
    /// Those of them that failed.
    pub webhook_failures_total: Counter,
    /// Events that endpoints have taken.
    pub webhook_events_total: Counter,
    /// Events that became dead letters.
    pub webhook_dead_total: Counter,
    /// Dead letters that were forgotten, because there were more than are kept.
    pub webhook_forgotten_total: Counter,
    /// Client events that no webhook tells of, because more came than could be taken note of.
    pub webhook_dropped_total: Counter,
    /// Times that the journal of webhooks could not be written.
    pub webhook_journal_failures_total: Counter,
    /// Connections given up because one write took longer than the app allows.
    pub closed_over_deadline_total: Counter,
}
