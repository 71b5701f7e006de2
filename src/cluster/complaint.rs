//! A complaint that is made once a minute while its cause goes on, so that it does not fill the log.

use std::time::{Duration, Instant};

/// Between two complaints of one kind.
const AGAIN: Duration = Duration::from_secs(60);

/// When it was made last.
#[derive(Debug, Default)]
pub(super) struct Complaint(Option<Instant>);

impl Complaint {
    /// Whether it is time to complain, which is noted.
    pub(super) fn is_due(&mut self) -> bool {
        let now = super::now();
        let due = self.0.is_none_or(|made| now.saturating_duration_since(made) >= AGAIN);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn complaints_do_not_fill_the_log() {
        let (mut complaint, mut due) = (Complaint::default(), 0);
        for _ in 0..125 {
            due += usize::from(complaint.is_due());
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(due, 3);
    }
}
