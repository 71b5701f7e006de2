//! The queue between the hub and one connection.

use crate::protocol::{CloseCode, Frame};
use parking_lot::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// What a waiting frame takes besides its bytes: its place in the queue and its allocation's own needs.
const FRAME_OVERHEAD: usize = 64;

/// Frames waiting for one connection, bounded in bytes. Anyone may push; the connection's task alone takes.
#[derive(Debug)]
pub struct Outbox {
    max_bytes: usize,
    since: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    frames: Vec<Frame>,
    /// Bytes waiting, those of the batch being written included.
    bytes: usize,
    /// Bytes of the batch being written.
    taken: usize,
    close: Option<CloseCode>,
    /// Whether even the batch being written is to stop after the frame in hand.
    cut: bool,
    waker: Option<Waker>,
}

/// What became of a pushed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It waits in the queue.
    Queued,
    /// It waits in the queue, which is filling: publishers do well to let connections write first.
    Crowded,
    /// It was one too many: the queue was dropped and the connection will be closed with 4100 (G6).
    Overflowed,
    /// The connection is closing already; the frame was dropped.
    Closing,
}

impl Outbox {
    /// The outbox of a connection made at `since`, which holds up to `max_bytes` of frames.
    pub fn new(max_bytes: usize, since: Instant) -> Self {
        Self { max_bytes, since, state: Mutex::default() }
    }

    /// When the connection was made.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Queues a frame and wakes the connection's task if it waits. Never drops a frame in the middle of the stream:
    /// a queue that would pass its bound is dropped whole and its connection closed. A frame counts for half the bound
    /// at most, because a client that has read everything before one that is large, a roster perhaps, is not slow.
    pub fn push(&self, frame: Frame) -> Push {
        let mut state = self.state.lock();
        if state.close.is_some() {
            return Push::Closing;
        }
        let bytes = state.bytes + (frame.size() + FRAME_OVERHEAD).min(self.max_bytes / 2);
        let push = if bytes > self.max_bytes {
            state.frames = Vec::new();
            state.close = Some(CloseCode::OverCapacity);
            Push::Overflowed
        } else {
            state.bytes = bytes;
            state.frames.push(frame);
            if self.crowds(bytes) { Push::Crowded } else { Push::Queued }
        };
        wake(state);
        push
    }

    /// Whether so much waits that publishers should let the connection write first.
    pub fn is_crowded(&self) -> bool {
        let state = self.state.lock();
        state.close.is_none() && self.crowds(state.bytes)
    }

    /// Whether what waits, or the end, comes before anything else that the client asks for.
    pub fn is_pressing(&self) -> bool {
        let state = self.state.lock();
        state.close.is_some() || self.crowds(state.bytes)
    }

    fn crowds(&self, bytes: usize) -> bool {
        bytes > self.max_bytes / 4
    }

    /// Ends the connection after the frames that wait already. The first reason stays.
    pub fn close(&self, close: CloseCode) {
        let mut state = self.state.lock();
        state.close.get_or_insert(close);
        wake(state);
    }

    /// Ends the connection at once: what waits is dropped, and a reason to close that waits is replaced.
    pub fn cut(&self, close: CloseCode) {
        let mut state = self.state.lock();
        state.close = Some(close);
        state.cut = true;
        state.frames = Vec::new();
        wake(state);
    }

    /// Whether the connection is to end at once.
    pub fn is_cut(&self) -> bool {
        self.state.lock().cut
    }

    /// Whether the connection is closing.
    pub fn is_closed(&self) -> bool {
        self.closing().is_some()
    }

    /// Why the connection is closing, if it is.
    pub fn closing(&self) -> Option<CloseCode> {
        self.state.lock().close
    }

