//! One connection's task: a loop over three inputs (the socket, the outbox, a timer) and an orderly end.
//!
//! Frames come out of the outbox finished, so they are written to the socket beside tungstenite, many at once. That
//! interleaves correctly because tungstenite's own output, pongs and the echo of a close, is flushed whole right where
//! it arises.

use super::write::{self, Stuck};
use crate::node::{self, STALLS, relieve};
use crate::protocol::{CloseCode, Frame};
use crate::session::{Next, Session, Tick};
use crate::transport::stream::Stream;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::future::{poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes, error::ProtocolError};

/// Small, because it is there for as long as the connection. Most messages fit, and it grows for those that do not.
const READ_BUFFER: usize = 512;
/// A connection that was written to this recently will be again: it waits a little longer for more to write at once.
const BUSY: Duration = Duration::from_millis(20);
const BUSY_TURNS: usize = 4;
/// Messages in a row after which what waits and what is due get their turn.
const STREAK: usize = 32;
/// How long a client may take to read why it is closed.
const CLOSE_WRITE: Duration = Duration::from_secs(5);
/// How long, and for how many bytes, the server listens after its close frame, so that unread input does not reset
/// the connection before the client has read it.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

pub(super) type Socket = WebSocketStream<Stream>;

/// How a connection ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// This server closes it.
    Close(CloseCode),
    /// The client has closed it, or is gone.
    Gone,
    /// A write took too long, and a frame is stuck half-way, so that not even a close frame can follow it.
    Stuck,
}

/// Speaks WebSocket on an upgraded connection. The stream is boxed so that it does not move through futures.
pub(super) async fn open(stream: Stream, read_ahead: Bytes, max_message_bytes: usize) -> Box<Socket> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(max_message_bytes))
        .max_frame_size(Some(max_message_bytes));
    // The read-ahead keeps the HTTP server's whole buffer alive, so it is dropped or copied.
    Box::new(if read_ahead.is_empty() {
        drop(read_ahead);
        WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await
    } else {
        WebSocketStream::from_partially_read(stream, read_ahead.to_vec(), Role::Server, Some(config)).await
    })
}

/// Ends a connection that [`drive`] has left.
pub(super) async fn close(socket: Box<Socket>, session: Session, end: End) {
    match end {
        End::Close(close) => session.ended(Some(close)),
        End::Gone => session.ended(None),
        End::Stuck => session.gave_up(),
    }
    if let End::Close(close) = end {
        // What was queued before goes out before, such as the error that says why.
        session.outbox().close(close);
        let mut last = session.outbox().take().unwrap_or_default();
        last.extend(session.farewell(close));
        last.push(Frame::close(close));
        // The place in every channel is given up before the client is waited for.
        drop(session);
        hang_up(socket.into_inner(), &last).await;
    }
}

/// Something that must have passed before more is taken from the client, and the message that had to wait for it, with
/// what it needs held.
type Wait = Pin<Box<dyn Future<Output = Option<(Utf8Bytes, node::Pin)>> + Send>>;

/// What a message that came in calls for.
enum Then {
    Nothing,
    /// Tungstenite has an answer of its own to write.
    Flush,
    /// Nothing more is to be taken before this.
    Wait(Wait),
}

/// Serves a connection until it is to end. What comes in goes first, so that a client whose frames wait in the kernel
/// while the server is busy writing to it is not taken for dead; but only so much of it in a row, and nothing more
/// while its answers, or what others are told of its doings, pile up. tokio's own budget would not see to that: it may
/// run out between two messages, and then nothing else is ever looked at.
pub(super) async fn drive(socket: &mut Socket, session: &mut Session) -> End {
    let write_timeout = session.app().limits.write_timeout();
    let outbox = session.outbox().clone();
    let mut last_write = Instant::now();
    let mut timer = pin!(sleep_until(Instant::now()));
    let (mut streak, mut wait) = (0, None::<Wait>);
    loop {
        let then = tokio::select! {
            biased;
            inbound = socket.next(), if streak < STREAK && wait.is_none() => receive(inbound, session),
            held = poll_fn(|cx| wait.as_mut().map_or(Poll::Pending, |wait| wait.as_mut().poll(cx))) => {
                wait = None;
                match held {
                    Some((message, _pin)) => then(session.resume(&message, Instant::now()), &message),
                    None => Ok(Then::Nothing),
                }
            }
            () = &mut timer => {
                let next = match session.tick(Instant::now()) {
                    Tick::Wait(until) => until,
                    Tick::Close(close) => return End::Close(close),
                };
                timer.as_mut().reset(next);
                continue;
            }
            () = poll_fn(|cx| outbox.poll_ready(cx)) => {
                // Lets everything else that is ready go first, among it the next publishes: a busy channel's frames
                // then leave together, and each of them costs a fraction of a system call.
                let turns = if last_write.elapsed() < BUSY { BUSY_TURNS } else { 1 };
                for _ in 0..turns {
                    yield_now().await;
                }
                let frames = match outbox.take() {
                    Ok(frames) => frames,
                    Err(close) => return End::Close(close),
                };
                if let Err(stuck) = write::all(socket.get_mut(), &frames, write_timeout, || session.is_cut()).await {
                    return stuck.into();
                }
                outbox.written();
                (last_write, streak) = (Instant::now(), 0);
                // Those that came first have waited longest.
                if let Some(stamp) = frames.iter().find_map(Frame::stamp) {
                    session.wrote(stamp, last_write);
                }
                continue;
            }
            () = ready(()), if streak >= STREAK => {
                streak = 0;
                continue;
            }
        };
        match then {
            Ok(Then::Nothing) => {}
            // Nothing else goes out before tungstenite's pong has gone out whole.
            Ok(Then::Flush) => match flush(socket, write_timeout).await {
                Ok(()) => {}
                Err(stuck) => return stuck.into(),
            },
            Ok(Then::Wait(until)) => wait = Some(until),
            Err(end) => {
                if end == End::Gone {
                    // The echo of the client's close frame (E3).
                    let _ = flush(socket, LINGER).await;
                }
                return end;
            }
        }
        streak = if outbox.is_pressing() { STREAK } else { streak + 1 };
    }
}

