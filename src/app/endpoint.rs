//! Where an app's back end wants to hear of what happens, and of what (spec section 6).

use crate::protocol::ChannelKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// What a webhook tells of (spec 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A channel's first subscriber came.
    ChannelOccupied,
    /// A channel's last subscriber went, and none came for a while.
    ChannelVacated,
    /// A presence channel's member came.
    MemberAdded,
    /// A presence channel's member went, and did not come back for a while.
    MemberRemoved,
    /// A client said something on a channel.
    ClientEvent,
    /// Somebody subscribed to a cache channel that had nothing for them.
    CacheMiss,
    /// A channel has another number of subscribers.
    SubscriptionCount,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::ChannelOccupied,
        Self::ChannelVacated,
        Self::MemberAdded,
        Self::MemberRemoved,
        Self::ClientEvent,
        Self::CacheMiss,
        Self::SubscriptionCount,
    ];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChannelOccupied => "channel_occupied",
            Self::ChannelVacated => "channel_vacated",
            Self::MemberAdded => "member_added",
            Self::MemberRemoved => "member_removed",
            Self::ClientEvent => "client_event",
            Self::CacheMiss => "cache_miss",
            Self::SubscriptionCount => "subscription_count",
        }
    }
}

/// An endpoint of webhooks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoint {
    /// Where it is: `http://` or `https://`.
    pub url: String,
    /// What it is told of; everything unless listed.
    pub events: Vec<EventKind>,
    /// Only channels whose names start so.
    pub channel_prefix: String,
    /// Only channels whose names end so.
    pub channel_suffix: String,
    /// Whether several events may come in one request: up to 50, or what happens within 100 ms.
    pub batch: bool,
    /// Headers that it gets besides those of every webhook.
    #[serde(deserialize_with = "pairs")]
    pub headers: Vec<(String, String)>,
}

/// A table, in the order of its keys.
fn pairs<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    std::collections::BTreeMap::deserialize(deserializer).map(|table| table.into_iter().collect())
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            url: String::new(),
            events: EventKind::ALL.into(),
            channel_prefix: String::new(),
            channel_suffix: String::new(),
            batch: false,
            headers: Vec::new(),
        }
    }
}

/// What headers and the URL's query hold may be secret.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("url", &self.shown_url())
            .field("events", &self.events)
            .field("channel_prefix", &self.channel_prefix)
            .field("channel_suffix", &self.channel_suffix)
            .field("batch", &self.batch)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish()
    }
}

impl Endpoint {
    /// The URL without what may be secret in it: its query.
    pub fn shown_url(&self) -> String {
        self.url.split_once('?').map_or_else(|| self.url.clone(), |(place, _)| format!("{place}?***"))
    }

    /// Whether it is told of such an event on `channel` (X9, X14).
    pub fn wants(&self, kind: EventKind, channel: &str) -> bool {
        self.events.contains(&kind) && self.covers(channel)
    }

    fn covers(&self, channel: &str) -> bool {
        let named = channel.starts_with(&self.channel_prefix) && channel.ends_with(&self.channel_suffix);
        named && ChannelKind::of(channel) != ChannelKind::User
    }
}

/// The endpoints of one app, each with an id that stays the same as long as its URL does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints(Vec<(String, Endpoint)>);

impl Endpoints {
    /// Takes the endpoints as they were written.
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        let mut all = Self::default();
        for endpoint in endpoints {
            let nth = all.0.iter().filter(|(_, other)| other.url == endpoint.url).count();
            let digest = Sha256::digest(format!("{nth} {}", endpoint.url));
            all.0.push((hex::encode(&digest[..6]), endpoint));
        }
        all
    }

    /// Each with its id, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Endpoint)> {
        self.0.iter().map(|(id, endpoint)| (id.as_str(), endpoint))
    }

    /// The one with this id.
    pub fn get(&self, id: &str) -> Option<&Endpoint> {
        self.iter().find_map(|(of, endpoint)| (of == id).then_some(endpoint))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is told of one of `kinds`, whatever the channel.
    pub fn want_any(&self, kinds: &[EventKind]) -> bool {
        self.iter().any(|(_, endpoint)| kinds.iter().any(|kind| endpoint.events.contains(kind)))
    }

    /// The ids of those that are told of such an event on `channel`.
    pub fn wanting(&self, kind: EventKind, channel: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(_, endpoint)| endpoint.wants(kind, channel)).map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_wants_what_it_lists_on_channels_that_it_names() {
        let endpoint = Endpoint {
            events: vec![EventKind::ChannelOccupied],
            channel_prefix: "private-".to_owned(),
            channel_suffix: "-eu".to_owned(),
            ..Endpoint::default()
        };
        assert!(endpoint.wants(EventKind::ChannelOccupied, "private-a-eu"));
        assert!(!endpoint.wants(EventKind::ChannelVacated, "private-a-eu"));
        assert!(!endpoint.wants(EventKind::ChannelOccupied, "private-a-us"));
        assert!(!endpoint.wants(EventKind::ChannelOccupied, "a-eu"));
    }

    #[test]
    fn users_own_channels_are_nobody_elses_business() {
        for kind in EventKind::ALL {
            assert!(Endpoint::default().wants(kind, "a"));
            assert!(!Endpoint::default().wants(kind, "#server-to-user-1"));
        }
    }

    #[test]
    fn ids_follow_the_url() {
        let of = |url: &str| Endpoint { url: url.to_owned(), ..Endpoint::default() };
        let ids = |urls: &[&str]| -> Vec<String> {
            Endpoints::new(urls.iter().map(|url| of(url))).iter().map(|(id, _)| id.to_owned()).collect()
        };
        let (both, turned) = (ids(&["http://a", "http://b"]), ids(&["http://b", "http://a"]));
        assert_eq!([&both[0], &both[1]], [&turned[1], &turned[0]]);
        let twice = ids(&["http://a", "http://a"]);
        assert!(twice[0] == both[0] && twice[1] != both[0]);
    }

    #[test]
    fn names_on_the_wire_are_those_in_files() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn headers_are_not_printed() {
        let headers = vec![("Authorization".to_owned(), "Bearer hunter2".to_owned())];
        let printed = format!("{:?}", Endpoint { headers, ..Endpoint::default() });
        assert!(printed.contains("Authorization") && !printed.contains("hunter2"), "{printed}");
    }
}
