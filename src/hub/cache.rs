//! The last event of each cache channel, kept for newcomers whether or not anyone was there to hear it (spec 2.7).

use crate::app::Limits;
use crate::expiring::Expiring;
use crate::protocol::{ChannelName, Frame};
use parking_lot::Mutex;
use serde::Deserialize;
use std::time::{Duration, Instant};

/// One app's kept events and when they came, bounded in bytes.
#[derive(Debug)]
pub(super) struct Cache(Mutex<Expiring<ChannelName, (Instant, Frame)>>);

/// A kept event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The event's payload.
    pub data: String,
    /// Seconds for which it will still be kept, rounded up.
    pub ttl_secs: u64,
}

impl Cache {
    /// Keeps events as long as the app says (K2).
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Mutex::new(Expiring::new(limits.cache_ttl(), limits.cache_bytes)))
    }

    /// Keeps events that come from now on as long as the app says now.
    pub(super) fn configure(&self, limits: &Limits) {
        self.0.lock().configure(limits.cache_ttl(), limits.cache_bytes);
    }

    /// Keeps `frame` as the channel's last event. How many others had to be forgotten early for it.
    pub(super) fn keep(&self, channel: &ChannelName, frame: &Frame, now: Instant) -> usize {
        self.0.lock().insert(channel.clone(), (now, frame.clone()), channel.as_str().len() + frame.size(), now)
    }

    /// Keeps a frame that was published elsewhere for as long as is `left`, unless the channel has had an event since
    /// `since`. How many others had to be forgotten early for it.
    pub(super) fn recall(
        &self,
        channel: &ChannelName,
        frame: &Frame,
        left: Duration,
        since: Instant,
        now: Instant,
    ) -> usize {
        let mut kept = self.0.lock();
        if kept.get(channel, now).is_some_and(|((at, _), _)| *at >= since) {
            return 0;
        }
        kept.insert_for(left, channel.clone(), (now, frame.clone()), channel.as_str().len() + frame.size(), now)
    }

    /// The channel's last event as it went out (K5).
    pub(super) fn last(&self, channel: &ChannelName, now: Instant) -> Option<Frame> {
        self.0.lock().get(channel, now).map(|((_, frame), _)| frame.clone())
    }

    /// The channel's last event as back ends see it (O5).
    pub(super) fn look(&self, channel: &ChannelName, now: Instant) -> Option<Cached> {
        #[derive(Deserialize)]
        struct Event {
            data: String,
        }
        let (frame, left) = self.0.lock().get(channel, now).map(|((_, frame), left)| (frame.clone(), left))?;
        // Other nodes' frames are not looked into before.
        let Event { data } = serde_json::from_slice(frame.payload()).ok()?;
        let whole = left.as_secs() + u64::from(left > Duration::from_secs(left.as_secs()));
        Some(Cached { data, ttl_secs: whole })
    }

    /// Lets go of what is no longer kept.
    pub(super) fn expire(&self, now: Instant) {
        self.0.lock().expire(now);
    }
}
