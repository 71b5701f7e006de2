//! When an endpoint that has failed is tried again (X5).

use std::time::Duration;

/// The pauses between attempts.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pauses: Vec<Duration>,
    /// How long an event is tried.
    pub(super) patience: Duration,
}

impl Schedule {
    /// Of pauses in seconds, of which there is at least one.
    pub(super) fn new(pauses: &[u32], patience: Duration) -> Self {
        Self { pauses: pauses.iter().map(|secs| Duration::from_secs((*secs).into())).collect(), patience }
    }

    /// The pause after so many failures in a row, up to a fifth longer or shorter than it is written.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let at = (failures.max(1) as usize - 1).min(self.pauses.len() - 1);
        let share = getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX));
        self.pauses[at].mul_f64(0.8 + 0.4 * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_the_last_goes_on() {
        let schedule = Schedule::new(&[1, 4, 60], Duration::from_secs(300));
        let mut shares = Vec::new();
        for (failures, expect) in [(1, 1.0), (2, 4.0), (3, 60.0), (4, 60.0), (1000, 60.0)] {
            for _ in 0..100 {
                let share = schedule.pause(failures).as_secs_f64() / expect;
                assert!((0.8..=1.2).contains(&share), "{failures}: {share}");
                shares.push(share);
            }
        }
        assert!(shares.iter().any(|share| *share < 0.95) && shares.iter().any(|share| *share > 1.05));
    }
}