/// Writes what tungstenite has to say. Boxed, as it is rare and would lie in every connection's future.
fn flush(socket: &mut Socket, deadline: Duration) -> Pin<Box<impl Future<Output = Result<(), Stuck>>>> {
    Box::pin(async move { timeout(deadline, socket.flush()).await.map_err(|_| Stuck::Late)?.map_err(|_| Stuck::Gone) })
}

/// Hands what came in to the session.
fn receive(inbound: Option<Result<Message, Error>>, session: &mut Session) -> Result<Then, End> {
    let message = match inbound {
        Some(Ok(message)) => message,
        Some(Err(error)) => return Err(fault(&error)),
        None => return Err(End::Gone),
    };
    let now = Instant::now();
    session.alive(now);
    match message {
        Message::Text(text) => then(session.receive(&text, now), &text),
        Message::Binary(_) => session.receive_binary(now).map(|()| Then::Nothing).map_err(End::Close),
        Message::Ping(_) => Ok(Then::Flush),
        Message::Pong(_) | Message::Frame(_) => Ok(Then::Nothing),
        Message::Close(_) => Err(End::Gone),
    }
}

/// What comes after a message that the session has looked at.
fn then(next: Result<Next, CloseCode>, message: &Utf8Bytes) -> Result<Then, End> {
    Ok(match next.map_err(End::Close)? {
        Next::Nothing => Then::Nothing,
        Next::Relieve(crowded) => Then::Wait(Box::pin(async move {
            let mut stalls = STALLS;
            relieve(&crowded, &mut stalls).await;
            None
        })),
        Next::Wait(pinned) => {
            let message = message.clone();
            Then::Wait(Box::pin(async move { Some((message, pinned.ready().await)) }))
        }
    })
}

/// What a broken stream calls for (RFC 6455 section 7.4.1).
fn fault(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Close(CloseCode::TooBig),
        Error::Utf8(_) => End::Close(CloseCode::InvalidText),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Gone,
        Error::Protocol(_) => End::Close(CloseCode::ProtocolError),
        _ => End::Gone,
    }
}

impl From<Stuck> for End {
    fn from(stuck: Stuck) -> Self {
        match stuck {
            Stuck::Gone => Self::Gone,
            Stuck::Late => Self::Stuck,
        }
    }
}

/// Writes the last frames, then waits for the client to hang up, so that it reads them before the connection goes.
pub(super) async fn hang_up(mut stream: Stream, last: &[Frame]) {
    if write::all(&mut stream, last, CLOSE_WRITE, || false).await.is_err() {
        return;
    }
    let Ok(Ok(())) = timeout(CLOSE_WRITE, stream.shutdown()).await else { return };
    let rest = async {
        let mut sink = [0; 1024];
        let mut left = LINGER_BYTES;
        while let Ok(read @ 1..) = stream.read(&mut sink).await
            && left > 0
        {
            left = left.saturating_sub(read);
        }
    };
    let _ = timeout(LINGER, rest).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{App, Apps};
    use crate::node::{Identity, Node, Visitor};
    use std::sync::Arc;
    use tokio::net::{TcpListener, TcpStream};

    /// Frames that fill the read buffer exactly, so that every read ends between two of them and tokio's budget does
    /// too: an end that is due comes long before the last of them.
    #[tokio::test]
    async fn a_flood_does_not_put_off_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut socket = open(Stream::Tcp(listener.accept().await.unwrap().0), Bytes::new(), 1024).await;
        let node = Arc::new(Node::new(
            Identity::new("test".to_owned(), std::time::SystemTime::UNIX_EPOCH),
            Apps::new([App::new("app", "key", "secret")]),
        ));
        let connection = node.connect(&node.app("app").unwrap(), Visitor::default()).unwrap();
        let mut session = Session::new(node, connection, 7);
        let pong = [0x8a, 0x82, 0, 0, 0, 0, b'x', b'x'];
        client.write_all(&pong.repeat(64 * 1024)).await.unwrap();
        session.outbox().cut(CloseCode::Terminated);
        assert_eq!(drive(&mut socket, &mut session).await, End::Close(CloseCode::Terminated));
        drop(client);
        let mut unread = Vec::new();
        socket.get_mut().read_to_end(&mut unread).await.unwrap();
        assert!(unread.len() > 7 * 64 * 1024, "{}", unread.len());
    }

    #[test]
    fn faults_have_their_close_codes() {
        use tokio_tungstenite::tungstenite::error::CapacityError;
        let too_long = CapacityError::MessageTooLong { size: 2, max_size: 1 };
        assert_eq!(fault(&Error::Capacity(too_long)), End::Close(CloseCode::TooBig));
        assert_eq!(fault(&Error::Utf8(String::new())), End::Close(CloseCode::InvalidText));
        assert_eq!(fault(&Error::Protocol(ProtocolError::InvalidOpcode(3))), End::Close(CloseCode::ProtocolError));
        assert_eq!(fault(&Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), End::Gone);
        assert_eq!(fault(&Error::ConnectionClosed), End::Gone);
    }
}
