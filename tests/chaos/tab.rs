//! What one client has been told, and what it must never be told. Pure.

use super::channels;
use super::world::Place;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

/// An event, as its publisher knows it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Events of one stream were published one after the other through one process.
    pub(crate) stream: String,
    /// Grows in a stream.
    pub(crate) id: u64,
    /// The socket that must not get it.
    pub(crate) except: Option<String>,
}

/// One of a user's browser tabs.
#[derive(Debug, Default)]
pub(crate) struct Tab {
    pub(crate) name: String,
    pub(crate) user: String,
    /// Where it is connected.
    pub(crate) place: Option<Place>,
    pub(crate) socket_id: String,
    /// Connections it has had.
    pub(crate) connections: u32,
    /// Means to come back only after the quiet.
    pub(crate) away: bool,
    pub(crate) subscriptions: BTreeMap<&'static str, Subscription>,
    /// What the next answers to pings say that the server has done.
    left: VecDeque<&'static str>,
    heard: HashMap<(&'static str, u64), Instant>,
    last: HashMap<(String, &'static str), u64>,
    /// Cache channels whose last event has to come next.
    awaited: BTreeSet<&'static str>,
}

#[derive(Debug)]
pub(crate) enum Subscription {
    Asked,
    Confirmed {
        since: Instant,
        roster: BTreeSet<String>,
    },
    /// Given up, which the server may not know yet.
    Left {
        roster: BTreeSet<String>,
    },
}

/// What came of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Nothing,
    /// Wants a pong.
    Ping,
    Event,
    /// The last event of a cache channel, for a newcomer.
    Last,
    /// That there is none.
    Miss,
    Joined,
    Gone,
}

impl Event {
    /// As text that is longer by `padding`.
    pub(crate) fn data(&self, padding: usize) -> String {
        let padding = "x".repeat(padding);
        let Self { stream, id, except } = self;
        serde_json::json!({ "stream": stream, "id": id, "except": except, "text": padding }).to_string()
    }

    pub(crate) fn of(frame: &Value) -> Option<Self> {
        let data = data(frame);
        let except = data["except"].as_str().map(str::to_owned);
        Some(Self { stream: data["stream"].as_str()?.to_owned(), id: data["id"].as_u64()?, except })
    }
}

impl Tab {
    pub(crate) fn new(name: String, user: String) -> Self {
        Self { name, user, ..Self::default() }
    }

    pub(crate) fn connected(&mut self, place: Place, socket_id: &str) {
        *self = Self {
            name: std::mem::take(&mut self.name),
            user: std::mem::take(&mut self.user),
            place: Some(place),
            socket_id: socket_id.to_owned(),
            connections: self.connections + 1,
            ..Self::default()
        };
    }

    pub(crate) fn lost(&mut self) {
        self.place = None;
        self.subscriptions.clear();
        self.left.clear();
        self.awaited.clear();
    }

    /// What its own client events are a stream of.
    pub(crate) fn stream(&self) -> String {
        format!("{}/{}", self.name, self.connections)
    }

    /// Takes note of an unsubscription, which a ping follows.
    pub(crate) fn leave(&mut self, channel: &'static str) {
        if let Some(Subscription::Confirmed { roster, .. }) = self.subscriptions.remove(channel) {
            self.subscriptions.insert(channel, Subscription::Left { roster });
            self.left.push_back(channel);
        }
    }

    /// When it got an event.
    pub(crate) fn heard(&self, channel: &'static str, id: u64) -> Option<Instant> {
        self.heard.get(&(channel, id)).copied()
    }

