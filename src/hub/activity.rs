//! How much goes through an app: rates over the last minute, made of counters that only grow.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The span that a rate is the mean of.
const SECONDS: u64 = 60;

/// Something counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Volume {
    /// Since the start.
    pub total: u64,
    /// The mean of the last minute, or of all the time there was.
    pub per_second: f64,
}

/// What back ends have published, what clients have sent, and the frames that both queued for connections.
pub(super) type Totals = [u64; 3];

/// How the totals of an app's events grow.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    /// The number of the second that things are counted in.
    newest: AtomicU64,
    /// The totals at the start of each of the last seconds, in the place of its number modulo the length.
    starts: Mutex<[Totals; SECONDS as usize]>,
}

impl Activity {
    /// Nothing so far, at `start`.
    pub(super) fn new(start: Instant) -> Self {
        Self { start, newest: AtomicU64::new(0), starts: Mutex::new([Totals::default(); SECONDS as usize]) }
    }

    /// When the counting began.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// To be called before anything is counted at `now`: takes note of the totals where a new second has begun.
    pub(super) fn pass(&self, now: Instant, totals: impl FnOnce() -> Totals) {
        let second = now.saturating_duration_since(self.start).as_secs();
        if second <= self.newest.load(Ordering::Relaxed) {
            return;
        }
        let mut starts = self.starts.lock();
        let (newest, totals) = (self.newest.load(Ordering::Relaxed), totals());
        for passed in second.saturating_sub(SECONDS - 1).max(newest + 1)..=second {
            starts[place(passed)] = totals;
        }
        self.newest.store(newest.max(second), Ordering::Relaxed);
    }

    /// Each of the `totals` at `now`, and how fast it grows.
    pub(super) fn volumes(&self, now: Instant, totals: Totals) -> [Volume; 3] {
        self.pass(now, || totals);
        let starts = self.starts.lock();
        let second = self.newest.load(Ordering::Relaxed);
        let before = starts[place(second.saturating_sub(SECONDS - 1))];
        let span = (second + 1).min(SECONDS) as f64;
        let volume =
            |n: usize| Volume { total: totals[n], per_second: totals[n].saturating_sub(before[n]) as f64 / span };
        [volume(0), volume(1), volume(2)]
    }
}

fn place(second: u64) -> usize {
    (second % SECONDS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn rates_are_means_of_the_last_minute() {
        let start = Instant::now();
        let (activity, at) = (Activity::new(start), |secs: u64| start + Duration::from_secs(secs));
        let mut published = 0;
        let mut add = |more: u64, secs| {
            activity.pass(at(secs), || [published, 0, 0]);
            published += more;
            published
        };
        let rate = |total, secs| activity.volumes(at(secs), [total, 0, 0])[0].per_second;
        let total = add(6, 0);
        assert_eq!((rate(total, 0), rate(total, 2)), (6.0, 2.0));
        let total = add(54, 59);
        assert_eq!([59, 60, 118, 119].map(|secs| rate(total, secs)), [1.0, 0.9, 0.9, 0.0]);
        let total = add(30, 100_000);
        assert_eq!((total, rate(total, 100_000)), (90, 0.5));
    }

    #[test]
    fn each_number_has_its_own_volume() {
        let start = Instant::now();
        let volumes = Activity::new(start).volumes(start, [1, 2, 3]);
        assert_eq!(volumes.map(|volume| (volume.total, volume.per_second)), [(1, 1.0), (2, 2.0), (3, 3.0)]);
    }
}
