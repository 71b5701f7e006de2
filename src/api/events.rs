//! `POST /apps/{id}/events` and `/batch_events` (spec 5.3, 5.4). Everything in a request is checked before anything of
//! it is published.

use super::signed::SignedRequest;
use super::{Api, ApiError, json};
use crate::app::{App, Limits};
use crate::node::{Event, Outbox};
use crate::protocol::json::{data, is_longer_than, object, text};
use crate::protocol::request::Signed;
use crate::protocol::{ChannelKind, ChannelName, SocketId};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::sleep;

/// A pause of a publisher whose subscribers fall behind, and how many of them one request may take.
const STALL: Duration = Duration::from_millis(1);
const STALLS: usize = 50;

/// An event's parameters as they were sent; unknown ones are ignored.
#[derive(Deserialize)]
struct Parameters<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    channels: Option<&'a RawValue>,
    #[serde(borrow)]
    socket_id: Option<&'a RawValue>,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
}

/// An event that may be published.
struct Trigger<'a> {
    name: Cow<'a, str>,
    data: Cow<'a, RawValue>,
    channels: Vec<ChannelName>,
    except: Option<SocketId>,
    info: Info,
}

/// The attributes that the answer is to hold.
#[derive(Clone, Copy, Default)]
struct Info {
    user_count: bool,
    subscription_count: bool,
}

/// Publishes one event to one or more channels.
pub(super) async fn trigger(State(api): State<Api>, request: SignedRequest) -> Result<Response, ApiError> {
    let SignedRequest { app, query, body } = &request;
    let from_query;
    let parameters: Parameters<'_> = match body.as_str() {
        "" => {
            from_query = parameters_of(query);
            parse(&from_query)?
        }
        body => parse(body)?,
    };
    let channels = match (parameters.channels, parameters.channel) {
        (Some(many), _) => channel_list(many)?,
        (None, Some(one)) => vec![text(one).ok_or_else(|| expected_string("channel"))?],
        (None, None) => return Err(ApiError::missing("channel")),
    };
    let trigger = Trigger::check(&app.limits, &parameters, channels)?;
    let mut stalls = STALLS;
    trigger.publish(&api, app, &mut stalls).await;
    if !trigger.info.any() {
        return Ok(json(&Map::new()));
    }
    let attributes = |name: &ChannelName| (name.as_str().to_owned(), trigger.info.attributes(&api, app, name));
    let channels: Map<String, Value> = trigger.channels.iter().map(attributes).collect();
    Ok(json(&serde_json::json!({ "channels": channels })))
}

/// Publishes several events, each to one channel, in their order (B4).
pub(super) async fn batch(State(api): State<Api>, request: SignedRequest) -> Result<Response, ApiError> {
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow)]
        batch: Option<&'a RawValue>,
    }
    let SignedRequest { app, body, .. } = &request;
    let Batch { batch } = parse(body)?;
    let batch = batch.ok_or_else(|| ApiError::missing("batch"))?;
    let batch: Vec<&RawValue> = serde_json::from_str(batch.get())
        .map_err(|_| ApiError::bad_request("Expected batch parameter to be an array"))?;
    let max = app.limits.max_batch_events;
    if batch.len() > max {
        return Err(ApiError::bad_request(format!("Batch too large ({} > {max})", batch.len())));
    }
    let triggers = batch.iter().map(|event| {
        let parameters: Parameters<'_> = parse(event.get())?;
        let channel = parameters.channel.ok_or_else(|| ApiError::missing("channel"))?;
        let channel = text(channel).ok_or_else(|| expected_string("channel"))?;
        Trigger::check(&app.limits, &parameters, vec![channel])
    });
    let triggers = triggers.collect::<Result<Vec<_>, _>>()?;
    let mut stalls = STALLS;
    for trigger in &triggers {
        trigger.publish(&api, app, &mut stalls).await;
    }
    if !triggers.iter().any(|trigger| trigger.info.any()) {
        return Ok(json(&Map::new()));
    }
    let attributes = |trigger: &Trigger<'_>| trigger.info.attributes(&api, app, &trigger.channels[0]);
    let batch: Vec<Value> = triggers.iter().map(attributes).collect();
    Ok(json(&serde_json::json!({ "batch": batch })))
}

impl<'a> Trigger<'a> {
    fn check(limits: &Limits, sent: &Parameters<'a>, channels: Vec<Cow<'_, str>>) -> Result<Self, ApiError> {
        let name = text(sent.name.ok_or_else(|| ApiError::missing("name"))?).ok_or_else(|| expected_string("name"))?;
        let max = limits.max_event_name_chars;
        if name.is_empty() {
            return Err(ApiError::missing("name"));
        }
        if name.chars().count() > max {
            return Err(ApiError::bad_request(format!("Event name too long: it may have at most {max} characters")));
        }
        if name.starts_with("pusher:") || name.starts_with("pusher_internal:") {
            return Err(ApiError::bad_request(format!(
                "Event name {name:?} is reserved: choose one without that prefix"
            )));
        }
        let data = data(sent.data.ok_or_else(|| ApiError::missing("data"))?)
            .ok_or_else(|| ApiError::bad_request("Invalid data: it has an escape that is no Unicode character"))?;
        if is_longer_than(&data, limits.max_event_data_bytes) {
            return Err(ApiError::data_too_large(limits.max_event_data_bytes));
        }
        let except = match sent.socket_id {
            None => None,
            Some(id) => text(id)
                .and_then(|id| SocketId::parse(&id).ok())
                .ok_or_else(|| ApiError::bad_request("Invalid socket_id: it must be two integers joined by a dot"))?,
        };
        let channels = names(limits, channels)?;
        Ok(Self { name, data, channels, except, info: sent.info.map_or(Ok(Info::default()), Info::parse)? })
    }

