//! When a channel's subscribers are told how many they are (spec 2.9). Pure: time is a parameter.

use std::time::{Duration, Instant};

/// Up to so many connections every change is told (Q3).
const SMALL: usize = 100;
/// Above it, there is at least so long between two tellings.
const PAUSE: Duration = Duration::from_secs(5);

/// What a channel's subscribers have been told.
#[derive(Debug, Default)]
pub(super) struct Tally {
    told: Option<(Instant, usize)>,
    due: bool,
}

/// What a change calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Tell everyone.
    Now,
    /// Ask again; the channel need not be noted for that twice.
    Later,
    /// Everyone knows, or the channel has been noted already.
    Never,
}

impl Tally {
    /// Takes note that there are `count` connections at `now`, after a change or when asked again.
    pub(super) fn changed(&mut self, count: usize, now: Instant) -> Due {
        match self.told {
            Some((_, told)) if told == count => Due::Never,
            Some((at, _)) if count > SMALL && now < at + PAUSE => {
                if std::mem::replace(&mut self.due, true) {
                    Due::Never
                } else {
                    Due::Later
                }
            }
            _ => {
                self.told = Some((now, count));
                Due::Now
            }
        }
    }

    /// Forgets that the channel was noted: whoever noted it asks again now.
    pub(super) fn asked(&mut self) {
        self.due = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_channels_are_told_of_every_change() {
        let (mut tally, now) = (Tally::default(), Instant::now());
        for count in (1..=100).chain((1..100).rev()) {
            assert_eq!(tally.changed(count, now), Due::Now, "{count}");
        }
    }

    #[test]
    fn large_channels_are_told_once_in_a_while_and_only_of_changes() {
        let (mut tally, start) = (Tally::default(), Instant::now());
        assert_eq!(tally.changed(100, start), Due::Now);
        assert_eq!(tally.changed(101, start), Due::Later);
        assert_eq!(tally.changed(102, start), Due::Never);
        tally.asked();
        assert_eq!(tally.changed(102, start + PAUSE - Duration::from_millis(1)), Due::Later);
        tally.asked();
        assert_eq!(tally.changed(102, start + PAUSE), Due::Now);
        tally.asked();
        assert_eq!(tally.changed(102, start + 3 * PAUSE), Due::Never);
        assert_eq!(tally.changed(103, start + 3 * PAUSE), Due::Now);
    }
}
