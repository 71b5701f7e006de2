//! What is told: plain data under names that stay, for programs that show it.
//!
//! Must not know: where it comes from, or who reads it.

use serde::Serialize;
use serde_json::Value;
use std::time::SystemTime;

/// The longest payload that is kept of an event, in bytes.
const MOST_DATA: usize = 16 * 1024;

/// Names of all sorts of happenings, as they stand in `type`.
pub const KINDS: [&str; 15] = [
    "connected",
    "turned_away",
    "disconnected",
    "signed_in",
    "subscribed",
    "unsubscribed",
    "occupied",
    "vacated",
    "member_added",
    "member_removed",
    "client_event",
    "published",
    "rejected",
    "refused",
    "webhook",
];

/// Something that has happened in an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Happening {
    /// A connection was accepted.
    Connected {
        /// The connection.
        socket_id: String,
        /// The address that the connection came from: the proxy's, if there is one.
        ip: Option<String>,
        /// The page, if the client is a browser.
        origin: Option<String>,
    },
    /// A connection was refused.
    TurnedAway {
        /// The address that the connection came from: the proxy's, if there is one.
        ip: Option<String>,
        /// The page, if the client is a browser.
        origin: Option<String>,
        /// The close code.
        code: u16,
        /// What the code stands for.
        reason: &'static str,
    },
    /// A connection has ended.
    Disconnected {
        /// The connection.
        socket_id: String,
        /// Who was signed in.
        user_id: Option<String>,
        /// The close code; none if the client ended it, or is gone.
        code: Option<u16>,
        /// What the code stands for.
        reason: &'static str,
        /// How long it lasted, in milliseconds.
        ms: u64,
    },
    /// A connection has signed in as a user.
    SignedIn {
        /// The connection.
        socket_id: String,
        /// Who it is.
        user_id: String,
    },
    /// A connection was taken into a channel.
    Subscribed {
        /// The connection.
        socket_id: String,
        /// The channel.
        channel: String,
        /// The member that it is, on presence channels.
        user_id: Option<String>,
    },
    /// A connection has left a channel, by itself or because it ended.
    Unsubscribed {
        /// The connection.
        socket_id: String,
        /// The channel.
        channel: String,
        /// The member that it was, on presence channels.
        user_id: Option<String>,
    },
    /// A channel has its first subscriber on any node.
    Occupied {
        /// The channel.
        channel: String,
    },
    /// A channel has lost the last one.
    Vacated {
        /// The channel.
        channel: String,
    },
    /// A member's first connection on any node has come.
    MemberAdded {
        /// The channel.
        channel: String,
        /// Who it is.
        user_id: String,
    },
    /// A member's last connection has gone.
    MemberRemoved {
        /// The channel.
        channel: String,
        /// Who it is.
        user_id: String,
    },
    /// A client has said something.
    ClientEvent {
        /// The connection.
        socket_id: Option<String>,
        /// The member that it is, on presence channels.
        user_id: Option<String>,
        /// The channel.
        channel: String,
        /// The event's name.
        event: String,
        /// To how many connections of this node it went.
        connections: usize,
        /// What was said.
        #[serde(flatten)]
        payload: Payload,
    },
    /// A back end has published something.
    Published {
        /// The channel.
        channel: String,
        /// The event's name.
        event: String,
        /// The connection that was left out.
        except: Option<String>,
        /// To how many connections of this node it went.
        connections: usize,
        /// What was said.
        #[serde(flatten)]
        payload: Payload,
    },
    /// A client was told that it does not get what it asked for.
    Rejected {
        /// The connection.
        socket_id: String,
        /// The channel that it asked for, if it asked for one.
        channel: Option<String>,
        /// The protocol's code, if there is one for it.
        code: Option<u16>,
        /// Why.
        message: String,
    },
    /// A request of a back end was refused.
    Refused {
        /// The method.
        method: String,
        /// The path, without the query.
        path: String,
        /// The status.
        status: u16,
        /// Why.
        message: String,
    },
    /// An endpoint was told of events, or was not.
    Webhook {
        /// The endpoint's id.
        endpoint: String,
        /// What the receiver knows the delivery by.
        delivery: String,
        /// How many events it carried.
        events: usize,
        /// The how manieth attempt it was in a row.
        attempt: u32,
        /// The status of the answer, if there was one.
        status: Option<u16>,
        /// Why it failed, if it did.
        error: Option<String>,
        /// How long it took, in milliseconds.
        ms: u64,
    },
}

/// What was said, and how long it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Payload {
    data: String,
    bytes: usize,
}

/// Something that has happened, and when.
#[derive(Clone, Debug)]
pub struct Record {
    at: SystemTime,
    what: Happening,
}

impl Payload {
    /// Keeps the beginning of `data`.
    pub fn of(data: &str) -> Self {
        Self { data: cut(data, MOST_DATA).to_owned(), bytes: data.len() }
    }
}

impl Record {
    /// Something that has happened at that time.
    pub fn new(at: SystemTime, what: Happening) -> Self {
        Self { at, what }
    }

    /// The record as JSON, with at most so many bytes of a payload.
    pub fn json(&self, most_data: usize) -> Value {
        let mut json = serde_json::to_value(&self.what).expect("plain data always serialises");
        json["time"] = humantime::format_rfc3339_millis(self.at).to_string().into();
        let cut =
            json["data"].as_str().filter(|data| data.len() > most_data).map(|data| cut(data, most_data).to_owned());
        if let Some(cut) = cut {
            json["data"] = cut.into();
        }
        json
    }
}

/// The beginning of a text, in whole characters.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
