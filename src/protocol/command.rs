//! What clients say: one place for every inbound message (spec 1.7, 2.3, 3).

use super::json::{self, text};
use super::refusal::Rejection;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A message from a client, borrowed from its text where that is possible.
#[derive(Debug)]
pub enum Command<'a> {
    /// `pusher:subscribe`.
    Subscribe(Subscribe<'a>),
    /// `pusher:unsubscribe` with the channel's name.
    Unsubscribe(Cow<'a, str>),
    /// `pusher:ping`.
    Ping,
    /// `pusher:pong`, consumed silently (P6).
    Pong,
    /// `client-*`.
    ClientEvent(ClientEvent<'a>),
}

/// A wish to join a channel. Values of a wrong type count as absent, because public channels ignore both (2.3).
#[derive(Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// The channel's name, not yet validated.
    pub channel: Cow<'a, str>,
    /// `{key}:{signature}`.
    pub auth: Option<Cow<'a, str>>,
    /// Signed text, which on presence channels holds the member.
    pub channel_data: Option<Cow<'a, str>>,
}

/// An event that a client asks to be relayed.
#[derive(Debug)]
pub struct ClientEvent<'a> {
    /// The event's name, with its `client-` prefix.
    pub name: Cow<'a, str>,
    /// The channel's name, not yet validated.
    pub channel: Cow<'a, str>,
    /// The payload as a JSON string (L9); `"null"` where the client sent none (L10).
    pub data: Cow<'a, RawValue>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    auth: Option<&'a RawValue>,
    #[serde(borrow)]
    channel_data: Option<&'a RawValue>,
}

impl<'a> Command<'a> {
    /// Reads one text message. Unknown members are ignored; what cannot be a command is refused, and the connection
    /// stays open (G1 to G3).
    pub fn parse(message: &'a str) -> Result<Self, Rejection> {
        let envelope: Envelope<'a> = json::object(message).map_err(|_| Rejection::new("Received invalid JSON"))?;
        let event = envelope.event.and_then(text).ok_or_else(|| Rejection::new("Missing parameter: event"))?;
        match &*event {
            "pusher:subscribe" => subscribe(envelope.data).map(Self::Subscribe),
            "pusher:unsubscribe" => subscribe(envelope.data).map(|asked| Self::Unsubscribe(asked.channel)),
            "pusher:ping" => Ok(Self::Ping),
            "pusher:pong" => Ok(Self::Pong),
            name if name.starts_with("client-") => {
                let channel = envelope.channel.and_then(text).ok_or_else(|| {
                    Rejection::new("Invalid client event (must contain channel and data): channel is missing")
                })?;
                let data = match envelope.data {
                    Some(data) => json::data(data).ok_or_else(|| Rejection::new("Received invalid JSON"))?,
                    None => Cow::Owned(json::quote("null")),
                };
                Ok(Self::ClientEvent(ClientEvent { name: event, channel, data }))
            }
            name => Err(Rejection::new(format!(
                "Unknown event {name:.100}: clients may send pusher:subscribe, pusher:unsubscribe, pusher:ping, \
                 pusher:pong and client-*"
            ))),
        }
    }
}

/// Reads `data`, which may be the object or a string that holds it (spec 0.3).
fn subscribe(data: Option<&RawValue>) -> Result<Subscribe<'_>, Rejection> {
    let missing = || Rejection::new("Missing parameter: data.channel");
    let data = data.ok_or_else(missing)?;
    match text(data) {
        None => asked(data.get()).ok_or_else(missing),
        Some(inner) => asked(&inner).map(Subscribe::into_owned).ok_or_else(missing),
    }
}

fn asked(json: &str) -> Option<Subscribe<'_>> {
    let data: Data<'_> = json::object(json).ok()?;
    Some(Subscribe {
        channel: data.channel.and_then(text)?,
        auth: data.auth.and_then(text),
        channel_data: data.channel_data.and_then(text),
    })
}

