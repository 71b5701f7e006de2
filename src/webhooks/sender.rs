//! Tells one endpoint what waits for it, one request at a time so that the order is kept, and again until it is taken or
//! too old. One task for each endpoint: none waits for another.

use super::deliver::Courier;
use super::event::Event;
use super::queue::{Attempt, Queue};
use super::request::Request;
use super::schedule::Schedule;
use super::{Input, unix_ms};
use crate::app::App;
use crate::feed::{Feed, Happening};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
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
    pub(super) app: Arc<App>,
    /// Where it is told what happens in the app.
    pub(super) feed: Arc<Feed>,
    /// The endpoint's id.
    pub(super) endpoint: String,
    pub(super) queue: Arc<Queue>,
    pub(super) courier: Courier,
    pub(super) schedule: Schedule,
    /// Where it is told what was taken and what was not.
    pub(super) outcomes: mpsc::Sender<Input>,
}

/// Failures in a row.
#[derive(Clone, Copy)]
struct Streak {
    since: Instant,
    count: u32,
}

impl Sender {
    /// Sends for as long as the node runs.
    pub(super) async fn run(self) {
        let app = self.app.clone();
        let endpoint = app.webhooks.iter().find(|(id, _)| *id == self.endpoint).map(|(_, endpoint)| endpoint);
        let endpoint = endpoint.expect("senders are made for the app's endpoints");
        let most = if endpoint.batch { BATCH } else { 1 };
        let (mut streak, mut request) = (None::<Streak>, None);
        loop {
            let (mut first, waited) = self.queue.first(most).await;
            if waited {
                // What failed before is over, one way or the other.
                streak = None;
            }
            if endpoint.batch && first.len() < BATCH && streak.is_none() {
                first = self.gather(first).await;
            }
            if first.is_empty() {
                continue;
            }
            let events: Vec<_> = first.iter().map(|(_, event)| event.clone()).collect();
            let sent = self.request(request.take(), &events);
            let (at_ms, start) = (unix_ms(), super::now());
            let outcome = self.courier.post(endpoint, &sent).await;
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
                self.report(Input::Taken {
                    app: self.app.id.clone(),
                    endpoint: self.endpoint.clone(),
                    events: sent.events,
                })
                .await;
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
                request = Some(sent);
            } else {
                self.queue.give_up(&over);
                let (app, endpoint) = (self.app.id.clone(), self.endpoint.clone());
                self.report(Input::GivenUp { app, endpoint, events: over, why: failure }).await;
            }
            self.queue.rest(pause).await;
        }
    }

    /// Waits for more events to go with the first ones.
    async fn gather(&self, first: Vec<(Instant, Arc<Event>)>) -> Vec<(Instant, Arc<Event>)> {
        let until = first[0].0 + BATCH_WITHIN;
        while super::now() < until && !self.queue.has(BATCH) {
            sleep(BATCH_LOOK).await;
        }
        self.queue.first(BATCH).await.0
    }

    /// The request for what waits: the one that failed, if that begins with it.
    fn request(&self, failed: Option<Request>, events: &[Arc<Event>]) -> Request {
        let ids = events.iter().map(|event| event.id);
        match failed {
            Some(failed) if failed.events.len() <= events.len() && ids.zip(&failed.events).all(|(a, b)| a == *b) => {
                failed
            }
            _ => Request::new(&self.app, &self.endpoint, events),
        }
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
        let _ = self.outcomes.send(input).await;
    }

    /// Says that an endpoint does not take what it is told: the first time, and when it has not done so for long.
    fn log_failure(&self, attempt: &Attempt, failure: &str) {
        let (endpoint, app) = (&self.endpoint, &self.app.id);
        if attempt.attempt == 1 {
            tracing::warn!(app.id = app, endpoint, "a webhook failed and is tried again: {failure}");
        } else {
            tracing::debug!(app.id = app, endpoint, attempt = attempt.attempt, "a webhook failed again: {failure}");
        }
    }
}
