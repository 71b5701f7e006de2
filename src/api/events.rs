//! `POST /apps/{id}/events`, `/batch_events` and the deprecated publish to one channel (spec 5.3, 5.4, 5.9).
//! Everything in a request is checked before anything of it is published.

use super::answer::Answer;
use super::idempotency::{Keyed, once};
use super::info::{Attributes, COUNTS, Info};
use super::signed::SignedRequest;
use super::trigger::{Trigger, publish};
use super::{Api, ApiError, channel_name};
use crate::app::App;
use crate::protocol::ChannelName;
use crate::protocol::json::{data, object, quote, text};
use crate::protocol::request::Signed;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::ToSchema;

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

/// What publishing answers.
#[derive(Serialize, ToSchema)]
pub(super) struct Published {
    /// Each channel's attributes, if `info` asked for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    channels: Option<BTreeMap<String, Attributes>>,
}

/// What publishing a batch answers.
#[derive(Serialize, ToSchema)]
pub(super) struct PublishedBatch {
    /// One object for each event in its place, if the `info` of any asked for something.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    batch: Option<Vec<Attributes>>,
}

/// Publishes one event to one or more channels.
pub(super) async fn trigger(State(api): State<Api>, keyed: Keyed, request: SignedRequest) -> Result<Answer, ApiError> {
    once(api, keyed, request, |api, request| async move {
        let SignedRequest { app, query, .. } = &request;
        let json = match request.text()? {
            "" => Cow::Owned(parameters_of(query)),
            body => Cow::Borrowed(body),
        };
        let (trigger, info) = one(app, &json)?;
        let trigger = [trigger];
        publish(&api, &request, &trigger).await?;
        let attributes = |name: &ChannelName| (name.as_str().to_owned(), info.of(name, api.node.counts(app, name)));
        let channels = info.any().then(|| trigger[0].channels.iter().map(attributes).collect());
        Ok(Answer::ok(&Published { channels }))
    })
    .await
}

/// Publishes several events, each to one channel, in their order (B4).
pub(super) async fn batch(State(api): State<Api>, keyed: Keyed, request: SignedRequest) -> Result<Answer, ApiError> {
    once(api, keyed, request, |api, request| async move {
        let app = &request.app;
        let (triggers, infos): (Vec<_>, Vec<_>) = several(app, request.text()?)?.into_iter().unzip();
        publish(&api, &request, &triggers).await?;
        let each = triggers.iter().zip(&infos);
        let attributes = each.map(|(trigger, info)| {
            let name = &trigger.channels[0];
            info.of(name, api.node.counts(app, name))
        });
        let batch = infos.iter().any(|info| info.any()).then(|| attributes.collect());
        Ok(Answer::ok(&PublishedBatch { batch }))
    })
    .await
}

/// Publishes the body as it is, whatever text it is, to the channel in the path; deprecated (5.9).
pub(super) async fn trigger_raw(
    State(api): State<Api>,
    keyed: Keyed,
    request: SignedRequest,
) -> Result<Answer, ApiError> {
    once(api, keyed, request, |api, request| async move {
        let SignedRequest { app, query, .. } = &request;
        let channel = channel_name(app, request.channel())?;
        let name = query.get("name").ok_or_else(|| ApiError::missing("name"))?;
        let data = Cow::Owned(quote(request.text()?));
        let trigger = Trigger::check(&app.limits, name.into(), data, query.get("socket_id"), vec![channel])?;
        publish(&api, &request, &[trigger]).await?;
        Ok(Answer::accepted())
    })
    .await
}

/// Reads the event of `POST /events`.
pub(super) fn one<'a>(app: &App, json: &'a str) -> Result<(Trigger<'a>, Info), ApiError> {
    let parameters: Parameters<'_> = parse(json)?;
    let channels = match (parameters.channels, parameters.channel) {
        (Some(many), _) => channel_list(many)?,
        (None, Some(one)) => vec![text(one).ok_or_else(|| expected_string("channel"))?],
        (None, None) => return Err(ApiError::missing("channel")),
    };
    parameters.check(app, channels)
}

/// Reads the events of `POST /batch_events`.
pub(super) fn several<'a>(app: &App, json: &'a str) -> Result<Vec<(Trigger<'a>, Info)>, ApiError> {
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow)]
        batch: Option<&'a RawValue>,
    }
    let Batch { batch } = parse(json)?;
    let batch = batch.ok_or_else(|| ApiError::missing("batch"))?;
    let batch: Vec<&'a RawValue> = serde_json::from_str(batch.get())
        .map_err(|_| ApiError::bad_request("Expected batch parameter to be an array"))?;
    let max = app.limits.max_batch_events;
    if batch.len() > max {
        return Err(ApiError::bad_request(format!("Batch too large ({} > {max})", batch.len())));
    }
    let checked = batch.iter().map(|event| {
        let parameters: Parameters<'_> = parse(event.get())?;
        let channel = parameters.channel.ok_or_else(|| ApiError::missing("channel"))?;
        let channel = text(channel).ok_or_else(|| expected_string("channel"))?;
        parameters.check(app, vec![channel])
    });
    checked.collect()
}

impl<'a> Parameters<'a> {
    fn check(&self, app: &App, channels: Vec<Cow<'_, str>>) -> Result<(Trigger<'a>, Info), ApiError> {
        let name = text(self.name.ok_or_else(|| ApiError::missing("name"))?).ok_or_else(|| expected_string("name"))?;
        let data = data(self.data.ok_or_else(|| ApiError::missing("data"))?)
            .ok_or_else(|| ApiError::bad_request("Invalid data: it has an escape that is no Unicode character"))?;
        let socket_id = self.socket_id.map(|id| text(id).ok_or_else(Trigger::malformed_socket_id)).transpose()?;
        let trigger = Trigger::check(&app.limits, name, data, socket_id.as_deref(), names(app, channels)?)?;
        let info = self.info.map(|info| text(info).ok_or_else(|| Info::malformed(&COUNTS))).transpose()?;
        Ok((trigger, Info::parse(info.as_deref(), &COUNTS, app)?))
    }
}

/// Distinct valid names in the order they were sent (I2, I3).
fn names(app: &App, sent: Vec<Cow<'_, str>>) -> Result<Vec<ChannelName>, ApiError> {
    let max = app.limits.max_channels_per_publish;
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
        let parsed = ChannelName::parse(&name, app.limits.max_channel_name_chars);
        names.push(parsed.map_err(|invalid| ApiError::invalid_channel(&name, invalid))?);
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
