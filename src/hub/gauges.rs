//! What an app's hub counts, and how long frames take through it.

use super::Hub;
use super::activity::Totals;
use crate::metrics::{AppMetrics, Counter};
use crate::protocol::{CloseCode, Frame, Stamp};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What there is of an app on this node at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Connections.
    pub connections: usize,
    /// Subscriptions, those to users' own channels left out.
    pub subscriptions: usize,
    /// Channels with a subscriber, users' own channels left out.
    pub channels: usize,
    /// Members of presence channels, once for each channel that they are in.
    pub members: usize,
    /// Bytes that wait to be written to connections.
    pub waiting_bytes: usize,
}

impl Hub {
    /// What the app's connections and events are counted by.
    pub fn metrics(&self) -> &AppMetrics {
        &self.metrics
    }

    /// What there is now. It looks at every connection.
    pub fn gauges(&self) -> Gauges {
        let here = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        Gauges {
            connections: self.connections(),
            subscriptions: here(&self.totals.here.subscriptions),
            channels: here(&self.totals.here.channels),
            members: here(&self.totals.here.members),
            // Counted here rather than with each frame: that would be twice for each recipient.
            waiting_bytes: self.sockets.iter().map(|socket| socket.value().bytes()).sum(),
        }
    }

    /// Takes note that a connection has written an event that was published at `stamp`.
    pub fn written(&self, stamp: Stamp, now: Instant) {
        let taken = now.saturating_duration_since(self.activity.start());
        self.metrics.latency.observe(taken.saturating_sub(Duration::from_nanos(stamp.0)));
    }

    /// A frame that says when it was published.
    pub(super) fn stamped(&self, frame: &Frame, now: Instant) -> Frame {
        let since = now.saturating_duration_since(self.activity.start()).as_nanos();
        frame.stamped(Stamp(u64::try_from(since).unwrap_or(u64::MAX)))
    }

    /// Counts the end of a connection, which the server has closed or the client.
    pub(super) fn count_end(&self, close: Option<CloseCode>) {
        close.map_or(&self.metrics.gone_total, |close| self.metrics.closed.of(close)).add(1);
    }

    pub(super) fn event_totals(&self) -> Totals {
        let AppMetrics { published_total, client_events_total, deliveries_total, .. } = &*self.metrics;
        [published_total, client_events_total, deliveries_total].map(Counter::get)
    }
}
