//! Whether the bus hands out what is said, which a node sees by its own signs of life: they come back to it. Pure: time
//! is a parameter.

use super::peers::STOOD_STILL;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Silence of this node's own signs of life after which the link is taken for dead.
const WITHIN: Duration = Duration::from_secs(5);

/// This node's signs of life.
#[derive(Debug)]
pub(super) struct Echo {
    heard: Instant,
    looked: Instant,
    /// The last sign of life that has come back, by when it was said.
    sure: Instant,
    /// Signs of life that have not come back, by their numbers.
    said: VecDeque<(u64, Instant)>,
}

impl Echo {
    pub(super) fn new(now: Instant) -> Self {
        Self { heard: now, looked: now, sure: now, said: VecDeque::new() }
    }

    /// Until when everything has been heard: what others said before then has come as well.
    pub(super) fn sure(&self) -> Instant {
        self.sure
    }

    /// Takes note of a sign of life.
    pub(super) fn say(&mut self, number: u64, now: Instant) {
        self.said.push_back((number, now));
    }

    /// Takes note of something of this node that has come back; how long a sign of life took to.
    pub(super) fn hear(&mut self, number: u64, now: Instant) -> Option<Duration> {
        self.heard = now;
        let mut lag = None;
        while let Some((_, said)) = self.said.pop_front_if(|(said, _)| *said <= number) {
            self.sure = said;
            lag = Some(now.saturating_duration_since(said));
        }
        lag
    }

    /// Takes note that nothing that was said before comes back.
    pub(super) fn link_is_up(&mut self, now: Instant) {
        (self.heard, self.looked) = (now, now);
        self.said.clear();
    }

    /// Whether the link is dead; to be asked about once a second while it is up. After a yes it has time again.
    pub(super) fn is_dead(&mut self, now: Instant) -> bool {
        let stood_still = now.saturating_duration_since(self.looked) > STOOD_STILL;
        let silent = now.saturating_duration_since(self.heard) > WITHIN;
        self.looked = now;
        if stood_still || silent {
            self.heard = now;
        }
        // What came while this node stood still waits to be heard, and would be lost with the link.
        silent && !stood_still
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_dead_when_signs_of_life_do_not_come_back() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut echo = Echo::new(start);
        echo.say(7, at(1));
        echo.say(9, at(2));
        assert_eq!(echo.hear(8, at(2)), Some(Duration::from_secs(1)));
        assert_eq!(echo.sure(), at(1));
        assert_eq!([3, 4, 5, 6, 7, 8].map(|secs| echo.is_dead(at(secs))), [false, false, false, false, false, true]);
        assert!(!echo.is_dead(at(9)), "it has been connected anew");
        echo.link_is_up(at(60));
        assert!(!echo.is_dead(at(61)));
        assert_eq!(echo.hear(9, at(61)), None);
        assert_eq!(echo.sure(), at(1), "what was said on another link counts no more");
    }

    #[test]
    fn a_node_that_stood_still_hears_first_what_has_come_meanwhile() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut echo = Echo::new(start);
        assert_eq!([1, 2, 32, 33, 37, 38].map(|secs| echo.is_dead(at(secs))), [false; 6]);
        let mut echo = Echo::new(start);
        assert_eq!([1, 32, 34, 36, 38].map(|secs| echo.is_dead(at(secs))), [false, false, false, false, true]);
    }
}
