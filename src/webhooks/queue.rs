//! What waits for one endpoint, and what became of what was sent there.

use super::event::{Event, EventId};
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::sleep;

/// Attempts that are remembered.
const LOG: usize = 100;

/// One endpoint's queue, between the one who fills it and the one who empties it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What waits, and what did and is passed over.
    events: VecDeque<(Instant, Arc<Event>)>,
    /// What waits.
    waiting: HashSet<EventId>,
    paused: bool,
    /// Whether its endpoint is gone.
    closed: bool,
    log: VecDeque<Attempt>,
    attempts: u64,
    failures: u64,
    delivered: u64,
    /// When it is tried again, after a failure.
    next_try: Option<Instant>,
}

/// An attempt to tell an endpoint something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began, in milliseconds since 1970.
    pub at_ms: u64,
    /// What the receiver knows it by, whatever the attempt.
    pub delivery: String,
    /// How many events it carried.
    pub events: usize,
    /// The how manieth it was in a row, if those before failed.
    pub attempt: u32,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// After how long the endpoint is tried again, after a failure.
    pub again_in: Option<Duration>,
}

/// How an endpoint does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Events that wait.
    pub waiting: usize,
    /// How long the oldest of them waits.
    pub oldest: Duration,
    /// Requests made.
    pub attempts: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Events that were taken.
    pub delivered: u64,
    /// Whether nothing is sent, because this node does not know yet what others have sent.
    pub paused: bool,
}

impl Queue {
    /// Has an event wait.
    pub(super) fn push(&self, event: Arc<Event>, now: Instant) {
        let mut state = self.state.lock();
        if !state.closed && state.waiting.insert(event.id) {
            state.events.push_back((now, event));
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Has an event wait no longer.
    pub(super) fn withdraw(&self, id: EventId) {
        let mut state = self.state.lock();
        if state.waiting.remove(&id) {
            state.tidy();
        }
    }

    /// Has nothing wait any longer.
    pub(super) fn clear(&self) {
        self.state.lock().clear();
    }

    /// Takes note whether its endpoint is there. If not nothing waits, and only numbers are kept.
    pub(super) fn open(&self, is_open: bool) {
        let mut state = self.state.lock();
        if !is_open && !state.closed {
            state.clear();
            (state.log, state.next_try) = (VecDeque::new(), None);
        }
        state.closed = !is_open;
        drop(state);
        self.changed.notify_one();
    }

    /// Whether its endpoint is there.
    pub(super) fn is_open(&self) -> bool {
        !self.state.lock().closed
    }

    /// Holds everything back, or no longer.
    pub(super) fn pause(&self, paused: bool) {
        let was = std::mem::replace(&mut self.state.lock().paused, paused);
        if was != paused {
            self.changed.notify_one();
        }
    }

    /// Waits until there are events that may be sent. Whether they had to be waited for; `None` once the endpoint is gone.
    pub(super) async fn ready(&self) -> Option<bool> {
        let mut waited = false;
        loop {
            {
                let state = self.state.lock();
                if state.closed {
                    return None;
                }
                if !state.paused && !state.waiting.is_empty() {
                    return Some(waited);
                }
            }
            waited = true;
            self.changed.notified().await;
        }
    }

    /// The first events, at most so many, if they may be sent. They stay in the queue.
    pub(super) fn first(&self, most: usize) -> Vec<(Instant, Arc<Event>)> {
        let State { events, waiting, paused, .. } = &*self.state.lock();
        let first = events.iter().filter(|(_, event)| !paused && waiting.contains(&event.id));
        first.take(most).cloned().collect()
    }

    /// Whether there are so many.
    pub(super) fn has(&self, count: usize) -> bool {
        self.state.lock().waiting.len() >= count
    }

    /// Takes note of an attempt, which took these events if it succeeded.
    pub(super) fn attempted(&self, attempt: Attempt, events: &[EventId], now: Instant) {
        let mut state = self.state.lock();
        state.attempts += 1;
        state.next_try = attempt.again_in.map(|pause| now + pause);
        if attempt.failure.is_some() {
            state.failures += 1;
        } else {
            state.delivered += events.len() as u64;
            state.remove(events);
        }
        if state.log.len() == LOG {
            state.log.pop_front();
        }
        state.log.push_back(attempt);
    }

    /// Takes events out that were not taken.
    pub(super) fn give_up(&self, events: &[EventId]) {
        self.state.lock().remove(events);
    }

    /// Waits until it is time for another attempt, or the endpoint is gone.
    pub(super) async fn rest(&self, pause: Duration) {
        let over = sleep(pause);
        tokio::pin!(over);
        while self.is_open() {
            tokio::select! {
                () = &mut over => break,
                () = self.changed.notified() => {}
            }
        }
        self.state.lock().next_try = None;
    }

    /// Whether nothing will happen for a while: nothing waits, or what waits is held back or waits for another try.
    pub(super) fn is_at_rest(&self, now: Instant) -> bool {
        let state = self.state.lock();
        state.waiting.is_empty() || state.paused || state.next_try.is_some_and(|at| at > now)
    }

    /// How the endpoint does.
    pub(super) fn health(&self, now: Instant) -> Health {
        let state = self.state.lock();
        Health {
            waiting: state.waiting.len(),
            oldest: state.events.front().map_or(Duration::ZERO, |(since, _)| now.saturating_duration_since(*since)),
            attempts: state.attempts,
            failures: state.failures,
            delivered: state.delivered,
            paused: state.paused,
        }
    }

    /// The last attempts, oldest first.
    pub(super) fn log(&self) -> Vec<Attempt> {
        self.state.lock().log.iter().cloned().collect()
    }
}

impl State {
    fn clear(&mut self) {
        self.waiting.clear();
        self.events.clear();
    }

    fn remove(&mut self, events: &[EventId]) {
        for id in events {
            self.waiting.remove(id);
        }
        self.tidy();
    }

    /// Forgets what is to be passed over, if it comes first.
    fn tidy(&mut self) {
        let Self { events, waiting, .. } = self;
        while events.pop_front_if(|(_, event)| !waiting.contains(&event.id)).is_some() {}
    }
}
