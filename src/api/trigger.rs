//! An event on its way in: checked as a whole, then published to its channels.

use super::{Api, ApiError};
use crate::app::{App, Limits};
use crate::node::{Event, Outbox};
use crate::protocol::json::is_longer_than;
use crate::protocol::{ChannelName, SocketId};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::sleep;

/// A pause of a publisher whose subscribers fall behind, and how many of them one request may take.
const STALL: Duration = Duration::from_millis(1);
const STALLS: usize = 50;

/// An event that may be published.
pub(super) struct Trigger<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) data: Cow<'a, RawValue>,
    except: Option<SocketId>,
    pub(super) channels: Vec<ChannelName>,
}

impl<'a> Trigger<'a> {
    /// Takes what a back end sent if it keeps to the rules; `data` is a JSON string.
    pub(super) fn check(
        limits: &Limits,
        name: Cow<'a, str>,
        data: Cow<'a, RawValue>,
        socket_id: Option<&str>,
        channels: Vec<ChannelName>,
    ) -> Result<Self, ApiError> {
        let max = limits.max_event_name_chars;
        if name.is_empty() {
            return Err(ApiError::missing("name"));
        }
        if name.chars().count() > max {
            return Err(ApiError::bad_request(format!("Event name too long: it may have at most {max} characters")));
        }
        if name.starts_with("pusher:") || name.starts_with("pusher_internal:") {
            return Err(ApiError::bad_request(format!(
                "Event name {name:?} is reserved: choose one without that prefix"
            )));
        }
        if is_longer_than(&data, limits.max_event_data_bytes) {
            return Err(ApiError::data_too_large(limits.max_event_data_bytes));
        }
        let except = match socket_id.map(SocketId::parse) {
            None => None,
            Some(Ok(id)) => id,
            Some(Err(_)) => return Err(Self::malformed_socket_id()),
        };
        Ok(Self { name, data, except, channels })
    }

    /// 400: not an id of a connection.
    pub(super) fn malformed_socket_id() -> ApiError {
        ApiError::bad_request("Invalid socket_id: it must be two integers joined by a dot")
    }
}

/// Publishes the events of one request in their order (B4), held back while subscribers' queues fill.
pub(super) async fn publish(api: &Api, app: &App, triggers: &[Trigger<'_>]) {
    let mut stalls = STALLS;
    for Trigger { name, data, except, channels } in triggers {
        for channel in channels {
            let reach = api.node.publish(app, Event { channel, name, data, except: *except, user_id: None });
            if let Some(crowded) = reach.crowded {
                relieve(&crowded, &mut stalls).await;
            }
        }
    }
}

/// Lets a subscriber whose queue is filling write first: a burst of one back end must not make fast readers look slow.
/// A reader that keeps up needs a few turns of the scheduler; for others the publisher pauses, as often as its request
/// has `stalls` left, so that one that does not read at all delays nobody for long.
async fn relieve(crowded: &Outbox, stalls: &mut usize) {
    for _ in 0..8 {
        if !crowded.is_crowded() {
            return;
        }
        yield_now().await;
    }
    for _ in 0..8 {
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
        let (outbox, mut stalls, start) = (Outbox::new(1), STALLS, Instant::now());
        outbox.push(Frame::pong());
        for _ in 0..100 {
            relieve(&outbox, &mut stalls).await;
        }
        assert_eq!((stalls, start.elapsed().as_millis()), (0, 50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_has_caught_up_delays_nothing() {
        let (outbox, mut stalls, start) = (Outbox::new(1), STALLS, Instant::now());
        relieve(&outbox, &mut stalls).await;
        assert_eq!((stalls, start.elapsed()), (STALLS, Duration::ZERO));
    }
}
