//! How often something may happen: so many times a second, and as many at once.
//!
//! Must not know: what happens.

use arc_swap::ArcSwapOption;
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// A bound that may change, or not be there.
#[derive(Debug, Default)]
pub struct Rate(ArcSwapOption<Bucket>);

#[derive(Debug)]
struct Bucket {
    per_second: NonZeroU32,
    limiter: RateLimiter<NotKeyed, InMemoryState, MonotonicClock, StateInformationMiddleware>,
}

/// What the bound leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How often it may happen in a second, and at once.
    pub limit: u32,
    /// How often it still may at once.
    pub remaining: u32,
}

/// Why it may not happen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It may in so long.
    Wait(u32, Duration),
    /// It is more at once than it ever may be.
    Never(u32),
}

impl Rate {
    /// A bound of `per_second`; 0 means none.
    pub fn new(per_second: u32) -> Self {
        let rate = Self::default();
        rate.configure(per_second);
        rate
    }

    /// Changes the bound; what was left under an equal one stays.
    pub fn configure(&self, per_second: u32) {
        let wanted = NonZeroU32::new(per_second);
        if self.0.load().as_ref().map(|bucket| bucket.per_second) != wanted {
            self.0.store(wanted.map(|per_second| Arc::new(Bucket::new(per_second))));
        }
    }

    /// Takes note that it happens `count` times, if it may. `None` where there is no bound.
    pub fn take(&self, count: u32) -> Result<Option<Allowance>, Refused> {
        let bucket = self.0.load();
        let (Some(bucket), Some(count)) = (&*bucket, NonZeroU32::new(count)) else { return Ok(None) };
        let limit = bucket.per_second.get();
        match bucket.limiter.check_n(count) {
            Err(_) => Err(Refused::Never(limit)),
            Ok(Err(until)) => Err(Refused::Wait(limit, until.wait_time_from(MonotonicClock.now()))),
            Ok(Ok(state)) => Ok(Some(Allowance { limit, remaining: state.remaining_burst_capacity() })),
        }
    }
}

impl Bucket {
    fn new(per_second: NonZeroU32) -> Self {
        let limiter = RateLimiter::direct_with_clock(Quota::per_second(per_second), MonotonicClock);
        Self { per_second, limiter: limiter.with_middleware() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_at_once_as_in_a_second() {
        let rate = Rate::new(5);
        assert_eq!(rate.take(2), Ok(Some(Allowance { limit: 5, remaining: 3 })));
        assert_eq!(rate.take(6), Err(Refused::Never(5)));
        assert_eq!(rate.take(3), Ok(Some(Allowance { limit: 5, remaining: 0 })));
        let Err(Refused::Wait(5, wait)) = rate.take(5) else { panic!("none are left") };
        assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1), "{wait:?}");
    }

    #[test]
    fn no_bound_is_no_bound() {
        let rate = Rate::new(0);
        assert_eq!(rate.take(u32::MAX), Ok(None));
        rate.configure(1);
        assert_eq!(rate.take(1), Ok(Some(Allowance { limit: 1, remaining: 0 })));
        rate.configure(1);
        assert!(rate.take(1).is_err());
        rate.configure(2);
        assert_eq!(rate.take(0), Ok(None));
        assert_eq!(rate.take(2), Ok(Some(Allowance { limit: 2, remaining: 0 })));
    }
}
