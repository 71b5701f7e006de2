//! What becomes of an app's channels, wherever it happens: occupied, vacated, members who come and go. Every node finds
//! them by itself from what all nodes say; of what is undone within moments, one may see both steps and another none.

use crate::protocol::{ChannelName, UserId};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Transitions that wait to be taken. Of more, the youngest are dropped and counted: nobody takes them.
const MOST: usize = 100_000;

/// Something that became of a channel. For each channel they alternate: occupied first, vacated last, and between them
/// each member is added before it is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The channel; never a user's own, which is nobody else's business (U13).
    pub channel: ChannelName,
    /// What became of it.
    pub change: Change,
}

/// What becomes of channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The first subscriber came.
    Occupied,
    /// The last subscriber went.
    Vacated,
    /// A member's first connection came.
    MemberAdded(UserId),
    /// A member's last connection went.
    MemberRemoved(UserId),
}

/// The transitions that wait. Its lock is taken last, within a channel's.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    on: AtomicBool,
    queue: Mutex<Vec<Transition>>,
    dropped: AtomicU64,
}

impl Transitions {
    /// Starts taking note, for somebody who will take them.
    pub(super) fn open(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    /// Takes note. To be called under the channel's lock, so that they are noted in their order.
    pub(super) fn note(&self, channel: &ChannelName, change: impl FnOnce() -> Change) {
        if !self.on.load(Ordering::Relaxed) || channel.is_user() {
            return;
        }
        let mut queue = self.queue.lock();
        if queue.len() < MOST {
            queue.push(Transition { channel: channel.clone(), change: change() });
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes those that wait, and how many were dropped since the last time.
    pub(super) fn take(&self) -> (Vec<Transition>, u64) {
        (std::mem::take(&mut *self.queue.lock()), self.dropped.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_noted_that_nobody_takes() {
        let transitions = Transitions::default();
        let (channel, own) = ["a", "#server-to-user-1"].map(|name| ChannelName::parse(name, 164).unwrap()).into();
        transitions.note(&channel, || panic!("nobody takes it"));
        transitions.open();
        transitions.note(&own, || panic!("nobody's business"));
        (0..MOST + 2).for_each(|_| transitions.note(&channel, || Change::Occupied));
        let (taken, dropped) = transitions.take();
        assert_eq!((taken.len(), dropped), (MOST, 2));
        assert_eq!(transitions.take(), (Vec::new(), 0));
    }
}