    /// Publishes to each channel, held back while subscribers' queues fill; see [`relieve`].
    async fn publish(&self, api: &Api, app: &App, stalls: &mut usize) {
        for channel in &self.channels {
            let (name, data, except) = (&*self.name, &*self.data, self.except);
            let reach = api.node.publish(app, Event { channel, name, data, except, user_id: None });
            if let Some(crowded) = reach.crowded {
                relieve(&crowded, stalls).await;
            }
        }
    }
}

/// Lets a subscriber whose queue is filling write first: a burst of one back end must not make fast readers look slow.
/// A reader that keeps up needs a few turns of the scheduler; for others the publisher pauses, as often as its request
/// has `stalls` left, so that one that does not read at all delays nobody for long.
async fn relieve(crowded: &Outbox, stalls: &mut usize) {
    for _ in 0..8 {
        if !crowded.is_crowded() {
            return;
        }
        yield_now().await;
    }
    for _ in 0..8 {
        if *stalls == 0 || !crowded.is_crowded() {
            return;
        }
        *stalls -= 1;
        sleep(STALL).await;
    }
}

impl Info {
    fn parse(sent: &RawValue) -> Result<Self, ApiError> {
        let wrong = || {
            let text = "info should be a comma separated list of attributes: user_count, subscription_count";
            ApiError::bad_request(text)
        };
        let mut info = Self::default();
        let list = text(sent).ok_or_else(wrong)?;
        for attribute in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match attribute {
                "user_count" => info.user_count = true,
                "subscription_count" => info.subscription_count = true,
                _ => return Err(wrong()),
            }
        }
        Ok(info)
    }

    fn any(self) -> bool {
        self.user_count || self.subscription_count
    }

    /// The attributes that were asked for and that the channel has: users are counted on presence channels only (I5).
    fn attributes(self, api: &Api, app: &App, channel: &ChannelName) -> Value {
        let counts = api.node.counts(app, channel);
        let mut attributes = Map::new();
        if self.user_count && channel.kind() == ChannelKind::Presence {
            attributes.insert("user_count".to_owned(), counts.users.into());
        }
        if self.subscription_count {
            attributes.insert("subscription_count".to_owned(), counts.subscriptions.into());
        }
        attributes.into()
    }
}

/// Distinct valid names in the order they were sent (I2, I3).
fn names(limits: &Limits, sent: Vec<Cow<'_, str>>) -> Result<Vec<ChannelName>, ApiError> {
    let max = limits.max_channels_per_publish;
    if sent.is_empty() {
        return Err(ApiError::missing("channels"));
    }
    if sent.len() > max {
        return Err(ApiError::bad_request(format!("Too many channels ({} > {max})", sent.len())));
    }
    let mut names: Vec<ChannelName> = Vec::with_capacity(sent.len());
    for name in sent {
        if names.iter().any(|known| known.as_str() == name) {
            continue;
        }
        let name = ChannelName::parse(&name, limits.max_channel_name_chars).map_err(|invalid| {
            let shown: String = name.chars().take(200).collect();
            ApiError::bad_request(format!("Invalid channel name {shown:?}: {invalid}"))
        })?;
        names.push(name);
    }
    Ok(names)
}

fn channel_list(sent: &RawValue) -> Result<Vec<Cow<'_, str>>, ApiError> {
    let wrong = || ApiError::bad_request("Expected channels parameter to be an array of strings");
    let names: Vec<&RawValue> = serde_json::from_str(sent.get()).map_err(|_| wrong())?;
    names.into_iter().map(|name| text(name).ok_or_else(wrong)).collect()
}

/// An event whose parameters came in the query (spec 5.1), as the JSON it stands for.
fn parameters_of(query: &Signed) -> String {
    let mut body = Map::new();
    for name in ["name", "data", "channel", "socket_id", "info"] {
        if let Some(value) = query.get(name) {
            body.insert(name.to_owned(), value.into());
        }
    }
    let channels: Vec<&str> = query.list("channels").collect();
    if !channels.is_empty() {
        body.insert("channels".to_owned(), channels.into());
    }
    Value::from(body).to_string()
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, ApiError> {
    object(json).map_err(|why| ApiError::bad_request(format!("Invalid JSON: {why:.200}")))
}

fn expected_string(parameter: &str) -> ApiError {
    ApiError::bad_request(format!("Expected {parameter} parameter to be a string"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Frame;
    use tokio::time::Instant;

    /// A request that finds a stuck reader in each of its hundred channels waits for it 50 times, not 800.
    #[tokio::test(start_paused = true)]
    async fn a_stuck_reader_delays_a_request_within_its_bound() {
        let (outbox, mut stalls, start) = (Outbox::new(1), STALLS, Instant::now());
        outbox.push(Frame::pong());
        for _ in 0..100 {
            relieve(&outbox, &mut stalls).await;
        }
        assert_eq!((stalls, start.elapsed().as_millis()), (0, 50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_has_caught_up_delays_nothing() {
        let (outbox, mut stalls, start) = (Outbox::new(1), STALLS, Instant::now());
        relieve(&outbox, &mut stalls).await;
        assert_eq!((stalls, start.elapsed()), (STALLS, Duration::ZERO));
    }
}
