//! How long something takes, counted in buckets.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The upper bounds of all buckets but the last, which has none. In nanoseconds.
pub const BOUNDS: [u64; 13] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    5_000_000_000,
];

/// Copies of the counters: threads that count at the same time mostly have one each.
const SHARDS: usize = 8;

/// Counts how long something takes.
#[derive(Debug, Default)]
pub struct Histogram(Box<[Shard; SHARDS]>);

/// On cache lines of its own, so that threads do not take them from one another.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// What a histogram holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// How often it took at most as long as each bound and longer than the one before; last, longer than all.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All of the time.
    pub sum: Duration,
}

impl Histogram {
    /// Counts one that took so long.
    pub fn observe(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let shard = &self.0[shard()];
        shard.counts[BOUNDS.partition_point(|bound| *bound < nanoseconds)].fetch_add(1, Ordering::Relaxed);
        shard.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> Reading {
        let add = |mut all: Reading, shard: &Shard| {
            let counts = shard.counts.iter().map(|count| count.load(Ordering::Relaxed));
            all.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            all.sum += Duration::from_nanos(shard.nanoseconds.load(Ordering::Relaxed));
            all
        };
        self.0.iter().fold(Reading::default(), add)
    }
}

/// This thread's shard: threads take them in turns.
fn shard() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS);
    SHARD.with(|shard| *shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_bucket_up_to_whose_bound_they_reach() {
        let histogram = &Histogram::default();
        let microseconds = [0, 100, 101, 1000, 5_000_000, 5_000_001];
        std::thread::scope(|scope| {
            for time in microseconds {
                scope.spawn(move || histogram.observe(Duration::from_micros(time)));
            }
        });
        let Reading { counts, sum } = histogram.read();
        assert_eq!(counts, [2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(sum, Duration::from_micros(microseconds.iter().sum()));
    }

    #[test]
    fn bounds_rise_and_a_shard_has_cache_lines_of_its_own() {
        assert!(BOUNDS.is_sorted_by(|a, b| a < b));
        assert_eq!(size_of::<Shard>(), 128);
    }
}