impl Subscribe<'_> {
    fn into_owned(self) -> Subscribe<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Subscribe { channel: own(self.channel), auth: self.auth.map(own), channel_data: self.channel_data.map(own) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(message: &str) -> String {
        let rejection = Command::parse(message).expect_err(message);
        assert_eq!(rejection.code, None);
        rejection.message.into_owned()
    }

    #[test]
    fn subscriptions_as_clients_write_them() {
        let expect = Subscribe {
            channel: "presence-foobar".into(),
            auth: Some("278d425bdf160c739803:31935e7d".into()),
            channel_data: Some(r#"{"user_id":10}"#.into()),
        };
        for message in [
            r#"{"event":"pusher:subscribe","data":{"auth":"278d425bdf160c739803:31935e7d","channel_data":"{\"user_id\":10}","channel":"presence-foobar"}}"#,
            r#"{"event":"pusher:subscribe","data":"{\"auth\":\"278d425bdf160c739803:31935e7d\",\"channel_data\":\"{\\\"user_id\\\":10}\",\"channel\":\"presence-foobar\"}"}"#,
            r#"{"event":"pusher:subscribe","more":1,"data":{"shared_secret":"x","auth":"278d425bdf160c739803:31935e7d","channel_data":"{\"user_id\":10}","channel":"presence-foobar"}}"#,
        ] {
            let Ok(Command::Subscribe(asked)) = Command::parse(message) else { panic!("{message}") };
            assert_eq!(asked, expect);
        }
    }

    #[test]
    fn wrong_types_of_auth_count_as_absent() {
        let message = r#"{"event":"pusher:subscribe","data":{"auth":5,"channel":"a","channel_data":{}}}"#;
        let Ok(Command::Subscribe(asked)) = Command::parse(message) else { panic!("{message}") };
        assert_eq!(asked, Subscribe { channel: "a".into(), auth: None, channel_data: None });
    }

    #[test]
    fn pings_need_no_data() {
        for data in ["", r#","data":{}"#, r#","data":"{}""#, r#","data":null"#, r#","data":7"#] {
            let ping = format!(r#"{{"event": "pusher:ping"{data}}}"#);
            assert!(matches!(Command::parse(&ping), Ok(Command::Ping)), "{ping}");
            let pong = format!(r#"{{"event":"pusher:pong"{data}}}"#);
            assert!(matches!(Command::parse(&pong), Ok(Command::Pong)), "{pong}");
        }
    }

    #[test]
    fn client_events_carry_their_data_as_a_string() {
        let event = |data: &str| {
            let message = format!(r#"{{"event":"client-x","channel":"private-a"{data},"user_id":"forged"}}"#);
            let Ok(Command::ClientEvent(event)) = Command::parse(&message) else { panic!("{message}") };
            assert_eq!((&*event.name, &*event.channel), ("client-x", "private-a"));
            event.data.get().to_owned()
        };
        assert_eq!(event(r#","data":{"t": 1}"#), r#""{\"t\":1}""#);
        assert_eq!(event(r#","data":"as \u00e9 is""#), r#""as \u00e9 is""#);
        assert_eq!(event(r#","data":null"#), r#""null""#);
        assert_eq!(event(""), r#""null""#);
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for message in ["", "not json", "[]", r#""x""#, "42", "null", "{", r#"["pusher:ping",null,null]"#, "{}x"] {
            assert_eq!(refused(message), "Received invalid JSON", "{message}");
        }
        for message in ["{}", r#"{"data":{}}"#, r#"{"event":5}"#, r#"{"event":null}"#] {
            assert_eq!(refused(message), "Missing parameter: event", "{message}");
        }
        for data in ["", r#","data":{}"#, r#","data":{"channel":5}"#, r#","data":"x""#, r#","data":["a"]"#] {
            for event in ["subscribe", "unsubscribe"] {
                let message = format!(r#"{{"event":"pusher:{event}"{data}}}"#);
                assert_eq!(refused(&message), "Missing parameter: data.channel", "{message}");
            }
        }
        for event in ["pusher:foo", "pusher_internal:member_added", "my-event", "client", ""] {
            assert!(refused(&format!(r#"{{"event":"{event}","channel":"private-x"}}"#)).starts_with("Unknown event"));
        }
        assert!(refused(r#"{"event":"client-x","data":{}}"#).contains("channel is missing"));
        assert_eq!(refused(r#"{"event":"client-x","channel":"private-a","data":"\ud800"}"#), "Received invalid JSON");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,200}", event in "(pusher:|client-)[a-z]{0,9}", data in ".{0,40}") {
            let _ = Command::parse(&text);
            let _ = Command::parse(&format!(r#"{{"event":"{event}","channel":"{data}","data":{data}}}"#));
            let _ = Command::parse(&serde_json::json!({ "event": event, "channel": data, "data": data }).to_string());
        }
    }
}
