//! What happens in one app on this node, told to whoever watches while it happens.
//!
//! Nothing is made, kept or counted while nobody watches: whoever has something to tell looks at one flag. Those who watch
//! read from one ring of records, whose oldest are overwritten: who falls behind is told how many it missed, and slows
//! nobody. Must not know: who watches, or how records reach them.

mod record;

use parking_lot::Mutex;
pub use record::{Happening, KINDS, Payload, Record};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};

/// Records that are kept for those who watch. With the largest payloads that is 16 MiB.
const RECORDS: usize = 1024;
/// Watches at a time.
pub const MOST_WATCHES: usize = 16;

/// One app's feed.
#[derive(Debug, Default)]
pub struct Feed {
    watched: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// There while somebody watches.
    ring: Option<broadcast::Sender<Arc<Record>>>,
    watches: usize,
    ended: bool,
}

/// A place from which a feed is watched; dropping it gives it up.
#[derive(Debug)]
pub struct Watch {
    feed: Arc<Feed>,
    ring: broadcast::Receiver<Arc<Record>>,
}

/// What is to be told next.
#[derive(Clone, Debug)]
pub enum Next {
    /// This has happened.
    Record(Arc<Record>),
    /// So many records were overwritten before they were read.
    Missed(u64),
    /// Nothing more: the node stops.
    Ended,
}

/// There are as many watches as there may be, or the node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlace;

impl Feed {
    /// Whether somebody watches.
    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// Tells what `happening` makes, which it is only asked for while somebody watches. Cheap enough for any lock.
    pub fn tell(&self, happening: impl FnOnce() -> Happening) {
        if !self.is_watched() {
            return;
        }
        let happening = happening();
        // The time is taken in the order in which records are read.
        if let Some(ring) = &self.state.lock().ring {
            let _ = ring.send(Arc::new(Record::new(SystemTime::now(), happening)));
        }
    }

    /// Watches from now on.
    pub fn watch(self: &Arc<Self>) -> Result<Watch, NoPlace> {
        let mut state = self.state.lock();
        if state.watches == MOST_WATCHES || state.ended {
            return Err(NoPlace);
        }
        state.watches += 1;
        let ring = state.ring.get_or_insert_with(|| broadcast::channel(RECORDS).0).subscribe();
        self.watched.store(true, Ordering::Relaxed);
        Ok(Watch { feed: self.clone(), ring })
    }

    /// Ends every watch, once it has read what there is, and lets nobody watch any more.
    pub fn end(&self) {
        let mut state = self.state.lock();
        (state.ended, state.ring) = (true, None);
        self.watched.store(false, Ordering::Relaxed);
    }

    /// Ends every watch, once it has read what there is: whoever may still watch begins anew.
    pub fn cut(&self) {
        self.state.lock().ring = None;
        self.watched.store(false, Ordering::Relaxed);
    }
}

impl Watch {
    /// Waits for what is to be told next.
    pub async fn next(&mut self) -> Next {
        match self.ring.recv().await {
            Ok(record) => Next::Record(record),
            Err(RecvError::Lagged(count)) => Next::Missed(count),
            Err(RecvError::Closed) => Next::Ended,
        }
    }

    /// What is to be told next, if it is there already.
    pub fn ready(&mut self) -> Option<Next> {
        match self.ring.try_recv() {
            Ok(record) => Some(Next::Record(record)),
            Err(TryRecvError::Lagged(count)) => Some(Next::Missed(count)),
            Err(TryRecvError::Closed) => Some(Next::Ended),
            Err(TryRecvError::Empty) => None,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.feed.state.lock();
        state.watches -= 1;
        if state.watches == 0 {
            self.feed.watched.store(false, Ordering::Relaxed);
            state.ring = None;
        }
    }
}

#[cfg(test)]
mod tests;
