//! What the server counts about itself: for the process as a whole, and for each app.
//!
//! Counted once for each event, never once for each recipient, and without locks. Must not know: sockets, channels, or
//! who reads the numbers.

mod app;
mod histogram;
mod requests;

use crate::protocol::CloseCode;
pub use app::{AppMetrics, Limited};
pub use histogram::{BOUNDS, Histogram, Reading};
pub use requests::{Requests, Route};
use std::marker::PhantomData;
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

/// A closed set of names that something is counted by.
pub trait Label: Copy + PartialEq + 'static {
    /// Every one there is.
    const ALL: &'static [Self];

    /// What it is called in metrics.
    fn name(self) -> &'static str;
}

impl Label for CloseCode {
    const ALL: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        CloseCode::name(self)
    }
}

/// A counter for each name of a closed set.
#[derive(Debug)]
pub struct Counters<L>(Box<[Counter]>, PhantomData<L>);

impl<L: Label> Counters<L> {
    /// The counter of `label`.
    pub fn of(&self, label: L) -> &Counter {
        let at = L::ALL.iter().position(|known| *known == label).expect("a label is one of all there are");
        &self.0[at]
    }

    /// Every name with its sum so far.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        L::ALL.iter().zip(&self.0).map(|(label, counter)| (label.name(), counter.get()))
    }
}

impl<L: Label> Default for Counters<L> {
    fn default() -> Self {
        Self(L::ALL.iter().map(|_| Counter::default()).collect(), PhantomData)
    }
}

/// Counters of one process.
#[derive(Debug, Default)]
pub struct Metrics {
    /// WebSockets that were closed right after their handshake, by reason.
    pub refused: Counters<CloseCode>,
    /// Requests to the HTTP API that were answered.
    pub requests: Requests,
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
    /// Events that became dead letters.
    pub webhook_dead_total: Counter,
    /// Dead letters that were forgotten, because there were more than are kept.
    pub webhook_forgotten_total: Counter,
    /// Client events that no webhook tells of, because more came than could be taken note of.
    pub webhook_dropped_total: Counter,
    /// Times that the journal of webhooks could not be written.
    pub webhook_journal_failures_total: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_name_has_a_counter_of_its_own() {
        let counters = Counters::<CloseCode>::default();
        for (n, code) in CloseCode::ALL.into_iter().enumerate() {
            counters.of(code).add(n);
        }
        let sums: Vec<_> = counters.all().map(|(_, sum)| sum).collect();
        assert_eq!(sums, (0..CloseCode::ALL.len() as u64).collect::<Vec<_>>());
        assert_eq!(counters.all().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), CloseCode::ALL.len());
    }
}
