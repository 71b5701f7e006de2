//! What an app's connections add up to, here and on other nodes.

use super::{Stats, Volume};
use crate::protocol::NodeId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts of one app.
#[derive(Debug, Default)]
pub(super) struct Totals {
    connections: AtomicUsize,
    peak: AtomicUsize,
    /// The most there were on all nodes together, as far as this one knows.
    peak_everywhere: AtomicUsize,
    /// Connections here that count towards the app's limit.
    counted: AtomicUsize,
    /// Who is in channels here.
    pub(super) here: Here,
    /// What other nodes were told last.
    told: Mutex<Option<Share>>,
    elsewhere: Mutex<HashMap<NodeId, Share>>,
}

/// Who is in channels on this node, users' own channels left out.
#[derive(Debug, Default)]
pub(super) struct Here {
    /// Channels with a subscriber.
    pub(super) channels: AtomicUsize,
    /// Subscriptions.
    pub(super) subscriptions: AtomicUsize,
    /// Members of presence channels, once for each channel that they are in.
    pub(super) members: AtomicUsize,
}

/// What one node adds to an app.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Connections there that count towards the app's limit.
    pub counted: usize,
    /// What the app adds up to there.
    pub stats: Stats,
}

impl Totals {
    /// Connections here.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The most there were here at one time.
    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// Counts a connection.
    pub(super) fn connect(&self) {
        let connections = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(connections, Ordering::Relaxed);
        self.note_peak(connections);
    }

    pub(super) fn disconnect(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes one of the `max` places that the app's connection limit leaves, wherever the others are taken.
    pub(super) fn count_one(&self, max: usize) -> bool {
        let elsewhere: usize = self.elsewhere.lock().values().map(|share| share.counted).sum();
        let room = |count: usize| (count + elsewhere < max).then_some(count + 1);
        self.counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    pub(super) fn uncount_one(&self) {
        self.counted.fetch_sub(1, Ordering::Relaxed);
    }

    /// What this node adds, with `stats`.
    pub(super) fn share(&self, stats: Stats) -> Share {
        Share { counted: self.counted.load(Ordering::Relaxed), stats }
    }

    /// What other nodes are to be told: at once if the places left have changed, otherwise only if it is `due`.
    pub(super) fn news(&self, due: bool, stats: impl FnOnce() -> Stats) -> Option<Share> {
        let mut told = self.told.lock();
        let counted = self.counted.load(Ordering::Relaxed);
        if !due && told.map_or(0, |told| told.counted) == counted {
            return None;
        }
        let share = Share { counted, stats: stats() };
        (*told != Some(share)).then(|| *told.insert(share))
    }

    /// Takes note of what a node adds.
    pub(super) fn set(&self, node: NodeId, share: Share) {
        self.elsewhere.lock().insert(node, share);
        self.note_peak(self.connections());
    }

    /// Takes note that a node adds nothing any more.
    pub(super) fn unset(&self, node: NodeId) {
        self.elsewhere.lock().remove(&node);
    }

    /// What other nodes add, in the order of their ids.
    pub(super) fn elsewhere(&self) -> Vec<(NodeId, Share)> {
        let mut all: Vec<_> = self.elsewhere.lock().iter().map(|(node, share)| (*node, *share)).collect();
        all.sort_by_key(|(node, _)| *node);
        all
    }

    /// Connections everywhere.
    pub(super) fn connections_everywhere(&self) -> usize {
        self.connections() + self.connections_elsewhere()
    }

    /// The most there were everywhere at one time, as far as this node knows.
    pub(super) fn peak_everywhere(&self) -> usize {
        self.peak_everywhere.load(Ordering::Relaxed)
    }

    /// Takes note of the connections there are everywhere, of which so many are `here`: whoever asks for the most there
    /// were asks later.
    fn note_peak(&self, here: usize) {
        self.peak_everywhere.fetch_max(here + self.connections_elsewhere(), Ordering::Relaxed);
    }

    fn connections_elsewhere(&self) -> usize {
        self.elsewhere.lock().values().map(|share| share.stats.connections).sum()
    }
}

impl Stats {
    /// Adds another node's events.
    pub(super) fn add_events(&mut self, other: &Self) {
        let add = |mine: &mut Volume, other: Volume| {
            mine.total += other.total;
            mine.per_second += other.per_second;
        };
        add(&mut self.published, other.published);
        add(&mut self.client_events, other.client_events);
        add(&mut self.deliveries, other.deliveries);
    }
}
