//! A log that all nodes share, on behalf of what runs on them, which this layer neither knows nor understands.

use super::Cluster;
use super::complaint::Complaint;
use super::wire::{Envelope, Said};
use crate::broker::{Error, Position, Topic};
use crate::protocol::NodeId;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Entries that are read at a time.
const READ: usize = 200;

/// The log.
#[derive(Debug)]
pub(super) struct Log {
    topic: Topic,
    /// That there is more in it.
    more: Notify,
    refused: Mutex<Complaint>,
}

impl Log {
    pub(super) fn new(prefix: &str) -> Self {
        Self { topic: Topic::new(&[prefix, "$log"]), more: Notify::new(), refused: Mutex::default() }
    }

    /// Takes note that there is more in it.
    pub(super) fn note(&self) {
        self.more.notify_one();
    }
}

impl Cluster {
    /// Appends an entry to the log. Whether the bus has taken it; if not it may be there all the same, or come to be yet.
    pub async fn append(&self, entry: Bytes) -> bool {
        let log = &self.0.log.topic;
        let done = self.0.broker.append(log, &self.envelope(0, log, Said::Entry { bytes: entry })).await;
        self.judge("append to", done).is_some_and(|()| {
            self.tell(Said::Noted);
            self.0.log.note();
            true
        })
    }

    /// Entries of the log from there on, each with who has appended it; none at its end, and `None` if it cannot be read.
    pub async fn read(&self, (a, b): (u64, u64)) -> Option<Vec<((u64, u64), NodeId, Bytes)>> {
        let log = &self.0.log.topic;
        let entries = self.judge("read", self.0.broker.read(log, Position(a, b), READ).await)?;
        let key = self.0.settings.key.as_ref();
        let read = |(Position(a, b), bytes): (Position, Bytes)| match Envelope::decode(&bytes, log, key) {
            Some(Envelope { origin, said: Said::Entry { bytes }, .. }) => ((a, b), origin, bytes),
            // It has its place all the same.
            _ => ((a, b), NodeId(0), Bytes::new()),
        };
        Some(entries.into_iter().map(read).collect())
    }

    /// Waits until there is more in the log.
    pub async fn noted(&self) {
        self.0.log.more.notified().await;
    }

    /// How large an entry may be.
    pub fn most_entry(&self) -> usize {
        self.room()
    }

    /// What was done, if it was.
    fn judge<T>(&self, what: &str, done: Result<T, Error>) -> Option<T> {
        if let Err(Error::Refused(why)) = &done {
            self.0.metrics.bus_refused_total.add(1);
            if self.0.log.refused.lock().is_due() {
                tracing::error!(
                    "cannot {what} the log that webhooks need among several servers (told once a minute): {why}"
                );
            }
        }
        done.ok()
    }
}
