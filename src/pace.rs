//! Holding back whoever says much, so that those who are told do not look slow.
//!
//! Must not know: who speaks, and what is said.

use crate::hub::Outbox;
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::sleep;

const STALL: Duration = Duration::from_millis(1);
/// Turns of the scheduler, and then pauses, that one thing said may wait for.
const TURNS: usize = 8;

/// The pauses, of 1 ms each, that one request or one message may take altogether, and what comes from other nodes each
/// quarter of a second.
pub const STALLS: usize = 50;

/// Lets a subscriber whose queue is filling write first: a burst must not make fast readers look slow. A reader that
/// keeps up needs a few turns of the scheduler; for others whoever speaks pauses, as often as `stalls` are left, so
/// that one that does not read at all delays nobody for long.
pub async fn relieve(crowded: &Outbox, stalls: &mut usize) {
    for _ in 0..TURNS {
        if !crowded.is_crowded() {
            return;
        }
        yield_now().await;
    }
    for _ in 0..TURNS {
        if *stalls == 0 || !crowded.is_crowded() {
            return;
        }
        *stalls -= 1;
        sleep(STALL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Frame;
    use tokio::time::Instant;

    /// A request that finds a stuck reader in each of its hundred channels waits for it 50 times, not 800.
    #[tokio::test(start_paused = true)]
    async fn a_stuck_reader_delays_a_request_within_its_bound() {
        let (outbox, mut stalls, start) = (Outbox::new(4, Instant::now().into_std()), STALLS, Instant::now());
        outbox.push(Frame::pong());
        for _ in 0..100 {
            relieve(&outbox, &mut stalls).await;
        }
        assert_eq!((stalls, start.elapsed().as_millis()), (0, 50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_has_caught_up_delays_nothing() {
        let (outbox, mut stalls, start) = (Outbox::new(4, Instant::now().into_std()), STALLS, Instant::now());
        relieve(&outbox, &mut stalls).await;
        assert_eq!((stalls, start.elapsed()), (STALLS, Duration::ZERO));
    }
}
