//! What nodes say to each other on behalf of what runs on them, which this layer neither knows nor understands. Like news it
//! does not wait for a link: whoever writes it must notice that some of it is missing.

use super::Cluster;
use super::wire::Said;
use crate::protocol::NodeId;
use bytes::Bytes;
use parking_lot::Mutex;
use std::task::{Context, Poll, Waker};

/// Bytes of memos that wait to be taken; what comes on top of them is dropped.
const MOST: usize = 64 << 20;
/// The largest memo.
const LARGEST: usize = 256 * 1024;
/// What a memo takes besides its bytes.
const OVERHEAD: usize = 64;

/// The memos that have come.
#[derive(Debug, Default)]
pub(super) struct Memos(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    memos: Vec<(NodeId, Bytes)>,
    bytes: usize,
    waker: Option<Waker>,
}

impl Memos {
    pub(super) fn push(&self, from: NodeId, memo: Bytes) {
        let mut state = self.0.lock();
        let size = memo.len() + OVERHEAD;
        if state.bytes + size <= MOST {
            state.bytes += size;
            state.memos.push((from, memo));
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Cluster {
    /// Says something to what runs on all other nodes. Of one node, memos come in the order in which they were said. Short
    /// ones, of less than 2 KiB, come back: everybody who can be heard has got them then, and those before.
    /// While the link is down nothing is said.
    pub fn memo(&self, bytes: Bytes) {
        if self.is_up() {
            self.tell(Said::Memo { bytes });
        }
    }

    /// How large a memo may be.
    pub fn most_memo(&self) -> usize {
        LARGEST.min(self.room())
    }

    /// Ready once there are memos.
    pub fn poll_memos(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.memos.0.lock();
        if !state.memos.is_empty() {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// What nodes have said, each with the node; this one too.
    pub fn memos(&self) -> Vec<(NodeId, Bytes)> {
        let mut state = self.0.memos.0.lock();
        state.bytes = 0;
        std::mem::take(&mut state.memos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memos_that_nobody_takes_are_bounded() {
        let memos = Memos::default();
        (0..MOST / LARGEST * 2).for_each(|_| memos.push(NodeId(1), Bytes::from(vec![0; LARGEST])));
        let state = memos.0.lock();
        assert!(state.bytes <= MOST && state.memos.len() < MOST / LARGEST, "{}", state.bytes);
    }
}
