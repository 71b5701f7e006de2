//! The bus over Redis or Valkey: one server, one behind Sentinels, or a cluster with sharded pub/sub.
//!
//! A `session` is a set of connections that serves until the first fault of any of them; `link` opens one after the
//! other, and `topics` knows what each new one has to subscribe. A `log` is a stream. Of the crate `redis` only its connections are used,
//! and neither its reconnecting nor its cluster client: those hide when messages may have been lost.
//!
//! Redis must be 6.0 or later, in a cluster 7.0; any Valkey will do. An ACL user needs the channels and keys under the
//! prefix (`&fanfare.*` and `~fanfare.*`), and the commands `PUBLISH`, `SUBSCRIBE`, `UNSUBSCRIBE`
//! (in a cluster `SPUBLISH`, `SSUBSCRIBE`, `SUNSUBSCRIBE`, `CLUSTER INFO` and `CLUSTER SLOTS`; behind Sentinels also
//! `ROLE`), `GET`, `SET`, `XADD`, `XRANGE` and `PING`.
//!
//! Must not know: what a payload means.

mod fault;
mod link;
mod log;
mod open;
mod plan;
mod session;
mod slots;
mod tap;
mod topics;

use super::{Error, Feed, Position, Topic};
use crate::config::Redis as Settings;
use bytes::Bytes;
use link::Shared;
use plan::Plan;
pub use plan::SettingsError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// A node's connection to Redis. Clones share it, and the last one's end is its end.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
    _task: Arc<AbortOnDropHandle<()>>,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

impl Redis {
    /// Starts to connect, in a task of its own that never gives up. Fails only on settings that could never work.
    pub fn connect(settings: &Settings, feed: Feed) -> Result<Self, SettingsError> {
        let plan = Plan::new(settings)?;
        let shared = Arc::<Shared>::default();
        let task = AbortOnDropHandle::new(tokio::spawn(link::run(shared.clone(), plan, feed)));
        Ok(Self { shared, _task: Arc::new(task) })
    }

    /// Whether anything could be connected to with these settings; reads the files that they name.
    pub fn examine(settings: &Settings) -> Result<(), SettingsError> {
        Plan::new(settings).map(drop)
    }

    pub(super) async fn publish(&self, batch: &[(Topic, Bytes)]) -> Result<(), Error> {
        self.shared.session()?.publish(batch).await
    }

    pub(super) async fn subscribe(&self, topic: &Topic) -> Result<(), Error> {
        match self.shared.subscribe(topic)? {
            None => Ok(()),
            Some(answer) => answer.await.unwrap_or(Err(Error::Down)),
        }
    }

    pub(super) fn unsubscribe(&self, topic: &Topic) {
        self.shared.unsubscribe(topic);
    }

    pub(super) async fn remember(&self, key: &Topic, value: &Bytes, ttl: Duration) -> Result<(), Error> {
        self.shared.session()?.remember(key, value, ttl).await
    }

    pub(super) async fn recall(&self, key: &Topic) -> Result<Option<Bytes>, Error> {
        self.shared.session()?.recall(key).await
    }

    pub(super) async fn append(&self, log: &Topic, entry: &Bytes) -> Result<(), Error> {
        self.shared.session()?.append(log, entry).await
    }

    pub(super) async fn read(&self, log: &Topic, from: Position, most: usize) -> Result<Vec<(Position, Bytes)>, Error> {
        self.shared.session()?.read(log, from, most).await
    }

    pub(super) fn reset(&self) {
        if let Ok(session) = self.shared.session() {
            session.fault().set("asked to connect anew");
        }
    }
}
