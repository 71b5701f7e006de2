//! Undoes what was decided and not sent, by a node that cannot know whether others have heard of it.

use super::desk::{Desk, Job, Now, Where};
use super::event::{Event, EventId};
use super::op::Op;
use super::standing::Miss;
use crate::app::EventKind;
use std::sync::Arc;

/// Events that are remembered to be undone.
const MOST_UNDONE: usize = 10_000;

impl Desk {
    /// Has an event of this node count as never decided, if it is about how a channel stands. Later ones are undone first.
    pub(super) fn undo(&mut self, event: &Arc<Event>, now: Now) {
        let waits = self.books.get(&event.app).is_some_and(|book| book.open.contains_key(&event.id));
        if event.id.node != self.me.0 || event.kind == EventKind::ClientEvent || !waits {
            return;
        }
        if self.undone.len() == MOST_UNDONE {
            self.undone.pop_front();
        }
        self.undone.push_back(event.id);
        // Others have not heard of it, or answer for it.
        let op = Op::Undo { event: (**event).clone() };
        self.out.ops.push((op.clone(), Where::Elsewhere));
        self.apply(op, now);
    }

    /// Whether this node has undone an event of its own, and so not sent it.
    pub(super) fn has_undone(&self, id: EventId) -> bool {
        self.undone.contains(&id)
    }

    /// Sends what was undone after all.
    pub(super) fn redo(&mut self, event: Event, now: Now) {
        self.undone.retain(|undone| *undone != event.id);
        let Some(book) = self.books.get(&event.app) else { return };
        let to = book.app.webhooks.wanting(event.kind, &event.channel).map(str::to_owned).collect();
        self.hear(Op::Open { event, owner: None, to }, now);
    }

    /// Has an event wait no longer, for any endpoint.
    pub(super) fn drop_open(&mut self, event: &Event) {
        let Some(book) = self.books.get_mut(&event.app) else { return };
        let to = book.open.get(&event.id).map(|open| open.to.clone()).unwrap_or_default();
        for endpoint in to {
            book.close(&endpoint, event.id);
            self.out.jobs.push((event.app.clone(), endpoint, Job::Withdraw(event.id)));
        }
    }

    pub(super) fn forget(&mut self, event: &Event, now: Now) {
        self.drop_open(event);
        let Some(book) = self.books.get_mut(&event.app) else { return };
        self.recent.retain(|recent| recent.id != event.id);
        let user = event.user.as_deref().unwrap_or_default();
        let standing = book.channels.entry(event.channel.clone()).or_default();
        match event.kind {
            EventKind::ChannelOccupied => standing.occupied.tell(false),
            EventKind::ChannelVacated => standing.occupied.tell(true),
            EventKind::MemberAdded => standing.members.entry(user.to_owned()).or_default().tell(false),
            EventKind::MemberRemoved => standing.members.entry(user.to_owned()).or_default().tell(true),
            // Whatever the number was, it is another one now.
            EventKind::SubscriptionCount => standing.count.tell(usize::MAX, now.at),
            EventKind::CacheMiss => standing.miss = Some(Miss::Waiting),
            EventKind::ClientEvent => {}
        }
        standing.tidy(user);
        book.tidy(&event.channel);
    }
}
