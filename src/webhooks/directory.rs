//! Whom there is to tell: apps as they are configured now, and what waits for each of their endpoints. It is replaced as a
//! whole when the configuration changes.

use super::queue::Queue;
use crate::app::{App, Endpoint};
use crate::feed::Feed;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// An endpoint: its app's id, and its own.
pub(super) type Key = (String, String);

/// Whom there is to tell.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// Apps with endpoints, each with where it is told what happens in it.
    apps: HashMap<String, (Arc<App>, Arc<Feed>)>,
    /// Of every endpoint that an app had that there is. One that is gone leaves its numbers, so that they do not go
    /// backwards, and nothing is sent there: it is closed.
    queues: HashMap<Key, Arc<Queue>>,
    /// What endpoints of apps have taken that are gone.
    delivered: u64,
}

impl Directory {
    /// The next one, of `apps`, of which those without endpoints do not matter.
    pub(super) fn of(&self, apps: Vec<(Arc<App>, Arc<Feed>)>, now: Instant) -> Self {
        let known: HashSet<_> = apps.iter().map(|(app, _)| app.id.clone()).collect();
        let told = apps.into_iter().filter(|(app, _)| !app.webhooks.is_empty());
        let apps = told.map(|(app, feed)| (app.id.clone(), (app, feed))).collect();
        let (stay, gone): (HashMap<_, _>, HashMap<_, _>) =
            self.queues.clone().into_iter().partition(|((app, _), _)| known.contains(app));
        gone.values().for_each(|queue| queue.open(false));
        let taken: u64 = gone.values().map(|queue| queue.health(now).delivered).sum();
        let mut next = Self { apps, queues: stay, delivered: self.delivered + taken };
        let fresh: Vec<_> = next.keys().filter(|key| !next.queues.contains_key(key)).collect();
        next.queues.extend(fresh.into_iter().map(|key| (key, Arc::default())));
        next
    }

    /// How many events were taken by endpoints, those that are gone included.
    pub(super) fn delivered(&self, now: Instant) -> u64 {
        self.delivered + self.queues.values().map(|queue| queue.health(now).delivered).sum::<u64>()
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
