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
    /// `pusher:signin`.
    Signin(Signin<'a>),
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

/// A wish to be known as a user (4.1).
#[derive(Debug, PartialEq, Eq)]
pub struct Signin<'a> {
    /// `{key}:{signature}`.
    pub auth: Option<Cow<'a, str>>,
    /// Signed text that introduces the user.
    pub user_data: Cow<'a, str>,
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

/// The texts in a command's `data`; values of other types count as absent.
#[derive(Default)]
struct Arguments<'a> {
    channel: Option<Cow<'a, str>>,
    auth: Option<Cow<'a, str>>,
    channel_data: Option<Cow<'a, str>>,
    user_data: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    auth: Option<&'a RawValue>,
    #[serde(borrow)]
    channel_data: Option<&'a RawValue>,
    #[serde(borrow)]
    user_data: Option<&'a RawValue>,
}

impl<'a> Command<'a> {
    /// Reads one text message. Unknown members are ignored; what cannot be a command is refused, and the connection
    /// stays open (G1 to G3).
    pub fn parse(message: &'a str) -> Result<Self, Rejection> {
        let envelope: Envelope<'a> = json::object(message).map_err(|_| Rejection::new("Received invalid JSON"))?;
        let event = envelope.event.and_then(text).ok_or_else(|| Rejection::new("Missing parameter: event"))?;
        match &*event {
            "pusher:subscribe" => {
                let Arguments { channel, auth, channel_data, .. } = arguments(envelope.data);
                Ok(Self::Subscribe(Subscribe {
                    channel: channel.ok_or_else(|| missing("channel"))?,
                    auth,
                    channel_data,
                }))
            }
            "pusher:unsubscribe" => {
                arguments(envelope.data).channel.map(Self::Unsubscribe).ok_or_else(|| missing("channel"))
            }
            "pusher:signin" => {
                let Arguments { user_data, auth, .. } = arguments(envelope.data);
                Ok(Self::Signin(Signin { auth, user_data: user_data.ok_or_else(|| missing("user_data"))? }))
            }
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
                "Unknown event {name:.100}: clients may send pusher:subscribe, pusher:unsubscribe, pusher:signin, \
                 pusher:ping, pusher:pong and client-*"
            ))),
        }
    }
}

fn missing(argument: &str) -> Rejection {
    Rejection::new(format!("Missing parameter: data.{argument}"))
}

/// Reads a command's `data`, which may be the object or a string that holds it (spec 0.3).
fn arguments(data: Option<&RawValue>) -> Arguments<'_> {
    let Some(data) = data else { return Arguments::default() };
    match text(data) {
        None => Arguments::read(data.get()),
        Some(inner) => Arguments::read(&inner).into_owned(),
    }
}

impl<'a> Arguments<'a> {
    fn read(json: &'a str) -> Self {
        let data: Data<'a> = json::object(json).unwrap_or_default();
        let read = |argument: Option<&'a RawValue>| argument.and_then(text);
        Self {
            channel: read(data.channel),
            auth: read(data.auth),
            channel_data: read(data.channel_data),
            user_data: read(data.user_data),
        }
    }

    fn into_owned(self) -> Arguments<'static> {
        let own = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        Arguments {
            channel: own(self.channel),
            auth: own(self.auth),
            channel_data: own(self.channel_data),
            user_data: own(self.user_data),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn sign_ins_as_clients_write_them() {
        let expect = Signin { auth: Some("k:s".into()), user_data: r#"{"id":"12345"}"#.into() };
        for message in [
            r#"{"event":"pusher:signin","data":{"auth":"k:s","user_data":"{\"id\":\"12345\"}"}}"#,
            r#"{"event":"pusher:signin","data":"{\"auth\":\"k:s\",\"user_data\":\"{\\\"id\\\":\\\"12345\\\"}\"}"}"#,
        ] {
            let Ok(Command::Signin(asked)) = Command::parse(message) else { panic!("{message}") };
            assert_eq!(asked, expect);
        }
        for data in ["", r#","data":{}"#, r#","data":{"user_data":{"id":"1"}}"#, r#","data":"x""#] {
            let message = format!(r#"{{"event":"pusher:signin"{data}}}"#);
            assert_eq!(refused(&message), "Missing parameter: data.user_data", "{message}");
        }
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
}
