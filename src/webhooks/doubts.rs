//! What waits for long at a node that does not send it. That it was sent may have been said when this node could not hear;
//! who sends it is asked.

use super::desk::{Desk, Now};
use super::event::Event;
use super::op::Op;

/// What waits for so long is doubted.
const LONG_MS: u64 = 5000;
/// Events that are doubted at a time.
const MOST: usize = 20;

/// An event, the endpoints that it waits for, and the node that is to send it, as somebody knows.
pub(super) type Doubt = (Event, Vec<String>, u64);

impl Desk {
    /// The oldest events that another node is to send and has not sent for long.
    pub(super) fn doubts(&self, now: Now) -> Vec<Doubt> {
        let is_old = |event: &Event| event.time_ms.saturating_add(LONG_MS) < now.ms;
        let open = self.books.values().flat_map(|book| book.open.values());
        let mut open: Vec<_> = open.filter(|open| !open.here && is_old(&open.event)).collect();
        open.sort_by_key(|open| (open.event.time_ms, open.event.id));
        open.iter().take(MOST).map(|open| ((*open.event).clone(), open.to.clone(), open.owner)).collect()
    }

    /// Answers what others doubt. What this node has decided it knows all about; what a node has decided that is gone, and
    /// this one does not know, it sends: rather twice than never.
    pub(super) fn answer(&mut self, doubts: Vec<Doubt>, now: Now) {
        for (event, to, owner) in doubts {
            let Some(book) = self.books.get(&event.app) else { continue };
            let known = book.open.get(&event.id).map_or(&[][..], |open| &open.to);
            let missing: Vec<_> = to.into_iter().filter(|endpoint| !known.contains(endpoint)).collect();
            if missing.is_empty() || !self.place.sends(self.me, owner, &event) {
                continue;
            }
            let is_mine = owner == self.me.0 && !self.has_undone(event.id);
            if !is_mine && !self.is_outdated(&event) {
                self.do_op(Op::Open { event, owner: Some(self.me.0), to: missing }, now);
                continue;
            }
            for endpoint in missing {
                self.do_op(Op::Done { app: event.app.clone(), endpoint, events: vec![event.id] }, now);
            }
        }
    }
}
