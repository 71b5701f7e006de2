//! What one node alone knows and tells the others: facts, and which of them have changed since they were last told.

use super::Share;
use crate::protocol::presence::Member;
use crate::protocol::{ChannelName, UserId};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

/// Changes that wait to be told. With more, everything is told anew instead.
const MOST: usize = 100_000;

/// Something about one app that is so on one node, whatever it was before: the last one said is what counts.
#[derive(Clone, Debug)]
pub enum Fact {
    /// Connections subscribed to a channel there.
    Connections {
        /// The channel.
        channel: ChannelName,
        /// How many; 0 is none any more.
        connections: usize,
    },
    /// Connections of a member of a presence channel there.
    Member {
        /// The channel.
        channel: ChannelName,
        /// Who, and what the app says about them.
        member: Member,
        /// How many; 0 is none any more.
        connections: usize,
    },
    /// Connections signed in as a user there.
    User {
        /// Who.
        user: UserId,
        /// How many; 0 is none any more.
        connections: usize,
        /// Since when that node knows the user to be online.
        since: SystemTime,
    },
    /// What the app adds up to there.
    App(Share),
}

/// What has changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Members and users, in the order in which it happened.
    pub facts: Vec<Fact>,
    /// So much has changed that everything is to be told anew.
    pub all: bool,
}

/// The changes of one app on this node. Its lock is taken last, within a channel's or the users'.
#[derive(Debug, Default)]
pub(super) struct Journal {
    on: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    changes: Changes,
    /// Channels whose connections have changed: only their last number is told.
    channels: HashSet<ChannelName>,
    waker: Option<Waker>,
}

impl Journal {
    /// Starts taking notes.
    pub(super) fn open(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Takes note of a change that is to be told at once. To be called under the lock that the change was made under,
    /// so that changes are noted in their order.
    pub(super) fn note(&self, fact: impl FnOnce() -> Fact) {
        if !self.is_on() {
            return;
        }
        let mut state = self.state.lock();
        if state.changes.facts.len() >= MOST {
            state.changes = Changes { facts: Vec::new(), all: true };
        } else if !state.changes.all {
            state.changes.facts.push(fact());
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes note that the connections of a channel have changed, which is told before long.
    pub(super) fn count(&self, channel: &ChannelName) {
        if self.is_on() {
            self.state.lock().channels.insert(channel.clone());
        }
    }

    /// Ready once something is to be told at once.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.changes.all || !state.changes.facts.is_empty() {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn take(&self) -> Changes {
        std::mem::take(&mut self.state.lock().changes)
    }

    pub(super) fn take_channels(&self) -> HashSet<ChannelName> {
        std::mem::take(&mut self.state.lock().channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_changes_than_can_wait_become_one() {
        let journal = Journal::default();
        let fact = || Fact::User { user: UserId::new("1"), connections: 1, since: SystemTime::UNIX_EPOCH };
        journal.note(|| panic!("nobody is to be told"));
        journal.open();
        (0..MOST).for_each(|_| journal.note(fact));
        assert_eq!(journal.take().facts.len(), MOST);
        (0..=MOST + 1).for_each(|_| journal.note(fact));
        assert!(matches!(journal.take(), Changes { facts, all: true } if facts.is_empty()));
        assert!(journal.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}
