//! Finished frames onto a socket, many in one system call, each within a deadline.

use crate::protocol::Frame;
use crate::transport::stream::Stream;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Frames in one system call.
const SLICES: usize = 32;

/// Why frames could not be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    /// The connection is broken.
    Gone,
    /// A frame did not get out in time.
    Late,
}

/// Writes all `frames`, giving each `deadline` to get out; where the socket is full and `stop` says so, no more than
/// the one that is half-way. The clock is only looked at when the socket is full.
pub(super) async fn all(
    stream: &mut Stream,
    mut frames: &[Frame],
    deadline: Duration,
    stop: impl Fn() -> bool,
) -> Result<(), Stuck> {
    let (mut done, mut offset) = (0, 0);
    while done < frames.len() {
        let now = poll_fn(|cx| Poll::Ready(some(stream, &frames[done..], offset, cx))).await;
        let written = match now {
            Poll::Ready(written) => written,
            Poll::Pending => {
                let later = poll_fn(|cx| {
                    if stop() {
                        frames = &frames[..done + usize::from(offset > 0)];
                    }
                    let rest = &frames[done..];
                    if rest.is_empty() { Poll::Ready(Ok(0)) } else { some(stream, rest, offset, cx) }
                });
                // TCP reports a full socket as writable only once a good part of it is free, so each wait that ends
                // in time lets at least one frame of ordinary size out.
                // Boxed, because few connections ever wait and the timer would lie in every one's future.
                Box::pin(timeout(deadline, later)).await.map_err(|_| Stuck::Late)?
            }
        };
        match written {
            Ok(written @ 1..) => (done, offset) = advance(frames, done, offset + written),
            Ok(0) if done == frames.len() => {}
            Ok(0) | Err(_) => return Err(Stuck::Gone),
        }
    }
    flushed(stream, deadline).await
}

/// What TLS has taken may still be with it.
async fn flushed(stream: &mut Stream, deadline: Duration) -> Result<(), Stuck> {
    if !stream.is_tls() {
        return Ok(());
    }
    Box::pin(timeout(deadline, stream.flush())).await.map_err(|_| Stuck::Late)?.map_err(|_| Stuck::Gone)
}

/// One system call, kept out of the future so that its slices take no room in it.
fn some(stream: &mut Stream, frames: &[Frame], offset: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let count = frames.len().min(SLICES);
    for (slice, frame) in slices.iter_mut().zip(frames) {
        *slice = IoSlice::new(frame.bytes());
    }
    slices[0].advance(offset);
    Pin::new(stream).poll_write_vectored(cx, &slices[..count])
}

/// The frame and the offset in it that come after `written` bytes from the start of frame `done`.
fn advance(frames: &[Frame], mut done: usize, mut written: usize) -> (usize, usize) {
    while let Some(frame) = frames.get(done)
        && written >= frame.size()
    {
        written -= frame.size();
        done += 1;
    }
    (done, written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advancing_lands_between_and_inside_frames() {
        let frames = [Frame::ping(), Frame::pong(), Frame::ping()];
        let pong = frames[1].size();
        for (written, expect) in
            [(0, (0, 0)), (1, (0, 1)), (2, (1, 0)), (3, (1, 1)), (2 + pong, (2, 0)), (4 + pong, (3, 0))]
        {
            assert_eq!(advance(&frames, 0, written), expect, "{written}");
        }
        assert_eq!(advance(&frames, 1, pong + 1), (2, 1));
    }
}
