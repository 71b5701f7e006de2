//! One thing that back ends are told, and its form on the wire (spec 6.2).

use crate::app::EventKind;
use crate::protocol::NodeId;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::fmt;
use std::str::FromStr;

/// Which event: the node that decided to send it, and the how manieth that was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId {
    /// The node.
    pub node: u64,
    /// From 1 on.
    pub number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", NodeId(self.node), self.number)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

impl FromStr for EventId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('-').filter(|(node, _)| node.len() == 16 && !node.starts_with('+'));
        let id = parts.and_then(|(node, number)| {
            Some(Self { node: u64::from_str_radix(node, 16).ok()?, number: number.parse().ok()? })
        });
        id.filter(|id| id.to_string() == text).ok_or("an event's id is 16 hexadecimal digits, a dash and a number")
    }
}

impl TryFrom<String> for EventId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// One thing that back ends are told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Which one.
    pub id: EventId,
    /// The app's id.
    pub app: String,
    /// What kind of thing it is.
    pub kind: EventKind,
    /// The channel that it is about.
    pub channel: String,
    /// The member, for those who come and go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The number, for those of subscribers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// When it was decided, in milliseconds since 1970 (X3).
    pub time_ms: u64,
    /// The object that is sent, finished.
    pub body: Box<RawValue>,
}

/// What a client said, as far as webhooks tell of it (X11).
#[derive(Clone, Debug)]
pub struct ClientEvent {
    /// The event's name.
    pub event: String,
    /// The payload as clients got it, a JSON string.
    pub data: Box<RawValue>,
    /// Who said it.
    pub socket_id: String,
    /// As which member, on presence channels.
    pub user_id: Option<String>,
}

/// The object of an event, its members in the order of the specification.
#[derive(Serialize)]
struct Body<'a> {
    name: &'static str,
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_count: Option<usize>,
}

/// What there is to tell, before anybody has decided to.
#[derive(Clone, Debug)]
pub(super) enum Matter<'a> {
    Plain(EventKind),
    Member(EventKind, &'a str),
    Count(usize),
    Said(&'a ClientEvent),
}

impl Matter<'_> {
    pub(super) fn kind(&self) -> EventKind {
        match self {
            Self::Plain(kind) | Self::Member(kind, _) => *kind,
            Self::Count(_) => EventKind::SubscriptionCount,
            Self::Said(_) => EventKind::ClientEvent,
        }
    }

    /// The event that tells of it.
    pub(super) fn event(&self, id: EventId, app: &str, channel: &str, time_ms: u64) -> Event {
        let kind = self.kind();
        let plain = Body {
            name: kind.as_str(),
            channel,
            event: None,
            data: None,
            socket_id: None,
            user_id: None,
            subscription_count: None,
        };
        let (mut user, mut count) = (None, None);
        let body = match self {
            Self::Plain(_) => plain,
            Self::Member(_, id) => {
                user = Some((*id).to_owned());
                Body { user_id: Some(id), ..plain }
            }
            Self::Count(number) => {
                count = Some(*number);
                Body { subscription_count: count, ..plain }
            }
            Self::Said(said) => Body {
                event: Some(&said.event),
                data: Some(&said.data),
                socket_id: Some(&said.socket_id),
                user_id: said.user_id.as_deref(),
                ..plain
            },
        };
        let body = to_raw_value(&body).expect("texts and numbers make JSON");
        Event { id, app: app.to_owned(), kind, channel: channel.to_owned(), user, count, time_ms, body }
    }
}

impl Event {
    /// About how many bytes it takes while it waits.
    pub fn size(&self) -> usize {
        self.body.get().len() + self.channel.len() + self.user.as_ref().map_or(0, String::len) + 256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(matter: &Matter<'_>, channel: &str) -> String {
        let id = EventId { node: 1, number: 1 };
        matter.event(id, "1", channel, 5).body.get().to_owned()
    }

    /// Spec 6.2, byte by byte.
    #[test]
    fn events_have_the_members_of_the_specification() {
        assert_eq!(
            body(&Matter::Plain(EventKind::ChannelOccupied), "my-channel"),
            r#"{"name":"channel_occupied","channel":"my-channel"}"#
        );
        assert_eq!(
            body(&Matter::Member(EventKind::MemberAdded, "2"), "presence-room"),
            r#"{"name":"member_added","channel":"presence-room","user_id":"2"}"#
        );
        assert_eq!(
            body(&Matter::Plain(EventKind::CacheMiss), "cache-prices"),
            r#"{"name":"cache_miss","channel":"cache-prices"}"#
        );
        assert_eq!(
            body(&Matter::Count(3), "my-channel"),
            r#"{"name":"subscription_count","channel":"my-channel","subscription_count":3}"#
        );
        let said = ClientEvent {
            event: "client-typing".to_owned(),
            data: RawValue::from_string(r#""{\"t\":1}""#.to_owned()).unwrap(),
            socket_id: "1234.5678".to_owned(),
            user_id: Some("2".to_owned()),
        };
        assert_eq!(
            body(&Matter::Said(&said), "presence-room"),
            r#"{"name":"client_event","channel":"presence-room","event":"client-typing","data":"{\"t\":1}","socket_id":"1234.5678","user_id":"2"}"#
        );
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = EventId { node: 0x7fbb, number: 12 };
        assert_eq!(id.to_string(), "0000000000007fbb-12");
        assert_eq!("0000000000007fbb-12".parse(), Ok(id));
        for text in [
            "",
            "-",
            "7fbb-12",
            "0000000000007fbb-",
            "0000000000007FBB-12",
            "0000000000007fbb-012",
            "+000000000007fbb-1",
        ] {
            assert!(text.parse::<EventId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn events_come_back_from_a_file_as_they_were() {
        let event =
            Matter::Member(EventKind::MemberRemoved, "é\"").event(EventId { node: 1, number: 2 }, "1", "presence-a", 7);
        let text = serde_json::to_string(&event).unwrap();
        let back: Event = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        assert_eq!((back.user.as_deref(), back.time_ms), (Some("é\""), 7));
    }
}