    /// Since when it has been subscribed without a break.
    pub(crate) fn since(&self, channel: &str) -> Option<Instant> {
        match self.subscriptions.get(channel)? {
            Subscription::Confirmed { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// The members, as it was told.
    pub(crate) fn roster(&self, channel: &str) -> Option<&BTreeSet<String>> {
        match self.subscriptions.get(channel)? {
            Subscription::Confirmed { roster, .. } => Some(roster),
            _ => None,
        }
    }

    /// Whether every question has been answered.
    pub(crate) fn is_settled(&self) -> bool {
        let confirmed = |subscription| matches!(subscription, &Subscription::Confirmed { .. });
        self.away || (self.place.is_some() && self.awaited.is_empty() && self.subscriptions.values().all(confirmed))
    }

    /// Takes in a frame. An error says why it must not have come.
    pub(crate) fn hear(&mut self, frame: &Value, now: Instant) -> Result<Heard, String> {
        let event = frame["event"].as_str().unwrap_or_default();
        match event {
            "pusher:ping" => return Ok(Heard::Ping),
            "pusher:pong" => {
                if let Some(channel) = self.left.pop_front() {
                    self.subscriptions.remove(channel);
                    if self.awaited.remove(channel) {
                        return Err(format!("neither the last event of {channel} nor that there is none came before"));
                    }
                }
                return Ok(Heard::Nothing);
            }
            _ => {}
        }
        let Some(channel) = frame["channel"].as_str() else { return Err("no channel's event".to_owned()) };
        let known = channels::find(channel).and_then(|name| Some((name, self.subscriptions.get_mut(name)?)));
        let Some((channel, subscription)) = known else { return Err("it is not subscribed".to_owned()) };
        if event == "pusher_internal:subscription_succeeded" {
            let Subscription::Asked = subscription else { return Err("it is subscribed already".to_owned()) };
            let data = data(frame);
            let ids = data["presence"]["ids"].as_array().map_or(&[][..], Vec::as_slice);
            let roster: BTreeSet<_> = ids.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            if roster.len() != ids.len() {
                return Err("somebody is twice in the roster".to_owned());
            }
            if channels::is_presence(channel) && !roster.contains(&self.user) {
                return Err("its own user is not in the roster".to_owned());
            }
            if channels::is_cache(channel) {
                self.awaited.insert(channel);
            }
            *subscription = Subscription::Confirmed { since: now, roster };
            return Ok(Heard::Nothing);
        }
        let roster = match subscription {
            Subscription::Confirmed { roster, .. } | Subscription::Left { roster } => roster,
            Subscription::Asked => return Err("its subscription is not confirmed".to_owned()),
        };
        let is_first = self.awaited.remove(channel);
        match event {
            "pusher:cache_miss" if is_first => Ok(Heard::Miss),
            _ if is_first => self.take_last(channel, Event::of(frame).ok_or("nobody published that")?, now),
            "pusher_internal:member_added" => match user_id(frame) {
                Some(user) if roster.insert(user.clone()) => Ok(Heard::Joined),
                _ => Err("that member was present".to_owned()),
            },
            "pusher_internal:member_removed" => match user_id(frame) {
                Some(user) if roster.remove(&user) => Ok(Heard::Gone),
                _ => Err("that member was not present".to_owned()),
            },
            _ => self.take(channel, Event::of(frame).ok_or("nobody published that")?, now),
        }
    }

    /// A newcomer may have got the last event before, when it came first or was there already.
    fn take_last(&mut self, channel: &'static str, event: Event, now: Instant) -> Result<Heard, String> {
        let last = self.last.entry((event.stream, channel)).or_default();
        if *last > event.id {
            return Err(format!("it came after {last}"));
        }
        *last = event.id;
        self.heard.entry((channel, event.id)).or_insert(now);
        Ok(Heard::Last)
    }

    fn take(&mut self, channel: &'static str, event: Event, now: Instant) -> Result<Heard, String> {
        let Event { stream, id, except } = event;
        if stream == self.stream() || except.as_ref() == Some(&self.socket_id) {
            return Err("it is the one that must not get it".to_owned());
        }
        if self.heard.insert((channel, id), now).is_some() {
            return Err("it came twice".to_owned());
        }
        let last = self.last.entry((stream, channel)).or_default();
        if *last > id {
            return Err(format!("it came after {last}"));
        }
        *last = id;
        Ok(Heard::Event)
    }
}

/// The JSON in a frame's `data` string.
fn data(frame: &Value) -> Value {
    frame["data"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn user_id(frame: &Value) -> Option<String> {
    data(frame)["user_id"].as_str().map(str::to_owned)
}
