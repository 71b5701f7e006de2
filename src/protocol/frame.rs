//! Every frame the server sends, finished: WebSocket header and JSON in one shared buffer.

use super::channel::ChannelName;
use super::close::CloseCode;
use super::ids::{SocketId, UserId};
use super::presence::Member;
use super::refusal::{Refusal, Rejection};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::LazyLock;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
/// The longest header: opcode, length marker and 64 bits of length (RFC 6455 section 5.2).
const HEADER: usize = 10;

/// A finished, unmasked server frame. Cloning shares the bytes, which is all that fan-out does.
// Its header says how long it is; what comes after that in the same buffer is its stamp.
#[derive(Clone, Debug)]
pub struct Frame(Bytes);

/// When an event was published, by a clock of whoever stamps it. Nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(pub u64);

#[derive(Serialize)]
struct Message<'a, D: Serialize> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    data: D,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

impl Frame {
    /// The first frame of every accepted connection (1.3).
    pub fn connection_established(socket: SocketId, activity_timeout_secs: u32) -> Self {
        let data = format!(r#"{{"socket_id":"{socket}","activity_timeout":{activity_timeout_secs}}}"#);
        text("pusher:connection_established", None, data)
    }

    /// The answer to `pusher:ping` (P1), the same for everyone.
    pub fn pong() -> Self {
        static PONG: LazyLock<Frame> = LazyLock::new(|| text("pusher:pong", None, "{}"));
        PONG.clone()
    }

    /// A refusal, or the announcement of a close to clients of protocol 4 and 5 (1.6). Like
    /// that of `signin_success` its `data` is an object.
    pub fn error(code: Option<u16>, message: &str) -> Self {
        #[derive(Serialize)]
        struct Data<'a> {
            code: Option<u16>,
            message: &'a str,
        }
        text("pusher:error", None, Data { code, message })
    }

    /// The `pusher:error` that says what was refused.
    pub fn rejection(rejection: &Rejection) -> Self {
        Self::error(rejection.code, &rejection.message)
    }

    /// A refused subscription, in the shape that Echo's `error` callback reads (2.5). `channel` is what the client
    /// asked for and need not be a valid name.
    pub fn subscription_error(channel: &str, refusal: &Refusal) -> Self {
        let Refusal { kind, status, message } = refusal;
        let data = json!({ "type": kind, "error": message, "status": status });
        text("pusher:subscription_error", Some(channel), data.to_string())
    }

    /// The confirmation of a subscription to a channel without members (S1).
    pub fn subscribed(channel: &ChannelName) -> Self {
        text("pusher_internal:subscription_succeeded", Some(channel.as_str()), "{}")
    }

