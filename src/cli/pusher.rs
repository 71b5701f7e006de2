//! A client of the WebSocket protocol, as pusher-js is one.
//!
//! Must not know: what becomes of the events.

use super::link::{Link, Target, Unreachable};
use crate::app::App;
use crate::protocol::ChannelKind;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{HOST, LOCATION, ORIGIN, USER_AGENT};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long the handshake and the first message may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the answer to a ping may take, as with pusher-js.
const PONG: Duration = Duration::from_secs(30);
/// How much of a refusal is shown.
const SHOWN_CHARS: usize = 300;

/// An open connection.
pub(super) struct Pusher {
    socket: WebSocketStream<Link>,
    /// The connection's id.
    pub(super) socket_id: String,
    /// Silence after which the server is asked whether it is still there.
    activity: Duration,
}

/// What the server says.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub(super) event: String,
    pub(super) channel: Option<String>,
    #[serde(default)]
    pub(super) data: Value,
    pub(super) user_id: Option<Value>,
}

/// Who a client of a presence channel is.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) user_id: String,
    pub(super) user_info: Option<Value>,
}

/// Why there is no connection, or none any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The handshake was answered with this, as far as it can be shown.
    #[error("the WebSocket handshake at {0} is answered with {1}: {2}")]
    Handshake(String, StatusCode, String),
    /// The handshake was answered with a redirect to there.
    #[error("the WebSocket handshake at {0} is answered with {1}, which sends clients to {2}")]
    Elsewhere(String, StatusCode, String),
    /// The server has closed the connection, with this code and reason.
    #[error("the server closes the connection with {0} {1}")]
    Closed(u16, String),
    /// It broke, or does not speak the protocol.
    #[error("the connection is lost: {0}")]
    Lost(String),
}

impl Pusher {
    /// Connects as a client of the app with `key`, from a page of `origin`.
    pub(super) async fn connect(target: &Target, key: &str, origin: Option<&str>) -> Result<Self, Ended> {
        let late = |_| Ended::Lost(format!("no greeting within {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, Self::open(target, key, origin)).await.map_err(late)?
    }

    async fn open(target: &Target, key: &str, origin: Option<&str>) -> Result<Self, Ended> {
        let address = &target.address;
        let version = env!("CARGO_PKG_VERSION");
        let path = format!("{}/app/{key}?protocol=7&client=fanfare&version={version}&flash=false", address.path);
        let lost = |error: Error| Ended::Lost(error.to_string());
        let mut request = format!("ws://{}{path}", address.authority()).into_client_request().map_err(lost)?;
        let value = |text: &str| HeaderValue::from_str(text).map_err(|error| Ended::Lost(error.to_string()));
        request.headers_mut().insert(HOST, value(&address.authority())?);
        request.headers_mut().insert(USER_AGENT, value(&format!("fanfare/{version}"))?);
        if let Some(origin) = origin {
            request.headers_mut().insert(ORIGIN, value(origin)?);
        }
        let (socket, _) = match client_async(request, target.connect().await?).await {
            Ok(opened) => opened,
            Err(Error::Http(answer)) => {
                let text = String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default()).trim().to_owned();
                let text = text.chars().take(SHOWN_CHARS).collect();
                let place = format!("{address}/app");
                let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
                return Err(match location.filter(|_| answer.status().is_redirection()) {
                    Some(location) => {
                        let location = location.split('?').next().unwrap_or_default();
                        Ended::Elsewhere(place, answer.status(), location.to_owned())
                    }
                    None => Ended::Handshake(place, answer.status(), text),
                });
            }
            Err(error) => return Err(lost(error)),
        };
        let mut pusher = Self { socket, socket_id: String::new(), activity: PONG };
        let first = pusher.next().await?;
        let data = inner(&first.data);
        match (first.event.as_str(), data["socket_id"].as_str()) {
            ("pusher:connection_established", Some(id)) => pusher.socket_id = id.to_owned(),
            ("pusher:error", _) => return Err(refusal(&data)),
            _ => return Err(Ended::Lost(format!("the server greets with {}, which no such server does", first.event))),
        }
        pusher.activity = Duration::from_secs(data["activity_timeout"].as_u64().unwrap_or(120).clamp(1, 120));
        Ok(pusher)
    }

    /// Asks for a channel, signed by `app` where the channel is guarded. What becomes of it comes as an event.
    pub(super) async fn subscribe(&mut self, app: &App, channel: &str, member: Option<&Member>) -> Result<(), Ended> {
        let mut data = json!({ "channel": channel });
        let kind = ChannelKind::of(channel);
        if matches!(kind, ChannelKind::Private | ChannelKind::Presence) {
            let member = member.filter(|_| kind == ChannelKind::Presence);
            let about = member.map(|member| {
                let mut about = json!({ "user_id": member.user_id });
                if let Some(info) = &member.user_info {
                    about["user_info"] = info.clone();
                }
                about.to_string()
            });
            let key = app.keys.iter().next().expect("every app has a key");
            let secret = app.keys.secret(key).expect("every key has a secret");
            let mut parts = vec![self.socket_id.as_str(), ":", channel];
            parts.extend(about.iter().flat_map(|about| [":", about.as_str()]));
            data["auth"] = format!("{key}:{}", secret.sign(&parts)).into();
            if let Some(about) = &about {
                data["channel_data"] = about.as_str().into();
            }
        }
        self.say("pusher:subscribe", &data).await
    }

    async fn say(&mut self, event: &str, data: &Value) -> Result<(), Ended> {
        let text = json!({ "event": event, "data": data }).to_string();
        self.socket.send(Message::text(text)).await.map_err(|error| Ended::Lost(error.to_string()))
    }

    /// The next event. Pings are answered, and a server that has been silent for long is asked whether it is there.
    pub(super) async fn next(&mut self) -> Result<Event, Ended> {
        let mut asked = false;
        loop {
            let patience = if asked { PONG } else { self.activity };
            let Ok(message) = timeout(patience, self.socket.next()).await else {
                if asked {
                    return Err(Ended::Lost(format!("no answer to a ping within {} s", PONG.as_secs())));
                }
                asked = true;
                self.say("pusher:ping", &json!({})).await?;
                continue;
            };
            asked = false;
            let text = match message {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err(Ended::Closed(frame.code.into(), frame.reason.to_string()));
                }
                // Whatever else there is, tungstenite sees to it; its answers go out with the next flush.
                Some(Ok(Message::Ping(_))) => {
                    self.socket.flush().await.map_err(|error| Ended::Lost(error.to_string()))?;
                    continue;
                }
                Some(Ok(Message::Close(None))) | None => return Err(Ended::Lost("it was closed".to_owned())),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(Ended::Lost(error.to_string())),
            };
            let event: Event = serde_json::from_str(&text)
                .map_err(|_| Ended::Lost(format!("the server says {text:.200}, which is no event")))?;
            match event.event.as_str() {
                "pusher:ping" => self.say("pusher:pong", &json!({})).await?,
                "pusher:pong" => {}
                _ => return Ok(event),
            }
        }
    }
}

/// What `data` holds: it is JSON in a text, or JSON.
pub(super) fn inner(data: &Value) -> Value {
    match data.as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        None => data.clone(),
    }
}

/// A first message that is an error is the server's way to refuse; its code is that of the close that follows.
fn refusal(data: &Value) -> Ended {
    let message = data["message"].as_str().unwrap_or_default().to_owned();
    match data["code"].as_u64().and_then(|code| u16::try_from(code).ok()) {
        Some(code) => Ended::Closed(code, message),
        None => Ended::Lost(message),
    }
}