    /// Bytes that wait, those being written included.
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Ready once frames wait or the connection is to be closed.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if !state.frames.is_empty() || state.close.is_some() {
            return Poll::Ready(());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Takes note that the batch taken before has been written: until then it counts.
    pub fn written(&self) {
        let mut state = self.state.lock();
        state.bytes -= std::mem::take(&mut state.taken);
    }

    /// Every frame that waits, or the reason to close once none does.
    pub fn take(&self) -> Result<Vec<Frame>, CloseCode> {
        let mut state = self.state.lock();
        match state.close {
            Some(close) if state.frames.is_empty() => Err(close),
            _ => {
                state.taken = state.bytes;
                // The capacity goes with the frames, so that an idle outbox holds none.
                Ok(std::mem::take(&mut state.frames))
            }
        }
    }
}

/// Wakes after the lock is released, so that the woken task does not run into it.
fn wake(mut state: parking_lot::MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polls once and counts wakes.
    struct Reader(Arc<Wakes>);

    impl Reader {
        fn poll(&self, outbox: &Outbox) -> Poll<Result<usize, CloseCode>> {
            let waker = self.0.clone().into();
            outbox.written();
            let ready = outbox.poll_ready(&mut Context::from_waker(&waker));
            ready.map(|()| outbox.take().map(|frames| frames.len()))
        }
    }

    #[test]
    fn one_wake_for_many_frames_and_one_batch() {
        let (outbox, reader) = (Outbox::new(4000, Instant::now()), Reader(Arc::default()));
        assert_eq!(reader.poll(&outbox), Poll::Pending);
        for _ in 0..3 {
            assert_eq!(outbox.push(Frame::pong()), Push::Queued);
        }
        assert_eq!(reader.0.0.load(Ordering::Relaxed), 1);
        assert_eq!(reader.poll(&outbox), Poll::Ready(Ok(3)));
        assert_eq!(reader.poll(&outbox), Poll::Pending);
    }

    #[test]
    fn what_is_being_written_still_counts() {
        let cost = Frame::pong().size() + FRAME_OVERHEAD;
        let (outbox, reader) = (Outbox::new(2 * cost, Instant::now()), Reader(Arc::default()));
        outbox.push(Frame::pong());
        assert_eq!(reader.poll(&outbox), Poll::Ready(Ok(1)));
        assert_eq!(outbox.push(Frame::pong()), Push::Crowded);
        assert_eq!(reader.poll(&outbox), Poll::Ready(Ok(1)));
        assert_eq!(outbox.push(Frame::pong()), Push::Crowded);
        assert_eq!(outbox.push(Frame::pong()), Push::Overflowed);
        assert_eq!(outbox.push(Frame::pong()), Push::Closing);
        assert_eq!(reader.poll(&outbox), Poll::Ready(Err(CloseCode::OverCapacity)));
    }

    #[test]
    fn a_frame_counts_for_half_the_bound_at_most() {
        let (outbox, reader) = (Outbox::new(4, Instant::now()), Reader(Arc::default()));
        assert_eq!(outbox.push(Frame::pong()), Push::Crowded);
        assert_eq!(outbox.push(Frame::pong()), Push::Crowded);
        assert_eq!(reader.poll(&outbox), Poll::Ready(Ok(2)));
        assert_eq!(reader.poll(&outbox), Poll::Pending);
        assert_eq!(outbox.push(Frame::pong()), Push::Crowded);
        assert_eq!(outbox.push(Frame::pong()), Push::Crowded);
        assert_eq!(outbox.push(Frame::pong()), Push::Overflowed);
    }

    #[test]
    fn closing_lets_waiting_frames_out_first_and_keeps_the_first_reason() {
        let (outbox, reader) = (Outbox::new(1000, Instant::now()), Reader(Arc::default()));
        outbox.push(Frame::pong());
        outbox.close(CloseCode::Reconnect);
        outbox.close(CloseCode::OverCapacity);
        assert_eq!(outbox.push(Frame::pong()), Push::Closing);
        assert_eq!(reader.poll(&outbox), Poll::Ready(Ok(1)));
        assert_eq!(reader.poll(&outbox), Poll::Ready(Err(CloseCode::Reconnect)));
    }

    #[test]
    fn cutting_drops_what_waits_and_replaces_the_reason() {
        let (outbox, reader) = (Outbox::new(1000, Instant::now()), Reader(Arc::default()));
        outbox.push(Frame::pong());
        outbox.close(CloseCode::OverCapacity);
        outbox.cut(CloseCode::Terminated);
        assert!(outbox.is_cut());
        assert_eq!(outbox.push(Frame::pong()), Push::Closing);
        assert_eq!(reader.poll(&outbox), Poll::Ready(Err(CloseCode::Terminated)));
    }

    #[test]
    fn an_idle_outbox_is_small() {
        assert!(size_of::<Outbox>() <= 96);
    }
}
