//! When a channel's subscribers are told how many they are (spec 2.9). Pure: time is a parameter.

use std::time::{Duration, Instant};

/// Up to so many connections every change is told (Q3).
const SMALL: usize = 100;
/// Above it, there is at least so long between two tellings.
const PAUSE: Duration = Duration::from_secs(5);

/// What a channel's subscribers have been told.
#[derive(Debug, Default)]
pub(super) struct Tally {
    told: Option<Instant>,
    /// Whether connections came or went since. Even if they are as many as before, newcomers have not been told.
    changed: bool,
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
    /// Takes note that a connection came or went, and that there are `count` at `now`.
    pub(super) fn change(&mut self, count: usize, now: Instant) -> Due {
        self.changed = true;
        self.ask(count, now)
    }

    /// What is still due for a channel that was noted.
    pub(super) fn ask_again(&mut self, count: usize, now: Instant) -> Due {
        self.due = false;
        self.ask(count, now)
    }

    fn ask(&mut self, count: usize, now: Instant) -> Due {
        match self.told {
            _ if !self.changed => Due::Never,
            Some(told) if count > SMALL && now < told + PAUSE => {
                if std::mem::replace(&mut self.due, true) {
                    Due::Never
                } else {
                    Due::Later
                }
            }
            _ => {
                (self.told, self.changed) = (Some(now), false);
                Due::Now
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_channels_are_told_of_every_change() {
        let (mut tally, now) = (Tally::default(), Instant::now());
        for count in (1..=100).chain((1..100).rev()) {
            assert_eq!(tally.change(count, now), Due::Now, "{count}");
        }
    }

    #[test]
    fn large_channels_are_told_once_in_a_while_and_only_of_changes() {
        let (mut tally, start) = (Tally::default(), Instant::now());
        assert_eq!(tally.change(100, start), Due::Now);
        assert_eq!(tally.change(101, start), Due::Later);
        assert_eq!(tally.change(102, start), Due::Never);
        assert_eq!(tally.ask_again(102, start + PAUSE - Duration::from_millis(1)), Due::Later);
        assert_eq!(tally.ask_again(102, start + PAUSE), Due::Now);
        assert_eq!(tally.ask_again(102, start + 3 * PAUSE), Due::Never);
        assert_eq!(tally.change(103, start + 3 * PAUSE), Due::Now);
    }

    /// Q2: one that takes another's place has not been told.
    #[test]
    fn a_newcomer_is_told_even_if_someone_left_for_it() {
        let (mut tally, start) = (Tally::default(), Instant::now());
        assert_eq!(tally.change(120, start), Due::Now);
        assert_eq!(tally.change(119, start), Due::Later);
        assert_eq!(tally.change(120, start), Due::Never);
        assert_eq!(tally.ask_again(120, start + PAUSE), Due::Now);
    }
}
