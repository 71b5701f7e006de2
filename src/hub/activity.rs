//! How much goes through an app: totals, and rates over the last minute.

use parking_lot::Mutex;
use std::time::Instant;

/// The span that a rate is the mean of.
const SECONDS: usize = 60;

/// Something counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Volume {
    /// Since the start.
    pub total: u64,
    /// The mean of the last minute, or of all the time there was.
    pub per_second: f64,
}

/// Numbers that are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Events that back ends published, once for each of their channels.
    pub(super) published: u64,
    /// Events that clients sent.
    pub(super) client_events: u64,
    /// Frames that events queued for connections.
    pub(super) deliveries: u64,
}

/// What an app's events add up to.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    total: Sums,
    /// The sums of the last seconds, each in the place of its number modulo the length.
    seconds: [Sums; SECONDS],
    /// The number of the newest second.
    newest: u64,
}

impl Activity {
    /// Nothing so far, at `start`.
    pub(super) fn new(start: Instant) -> Self {
        let state = State { total: Sums::default(), seconds: [Sums::default(); SECONDS], newest: 0 };
        Self { start, state: Mutex::new(state) }
    }

    /// Counts what happened at `now`.
    pub(super) fn add(&self, sums: Sums, now: Instant) {
        let mut state = self.state.lock();
        let at = state.forward(self.second(now));
        state.seconds[at].add(sums);
        state.total.add(sums);
    }

    /// Events that back ends published, events that clients sent, and frames that both queued.
    pub(super) fn volumes(&self, now: Instant) -> [Volume; 3] {
        let mut state = self.state.lock();
        let second = self.second(now);
        state.forward(second);
        let mut recent = Sums::default();
        state.seconds.iter().for_each(|sums| recent.add(*sums));
        let span = (second + 1).min(SECONDS as u64) as f64;
        let volume = |total: u64, recent: u64| Volume { total, per_second: recent as f64 / span };
        [
            volume(state.total.published, recent.published),
            volume(state.total.client_events, recent.client_events),
            volume(state.total.deliveries, recent.deliveries),
        ]
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs()
    }
}

impl State {
    /// Clears the seconds that passed without anything up to `second`; the place of the newest.
    fn forward(&mut self, second: u64) -> usize {
        let passed = second.saturating_sub(self.newest).min(SECONDS as u64);
        for n in 0..passed {
            self.seconds[((second - n) % SECONDS as u64) as usize] = Sums::default();
        }
        self.newest = self.newest.max(second);
        (self.newest % SECONDS as u64) as usize
    }
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.published += other.published;
        self.client_events += other.client_events;
        self.deliveries += other.deliveries;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn published(activity: &Activity, now: Instant) -> (u64, f64) {
        let [Volume { total, per_second }, ..] = activity.volumes(now);
        (total, per_second)
    }

    #[test]
    fn rates_are_means_of_the_last_minute() {
        let start = Instant::now();
        let (activity, at) = (Activity::new(start), |secs: u64| start + Duration::from_secs(secs));
        let add = |published, secs| activity.add(Sums { published, ..Sums::default() }, at(secs));
        add(6, 0);
        assert_eq!(published(&activity, at(0)), (6, 6.0));
        assert_eq!(published(&activity, at(2)), (6, 2.0));
        add(54, 59);
        assert_eq!(published(&activity, at(59)), (60, 1.0));
        assert_eq!(published(&activity, at(60)), (60, 0.9));
        assert_eq!(published(&activity, at(118)), (60, 0.9));
        assert_eq!(published(&activity, at(119)), (60, 0.0));
        add(30, 100_000);
        assert_eq!(published(&activity, at(100_000)), (90, 0.5));
    }

    #[test]
    fn each_number_has_its_own_volume() {
        let start = Instant::now();
        let activity = Activity::new(start);
        activity.add(Sums { published: 1, client_events: 2, deliveries: 3 }, start);
        assert_eq!(activity.volumes(start).map(|volume| volume.total), [1, 2, 3]);
    }
}