    /// The confirmation of a presence subscription: everyone who is there, the newcomer included (M6).
    pub fn roster<'a>(channel: &ChannelName, members: impl ExactSizeIterator<Item = &'a Member> + Clone) -> Self {
        #[derive(Serialize)]
        struct Data<I: Serialize, H: Serialize> {
            presence: Presence<I, H>,
        }
        #[derive(Serialize)]
        struct Presence<I: Serialize, H: Serialize> {
            count: usize,
            ids: I,
            hash: H,
        }
        let presence = Presence {
            count: members.len(),
            ids: Sequence(members.clone().map(|member| member.id.as_str())),
            hash: Map(members.map(|member| (member.id.as_str(), &*member.info))),
        };
        let data = serde_json::to_string(&Data { presence }).expect("a roster always serialises");
        text("pusher_internal:subscription_succeeded", Some(channel.as_str()), data)
    }

    /// Tells the others of a member's first connection (M7).
    pub fn member_added(channel: &ChannelName, member: &Member) -> Self {
        #[derive(Serialize)]
        struct Data<'a> {
            user_id: &'a str,
            user_info: &'a RawValue,
        }
        let data = Data { user_id: member.id.as_str(), user_info: &member.info };
        let data = serde_json::to_string(&data).expect("a member always serialises");
        text("pusher_internal:member_added", Some(channel.as_str()), data)
    }

    /// Tells the others that a member's last connection left (M8).
    pub fn member_removed(channel: &ChannelName, id: &UserId) -> Self {
        text("pusher_internal:member_removed", Some(channel.as_str()), json!({ "user_id": id.as_str() }).to_string())
    }

    /// The answer to a newcomer of a cache channel that has nothing for them (K4).
    pub fn cache_miss(channel: &ChannelName) -> Self {
        text("pusher:cache_miss", Some(channel.as_str()), "{}")
    }

    /// Tells a channel's subscribers how many connections it has (2.9).
    pub fn subscription_count(channel: &ChannelName, count: usize) -> Self {
        let data = format!(r#"{{"subscription_count":{count}}}"#);
        text("pusher_internal:subscription_count", Some(channel.as_str()), data)
    }

    /// The answer to a sign-in: the same text that introduced the user (U4). Beside `pusher:error` the only frame
    /// whose `data` is an object (spec 0.3).
    pub fn signin_success(user_data: &str) -> Self {
        text("pusher:signin_success", None, json!({ "user_data": user_data }))
    }

    /// Tells a watcher who is online and who is not (4.3). A group without users is left out (W2).
    pub fn watchlist(online: &[&UserId], offline: &[&UserId]) -> Self {
        let group = |(name, ids): (&str, &[&UserId])| {
            let ids: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
            (!ids.is_empty()).then(|| json!({ "name": name, "user_ids": ids }))
        };
        let events: Vec<_> = [("online", online), ("offline", offline)].into_iter().filter_map(group).collect();
        text("pusher_internal:watchlist_events", None, json!({ "events": events }).to_string())
    }

    /// A channel event (2.10), or a client event with its sender on presence channels (L7). `data` is a JSON string
    /// and is copied as it stands.
    pub fn event(channel: &ChannelName, name: &str, data: &RawValue, user_id: Option<&UserId>) -> Self {
        let user_id = user_id.map(UserId::as_str);
        encode(&Message { event: name, channel: Some(channel.as_str()), data, user_id })
    }

    /// The same frame with a stamp, which never goes to the socket: it is there to see later how long the frame took. It
    /// lies in the one buffer that all recipients share.
    pub fn stamped(&self, at: Stamp) -> Self {
        Self([self.bytes(), &at.0.to_be_bytes()].concat().into())
    }

    /// The same frame without its stamp.
    pub fn unstamped(&self) -> Self {
        Self(self.0.slice(..self.size()))
    }

    /// The frame's stamp, if it has one.
    pub fn stamp(&self) -> Option<Stamp> {
        let stamp = self.0[self.size()..].try_into().ok()?;
        Some(Stamp(u64::from_be_bytes(stamp)))
    }

    /// A close frame with code and reason (RFC 6455 section 5.5.1).
    pub fn close(close: CloseCode) -> Self {
        let payload = [&close.code().to_be_bytes()[..], close.reason().as_bytes()].concat();
        finish(CLOSE, [&[0; HEADER][..], &payload].concat())
    }

    /// A ping without payload (RFC 6455 section 5.5.2).
    pub fn ping() -> Self {
        finish(PING, vec![0; HEADER])
    }

    /// The bytes that go to the socket, header included.
    pub fn bytes(&self) -> &[u8] {
        &self.0[..self.size()]
    }

    /// A text frame that another node made, or `None` if it is not exactly one: a client would hang up on it.
    pub fn received(bytes: Bytes) -> Option<Self> {
        let (header, len) = measure(&bytes).filter(|_| bytes[0] == TEXT)?;
        let payload = bytes.get(header..).filter(|payload| payload.len() == len)?;
        std::str::from_utf8(payload).ok()?;
        Some(Self(bytes))
    }

    /// The frame's payload: for all but close and ping frames a JSON text.
    pub fn payload(&self) -> &[u8] {
        let (header, len) = self.measure();
        &self.0[header..header + len]
    }

    /// The frame's size on the socket in bytes.
    pub fn size(&self) -> usize {
        let (header, len) = self.measure();
        header + len
    }

    fn measure(&self) -> (usize, usize) {
        measure(&self.0).expect("a frame begins with its header")
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Frame {}

/// The lengths of the header that `bytes` begin with and of the payload that it announces, if they begin with one.
fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
    Some(match *bytes.get(..2)? {
        [_, 127] => (HEADER, usize::try_from(u64::from_be_bytes(bytes.get(2..HEADER)?.try_into().ok()?)).ok()?),
        [_, 126] => (HEADER - 6, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into()),
        [_, len @ ..126] => (HEADER - 8, len.into()),
        _ => return None,
    })
}

fn text(event: &str, channel: Option<&str>, data: impl Serialize) -> Frame {
    encode(&Message { event, channel, data, user_id: None })
}

fn encode(message: &impl Serialize) -> Frame {
    let mut buffer = Vec::with_capacity(256);
    buffer.resize(HEADER, 0);
    serde_json::to_writer(&mut buffer, message).expect("a frame's strings always serialise");
    finish(TEXT, buffer)
}

/// Puts the header in front of the payload, which starts at `HEADER`, and drops what the header does not need.
fn finish(opcode: u8, mut buffer: Vec<u8>) -> Frame {
    let len = buffer.len() - HEADER;
    let start = match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ ..126), _) => {
            buffer[HEADER - 1] = short;
            HEADER - 2
        }
        (_, Ok(medium)) => {
            buffer[HEADER - 3] = 126;
            buffer[HEADER - 2..HEADER].copy_from_slice(&medium.to_be_bytes());
            HEADER - 4
        }
        _ => {
            buffer[HEADER - 9] = 127;
            buffer[HEADER - 8..HEADER].copy_from_slice(&(len as u64).to_be_bytes());
            HEADER - 10
        }
    };
    buffer[start] = opcode;
    // Exactly as long as the frame: what waits in outboxes is counted by its length.
    Frame(Bytes::copy_from_slice(&buffer[start..]))
}

struct Sequence<I>(I);
struct Map<I>(I);

impl<T: Serialize, I: Iterator<Item = T> + Clone> Serialize for Sequence<I> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

impl<K: Serialize, V: Serialize, I: Iterator<Item = (K, V)> + Clone> Serialize for Map<I> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.clone())
    }
}

#[cfg(test)]
mod tests;
