//! When to say how many connections were ended because they do not read: one line for each would fill the log just when
//! things go wrong.
//!
//! Must not know: who they are, and where it is said.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Between two times that it is said.
const PAUSE: Duration = Duration::from_secs(60);

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Slow(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    total: u64,
    again: Option<Instant>,
}

impl Slow {
    /// How many are to be told of, of `total` so far.
    pub(super) fn due(&self, total: u64, now: Instant) -> Option<u64> {
        let mut told = self.0.lock();
        if total == told.total || told.again.is_some_and(|again| now < again) {
            return None;
        }
        let more = total - told.total;
        *told = Told { total, again: Some(now + PAUSE) };
        Some(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_more_after_a_while() {
        let (slow, start) = (Slow::default(), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        assert_eq!(slow.due(0, at(0)), None);
        assert_eq!(slow.due(1, at(0)), Some(1));
        assert_eq!(slow.due(5, at(59)), None);
        assert_eq!(slow.due(7, at(60)), Some(6));
        assert_eq!(slow.due(7, at(200)), None);
        assert_eq!(slow.due(8, at(200)), Some(1));
    }
}
