//! How much one connection may send.

use std::time::Duration;
use tokio::time::Instant;

/// A fixed window (L15): the first event opens it, and until it ends only so many are admitted.
#[derive(Debug, Default)]
pub(super) struct Window {
    opened: Option<Instant>,
    admitted: u32,
}

impl Window {
    /// Counts an event that comes at `now`, unless `max` have been admitted within the last `length`.
    pub(super) fn admit(&mut self, now: Instant, max: u32, length: Duration) -> bool {
        if self.opened.is_none_or(|opened| now >= opened + length) {
            *self = Self { opened: Some(now), admitted: 0 };
        }
        let room = self.admitted < max;
        self.admitted += u32::from(room);
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_admits_its_number_and_then_opens_again() {
        let (mut window, start, second) = (Window::default(), Instant::now(), Duration::from_secs(1));
        for n in 0..10 {
            assert!(window.admit(start + Duration::from_millis(n * 90), 10, second), "{n}");
        }
        assert!(!window.admit(start + Duration::from_millis(999), 10, second));
        assert!(window.admit(start + second, 10, second));
    }

    #[test]
    fn a_limit_of_none_admits_none() {
        assert!(!Window::default().admit(Instant::now(), 0, Duration::from_secs(1)));
    }
}
