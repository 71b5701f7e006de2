//! What becomes of an app's channels, wherever it happens: occupied, vacated, members who come and go, how many there are,
//! and whether newcomers find something. Every node finds it by itself from what all nodes say; of what is undone within
//! moments, one may see both steps and another none.

use crate::app::{App, EventKind};
use crate::feed::{Feed, Happening};
use crate::protocol::{ChannelKind, ChannelName, UserId};
use indexmap::IndexSet;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Transitions that wait to be taken. With more, they are dropped, and how all channels stand is to be asked for.
const MOST: usize = 100_000;
/// Channels of which it is remembered that a newcomer found nothing.
const MOST_MISSED: usize = 10_000;

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
    /// There are so many subscribers now; never on presence channels (Q4).
    Counted(usize),
    /// Somebody subscribed to this cache channel here and found nothing.
    Missed,
    /// Of a channel that somebody found empty: now there is something.
    Filled,
}

/// What the app's webhooks tell of; nothing else is noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wanted {
    channels: bool,
    members: bool,
    counts: bool,
    misses: bool,
}

/// Why how all channels stand is to be told besides what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Somebody wants to know it who has not heard of what was before.
    Asked,
    /// Of what became of them some was dropped, because nobody took it for so long.
    Dropped,
}

/// The transitions that wait. Its lock is taken last, within a channel's.
#[derive(Debug)]
pub(super) struct Transitions {
    wanted: RwLock<Wanted>,
    feed: Arc<Feed>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: Vec<Transition>,
    gap: Option<Gap>,
    missed: IndexSet<ChannelName>,
    waker: Option<Waker>,
}

impl Change {
    /// What the feed tells of it.
    fn told(&self, channel: &ChannelName) -> Option<Happening> {
        let (channel, user) = (channel.as_str().to_owned(), |user: &UserId| user.as_str().to_owned());
        Some(match self {
            Self::Occupied => Happening::Occupied { channel },
            Self::Vacated => Happening::Vacated { channel },
            Self::MemberAdded(id) => Happening::MemberAdded { channel, user_id: user(id) },
            Self::MemberRemoved(id) => Happening::MemberRemoved { channel, user_id: user(id) },
            Self::Counted(_) | Self::Missed | Self::Filled => return None,
        })
    }
}

impl Wanted {
    fn by(app: &App) -> Self {
        let want = |kinds: &[EventKind]| app.webhooks.want_any(kinds);
        Self {
            channels: want(&[EventKind::ChannelOccupied, EventKind::ChannelVacated]),
            members: want(&[EventKind::MemberAdded, EventKind::MemberRemoved]),
            counts: want(&[EventKind::SubscriptionCount]) && app.features.subscription_counts,
            misses: want(&[EventKind::CacheMiss]),
        }
    }
}

impl Transitions {
    /// Those that the webhooks of `app` tell of; `feed` tells of them as they happen.
    pub(super) fn new(app: &App, feed: Arc<Feed>) -> Self {
        let wanted = RwLock::new(Wanted::by(app));
        Self { wanted, feed, state: Mutex::default() }
    }

    /// Takes note of what the webhooks of `app` tell of from now on. What became of it before is not known: whoever is to be
    /// told asks how all channels stand.
    pub(super) fn configure(&self, app: &App) {
        self.want(Wanted::by(app));
    }

    /// Takes note of nothing from now on.
    pub(super) fn end(&self) {
        self.want(Wanted::default());
    }

    fn want(&self, wanted: Wanted) {
        *self.wanted.write() = wanted;
        let mut state = self.state.lock();
        if wanted == Wanted::default() {
            (state.queue, state.gap) = (Vec::new(), None);
        }
        if !wanted.misses {
            state.missed = IndexSet::new();
        }
    }

    /// Has it told how all channels stand, with what becomes of them next.
    pub(super) fn ask(&self) {
        let mut state = self.state.lock();
        state.gap = state.gap.or(Some(Gap::Asked));
        state.wake();
    }

    /// Takes note of who came or went. To be called under the channel's lock, so that it is noted in its order.
    pub(super) fn note(&self, channel: &ChannelName, change: impl FnOnce() -> Change) {
        let (wanted, is_watched) = (self.wanted(), self.feed.is_watched());
        if (wanted.channels || wanted.members || is_watched) && !channel.is_user() {
            let change = change();
            if is_watched && let Some(happening) = change.told(channel) {
                self.feed.tell(|| happening);
            }
            let is_wanted = match change {
                Change::MemberAdded(_) | Change::MemberRemoved(_) => wanted.members,
                _ => wanted.channels,
            };
            if is_wanted {
                self.push(&mut self.state.lock(), channel, change);
            }
        }
    }

