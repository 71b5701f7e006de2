//! Whom there is to tell: apps as they are configured now, and what waits for each of their endpoints. It is replaced as a
//! whole when the configuration changes.

use super::queue::Queue;
use crate::app::{App, Endpoint};
use crate::feed::Feed;
use std::collections::HashMap;
use std::sync::Arc;

/// An endpoint: its app's id, and its own.
pub(super) type Key = (String, String);

/// Whom there is to tell.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// Apps with endpoints, each with where it is told what happens in it.
    apps: HashMap<String, (Arc<App>, Arc<Feed>)>,
    /// Of every endpoint that there was. One that is gone leaves its numbers, so that they do not go backwards, and nothing
    /// is sent there: it is closed.
    queues: HashMap<Key, Arc<Queue>>,
}

impl Directory {
    /// The next one, of `apps`, of which those without endpoints do not matter.
    pub(super) fn of(&self, apps: impl IntoIterator<Item = (Arc<App>, Arc<Feed>)>) -> Self {
        let told = apps.into_iter().filter(|(app, _)| !app.webhooks.is_empty());
        let apps: HashMap<_, _> = told.map(|(app, feed)| (app.id.clone(), (app, feed))).collect();
        let mut next = Self { apps, queues: self.queues.clone() };
        let fresh: Vec<_> = next.keys().filter(|key| !next.queues.contains_key(key)).collect();
        next.queues.extend(fresh.into_iter().map(|key| (key, Arc::default())));
        next
    }

    /// The endpoints of all apps.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        let ids =
            |app: &Arc<App>| app.webhooks.iter().map(|(id, _)| (app.id.clone(), id.to_owned())).collect::<Vec<_>>();
        self.apps().flat_map(ids)
    }

    /// Closes the queues of endpoints that are gone, and opens those of others.
    pub(super) fn open_and_close(&self) {
        for ((app, endpoint), queue) in &self.queues {
            queue.open(self.endpoint(app, endpoint).is_some());
        }
    }

    pub(super) fn apps(&self) -> impl Iterator<Item = &Arc<App>> {
        self.apps.values().map(|(app, _)| app)
    }

    pub(super) fn app(&self, id: &str) -> Option<&Arc<App>> {
        self.apps.get(id).map(|(app, _)| app)
    }

    pub(super) fn feed(&self, app: &str) -> Option<&Arc<Feed>> {
        self.apps.get(app).map(|(_, feed)| feed)
    }

    pub(super) fn endpoint(&self, app: &str, endpoint: &str) -> Option<&Endpoint> {
        self.app(app)?.webhooks.get(endpoint)
    }

    /// The queue of an endpoint that there is, or was.
    pub(super) fn queue(&self, key: &Key) -> Option<&Arc<Queue>> {
        self.queues.get(key)
    }

    /// The queues of all endpoints that there are, or were.
    pub(super) fn queues(&self) -> impl Iterator<Item = (&Key, &Arc<Queue>)> {
        self.queues.iter()
    }
}
