//! Tells one endpoint what waits for it, one request at a time so that the order is kept, and again until it is taken or
//! too old. One task for each endpoint: none waits for another. How the endpoint is configured is looked up for each attempt.

use super::deliver::Courier;
use super::directory::Key;
use super::event::{Event, EventId};
use super::queue::{Attempt, Queue};
use super::request::Request;
use super::schedule::Schedule;
use super::{Input, Webhooks, unix_ms};
use crate::app::App;
use crate::feed::{Feed, Happening};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Events in one request, where there may be several (X8).
const BATCH: usize = 50;
/// How long the first of them waits for others.
const BATCH_WITHIN: Duration = Duration::from_millis(100);
/// Between two looks whether there are enough of them.
const BATCH_LOOK: Duration = Duration::from_millis(10);

/// The task.
#[derive(Debug)]
pub(super) struct Sender {
    /// Where it is looked up how the endpoint is configured, and told what was taken and what was not.
    pub(super) webhooks: Webhooks,
    /// The app's id, and the endpoint's.
    pub(super) app: String,
    pub(super) endpoint: String,
    /// Where it is told what happens in the app.
    pub(super) feed: Arc<Feed>,
    pub(super) queue: Arc<Queue>,
    pub(super) courier: Courier,
    pub(super) schedule: Schedule,
}

/// Failures in a row.
#[derive(Clone, Copy)]
struct Streak {
    since: Instant,
    count: u32,
}

impl Sender {
    /// Sends for as long as the endpoint is there: which one it was.
    pub(super) async fn run(mut self) -> Key {
        let (mut streak, mut failed) = (None::<Streak>, Vec::new());
        while let Some(waited) = self.queue.ready().await {
            if waited {
                // What failed before is over, one way or the other.
                streak = None;
            }
            let directory = self.webhooks.directory();
            let found = directory.app(&self.app).zip(directory.endpoint(&self.app, &self.endpoint));
            let Some((app, endpoint)) = found else { break };
            let mut first = self.queue.first(if endpoint.batch { BATCH } else { 1 });
            if endpoint.batch && !first.is_empty() && first.len() < BATCH && streak.is_none() {
                first = self.gather(first).await;
            }
            if first.is_empty() {
                continue;
            }
            let events: Vec<_> = first.iter().map(|(_, event)| event.clone()).collect();
            let sent = self.request(app, &failed, &events);
            let (at_ms, start) = (unix_ms(), super::now());
            self.courier.open(app.features.private_webhook_targets);
            let outcome = self.courier.post(endpoint, &sent).await;
            failed.clear();
            let now = super::now();
            let attempt = streak.map_or(0, |streak| streak.count) + 1;
            let mut attempt = Attempt {
                at_ms,
                delivery: sent.delivery.clone(),
                events: sent.events.len(),
                attempt,
                status: outcome.status,
                failure: outcome.failure,
                took: now - start,
                again_in: None,
            };
            self.feed.tell(|| self.happening(&attempt));
            let Some(failure) = attempt.failure.clone() else {
                self.queue.attempted(attempt, &sent.events, now);
                streak = None;
                let (app, endpoint) = (self.app.clone(), self.endpoint.clone());
                self.report(Input::Taken { app, endpoint, events: sent.events }).await;
                continue;
            };
            let run = Streak { since: streak.map_or(now, |streak| streak.since), count: attempt.attempt };
            streak = Some(run);
            let is_old = |since: Instant| now.saturating_duration_since(since.max(run.since)) >= self.schedule.patience;
            let over: Vec<_> = first
                .iter()
                .filter(|(since, event)| is_old(*since) && sent.events.contains(&event.id))
                .map(|(_, event)| event.id)
                .collect();
            // What comes after them has not been tried yet.
            let pause = self.schedule.pause(if over.is_empty() { run.count } else { 1 });
            attempt.again_in = Some(pause);
            self.log_failure(&attempt, &failure);
            self.queue.attempted(attempt, &[], now);
            if over.is_empty() {
                failed = sent.events;
            } else {
                self.queue.give_up(&over);
                let (app, endpoint) = (self.app.clone(), self.endpoint.clone());
                self.report(Input::GivenUp { app, endpoint, events: over, why: failure }).await;
            }
            self.queue.rest(pause).await;
        }
        (self.app, self.endpoint)
    }

    /// Waits for more events to go with the first ones.
    async fn gather(&self, first: Vec<(Instant, Arc<Event>)>) -> Vec<(Instant, Arc<Event>)> {
        let until = first[0].0 + BATCH_WITHIN;
        while super::now() < until && !self.queue.has(BATCH) {
            sleep(BATCH_LOOK).await;
        }
        self.queue.first(BATCH)
    }

    /// The request for what waits: for what `failed` together, if that comes first.
    fn request(&self, app: &App, failed: &[EventId], events: &[Arc<Event>]) -> Request {
        let ids = events.iter().map(|event| event.id);
        let is_first = failed.len() <= events.len() && ids.zip(failed).all(|(a, b)| a == *b);
        let count = if failed.is_empty() || !is_first { events.len() } else { failed.len() };
        Request::new(app, &self.endpoint, &events[..count])
    }

    /// What the feed tells of an attempt.
    fn happening(&self, attempt: &Attempt) -> Happening {
        Happening::Webhook {
            endpoint: self.endpoint.clone(),
            delivery: attempt.delivery.clone(),
            events: attempt.events,
            attempt: attempt.attempt,
            status: attempt.status,
            error: attempt.failure.clone(),
            ms: u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
        }
    }

    async fn report(&self, input: Input) {
        // There is nobody to tell once the node stops.
        self.webhooks.tell(input).await;
    }

    /// Says that an endpoint does not take what it is told: the first time, and when it has not done so for long.
    fn log_failure(&self, attempt: &Attempt, failure: &str) {
        let (endpoint, app) = (&self.endpoint, &self.app);
        if attempt.attempt == 1 {
            tracing::warn!(app.id = app, endpoint, "a webhook failed and is tried again: {failure}");
        } else {
            tracing::debug!(app.id = app, endpoint, attempt = attempt.attempt, "a webhook failed again: {failure}");
        }
    }
}