    /// Takes note of how many there are, likewise.
    pub(super) fn count(&self, channel: &ChannelName, count: impl FnOnce() -> usize) {
        if self.wanted().counts && matches!(channel.kind(), ChannelKind::Public | ChannelKind::Private) {
            self.push(&mut self.state.lock(), channel, Change::Counted(count()));
        }
    }

    /// Takes note that a newcomer found nothing.
    pub(super) fn miss(&self, channel: &ChannelName) {
        if self.wanted().misses {
            let mut state = self.state.lock();
            if state.missed.len() == MOST_MISSED {
                state.missed.swap_remove_index(0);
            }
            state.missed.insert(channel.clone());
            self.push(&mut state, channel, Change::Missed);
        }
    }

    /// Takes note that there is something for newcomers.
    pub(super) fn fill(&self, channel: &ChannelName) {
        if self.wanted().misses {
            let mut state = self.state.lock();
            if state.missed.swap_remove(channel) {
                self.push(&mut state, channel, Change::Filled);
            }
        }
    }

    fn wanted(&self) -> Wanted {
        *self.wanted.read()
    }

    fn push(&self, state: &mut State, channel: &ChannelName, change: Change) {
        if state.queue.len() < MOST {
            state.queue.push(Transition { channel: channel.clone(), change });
        } else {
            state.gap = Some(Gap::Dropped);
        }
        state.wake();
    }

    /// Ready once there is something to take.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if !state.queue.is_empty() || state.gap.is_some() {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes those that wait, and why they are not all there is to tell, if so.
    pub(super) fn take(&self) -> (Vec<Transition>, Option<Gap>) {
        let mut state = self.state.lock();
        (std::mem::take(&mut state.queue), state.gap.take())
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Endpoint, Endpoints};

    fn transitions(events: &[EventKind]) -> Transitions {
        let webhooks = Endpoints::new([Endpoint { events: events.to_vec(), ..Endpoint::default() }]);
        Transitions::new(&App { webhooks, ..App::new("1", "key", "secret") }, Arc::default())
    }

    fn name(name: &str) -> ChannelName {
        ChannelName::parse(name, 164).unwrap()
    }

    #[test]
    fn nothing_is_noted_that_nobody_is_told() {
        let transitions = Transitions::new(&App::new("1", "key", "secret"), Arc::default());
        transitions.note(&name("a"), || panic!("nobody is told"));
        transitions.count(&name("a"), || panic!("nobody is told"));
        transitions.miss(&name("cache-a"));
        transitions.fill(&name("cache-a"));
        assert_eq!(transitions.take(), (Vec::new(), None));
        let transitions = self::transitions(&[EventKind::MemberAdded]);
        transitions.note(&name("#server-to-user-1"), || panic!("nobody's business"));
        transitions.note(&name("a"), || Change::Occupied);
        assert_eq!(transitions.take(), (Vec::new(), None));
    }

    #[test]
    fn of_too_many_the_youngest_are_dropped() {
        let transitions = transitions(&[EventKind::ChannelVacated]);
        (0..MOST + 2).for_each(|_| transitions.note(&name("a"), || Change::Occupied));
        let (taken, gap) = transitions.take();
        assert_eq!((taken.len(), gap), (MOST, Some(Gap::Dropped)));
        assert_eq!(transitions.take(), (Vec::new(), None));
    }

    #[test]
    fn what_was_missed_is_filled_once() {
        let (transitions, channel) = (transitions(&[EventKind::CacheMiss]), name("cache-a"));
        transitions.fill(&channel);
        transitions.miss(&channel);
        transitions.miss(&channel);
        transitions.fill(&channel);
        transitions.fill(&channel);
        let changes: Vec<_> = transitions.take().0.into_iter().map(|transition| transition.change).collect();
        assert_eq!(changes, [Change::Missed, Change::Missed, Change::Filled]);
    }

    #[test]
    fn what_nobody_is_told_any_more_is_let_go_of() {
        let (transitions, channel) = (transitions(&EventKind::ALL), name("cache-a"));
        transitions.miss(&channel);
        transitions.note(&channel, || Change::Occupied);
        transitions.ask();
        transitions.end();
        assert_eq!((transitions.take(), transitions.state.lock().missed.capacity()), ((Vec::new(), None), 0));
        transitions.note(&channel, || panic!("nobody is told"));
    }

    #[test]
    fn who_has_more_to_tell_begins_with_how_everything_stands() {
        let before = App::new("1", "key", "secret");
        let transitions = Transitions::new(&before, Arc::default());
        transitions.note(&name("a"), || panic!("nobody is told"));
        let webhooks = Endpoints::new([Endpoint::default()]);
        transitions.configure(&App { webhooks, ..before });
        transitions.ask();
        transitions.note(&name("b"), || Change::Occupied);
        let (taken, gap) = transitions.take();
        assert_eq!((taken.len(), gap), (1, Some(Gap::Asked)));
        assert_eq!(transitions.take(), (Vec::new(), None));
    }
}
