//! What the desk knows of the configuration, which is its node's own and no part of the state: who wants what, which
//! endpoints there are, and what becomes of what waits for them when they come and go.

use super::desk::{Desk, Job, Now};
use super::wanted::{CHANNELS, COUNTS, MEMBERS, MISSES, told, turns, want};
use crate::app::{App, EventKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long an event waits for an endpoint that there is not: another node may have it, and this one be about to get it.
const ORPHANED_AFTER_MS: u64 = 300_000;

impl Desk {
    /// Tells those of `apps` that have webhooks from now on. How channels stand of which it is told more than before is to be
    /// heard next: until then nothing is told of them.
    pub(super) fn configure<'a>(&mut self, apps: impl Iterator<Item = &'a Arc<App>>) {
        let before = std::mem::replace(&mut self.apps, told(apps));
        for (app, book) in &mut self.books {
            let configs = [before.get(app), self.apps.get(app)];
            book.channels.retain(|channel, standing| {
                let stays = |kinds| configs.iter().all(|app| app.is_some_and(|app| want(app, kinds, channel)));
                standing.lose_sight([&CHANNELS[..], &MEMBERS, &COUNTS, &MISSES].map(|kinds| !stays(kinds)));
                !standing.is_blank()
            });
        }
        for (id, app) in &self.apps {
            let is_new = |endpoint: &str| before.get(id).is_none_or(|app| app.webhooks.get(endpoint).is_none());
            for endpoint in app.webhooks.iter().map(|(endpoint, _)| endpoint).filter(|endpoint| is_new(endpoint)) {
                // All that waits, in its order.
                self.out.jobs.retain(|(of, to, _)| (&**of, &**to) != (id, endpoint));
                let Some(book) = self.books.get(id) else { continue };
                let mine = book.open().filter(|open| book.sender(&open.event.channel) == Some(self.me.0));
                let waiting = mine.filter(|open| open.to.iter().any(|to| to == endpoint));
                let send = waiting.map(|open| (id.clone(), endpoint.to_owned(), Job::Send(open.event.clone())));
                self.out.jobs.extend(send);
            }
        }
    }

    /// Whether any endpoint is told of one of `kinds` on the channel.
    pub(super) fn wants(&self, app: &str, kinds: &[EventKind], channel: &str) -> bool {
        self.apps.get(app).is_some_and(|app| want(app, kinds, channel))
    }

    /// Whether anybody wants to hear of an event, or of what undoes it: if so back ends count as told of both.
    pub(super) fn matters(&self, app: &str, kind: EventKind, channel: &str) -> bool {
        self.wants(app, turns(kind), channel)
    }

    /// Whether an app has such an endpoint.
    pub(super) fn has(&self, app: &str, endpoint: &str) -> bool {
        self.apps.get(app).is_some_and(|app| app.webhooks.get(endpoint).is_some())
    }

    /// Gives up what waits for long for endpoints that are not configured.
    pub(super) fn bury_orphans(&mut self, now: Now) {
        let mut orphans = BTreeMap::<_, Vec<_>>::new();
        for (app, book) in &self.books {
            for open in book.open().filter(|open| open.event.time_ms.saturating_add(ORPHANED_AFTER_MS) < now.ms) {
                if book.sender(&open.event.channel) == Some(self.me.0) {
                    let gone = open.to.iter().filter(|endpoint| !self.has(app, endpoint));
                    gone.for_each(|of| orphans.entry((app.clone(), of.clone())).or_default().push(open.event.id));
                }
            }
        }
        for ((app, endpoint), events) in orphans {
            self.out.orphaned += events.len();
            self.bury(&app, &endpoint, &events, "the endpoint is not configured any more", now);
        }
    }
}
