//! What an app's channels are like: `GET /apps/{id}/channels` and what is below it (spec 5.5 to 5.7, 5.9).

use super::answer::{Answer, Empty};
use super::info::{ALL, Attributes, COUNTS, Info};
use super::signed::SignedRequest;
use super::{Api, ApiError, channel_name};
use crate::protocol::ChannelKind;
use crate::protocol::presence::Member;
use axum::extract::State;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Occupied channels.
#[derive(Serialize, ToSchema)]
pub(super) struct Channels {
    /// Each with the attributes that were asked for.
    channels: BTreeMap<String, Attributes>,
}

/// One channel.
#[derive(Serialize, ToSchema)]
pub(super) struct Channel {
    /// Whether it has a subscriber.
    occupied: bool,
    #[serde(flatten)]
    attributes: Attributes,
    /// The last event of a cache channel, if `cache` was asked for; null if none is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<Option<CachedEvent>>,
}

/// An event that newcomers of a cache channel get.
#[derive(Serialize, ToSchema)]
pub(super) struct CachedEvent {
    /// The event's data.
    data: String,
    /// Seconds for which it will still be kept.
    ttl: u64,
}

/// Members of a presence channel.
#[derive(Serialize, ToSchema)]
pub(super) struct Members<'a> {
    /// Each one once, in the order of their ids.
    users: Vec<Listed<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
struct Listed<'a> {
    /// The member's `user_id`.
    id: &'a str,
    /// What the app said about the member, if `with_user_info=1` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    user_info: Option<&'a RawValue>,
}

/// Counts of a channel in the names of a deprecated route.
#[derive(Serialize, ToSchema)]
pub(super) struct ChannelStats {
    /// Whether it has a subscriber.
    occupied: bool,
    /// Distinct members; only of presence channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_count: Option<usize>,
    /// Connections subscribed.
    connection_count: usize,
}

/// Lists occupied channels (5.5).
pub(super) async fn list(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let SignedRequest { app, query, .. } = &request;
    let prefix = query.get("filter_by_prefix").unwrap_or_default();
    let info = Info::parse(query.list("info"), &COUNTS, app)?;
    if info.user_count && !prefix.starts_with("presence-") {
        // The spelling is that of the text which clients know (D2).
        return Err(ApiError::bad_request(
            "user_count may only be requested for presence channels - please supply filter_by_prefix begining with \
             presence-",
        ));
    }
    let occupied = api.node.occupied(app, prefix).into_iter();
    let channels = occupied.map(|(name, counts)| (name.as_str().to_owned(), info.of(&name, counts))).collect();
    Ok(Answer::ok(&Channels { channels }))
}

/// Tells about one channel, occupied or not (5.6).
pub(super) async fn show(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let SignedRequest { app, query, .. } = &request;
    let name = channel_name(app, request.channel())?;
    let info = Info::parse(query.list("info"), &ALL, app)?;
    if info.user_count && name.kind() != ChannelKind::Presence {
        let text = "Cannot retrieve the user count unless the channel is a presence channel";
        return Err(ApiError::bad_request(text));
    }
    if info.cache && !name.is_cache() {
        return Err(ApiError::bad_request("Cannot retrieve the cached event unless the channel is a cache channel"));
    }
    let counts = api.node.counts(app, &name);
    let pinned = if info.cache { api.node.pin(app, &name) } else { None };
    let _pin = match pinned {
        Some(pinned) => Some(pinned.ready().await),
        None => None,
    };
    let cached = || api.node.cached(app, &name).map(|event| CachedEvent { data: event.data, ttl: event.ttl_secs });
    let cache = info.cache.then(cached);
    Ok(Answer::ok(&Channel { occupied: counts.subscriptions > 0, attributes: info.of(&name, counts), cache }))
}

/// Lists the members of a presence channel (5.7), on demand with what the app said about them, which is ours.
pub(super) async fn users(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let SignedRequest { app, query, .. } = &request;
    let name = channel_name(app, request.channel())?;
    if name.kind() != ChannelKind::Presence {
        return Err(ApiError::bad_request("Users can only be retrieved for presence channels"));
    }
    let with_info = query.get("with_user_info") == Some("1");
    let mut members = api.node.members(app, &name);
    members.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
    let users = members.iter().map(|Member { id, info }| {
        let user_info = with_info.then_some(&**info);
        Listed { id: id.as_str(), user_info }
    });
    Ok(Answer::ok(&Members { users: users.collect() }))
}

/// The counts of a channel; deprecated (5.9).
pub(super) async fn stats(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let name = channel_name(&request.app, request.channel())?;
    let counts = api.node.counts(&request.app, &name);
    let user_count = (name.kind() == ChannelKind::Presence).then_some(counts.users);
    let occupied = counts.subscriptions > 0;
    Ok(Answer::ok(&ChannelStats { occupied, user_count, connection_count: counts.subscriptions }))
}

/// Ends every connection subscribed to the channel with 4009; ours.
pub(super) async fn terminate(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let name = channel_name(&request.app, request.channel())?;
    let ended = api.node.terminate_channel(&request.app, &name);
    tracing::debug!(app.id = request.app.id, channel.name = %name, "terminated {ended} connections of a channel");
    Ok(Answer::ok(&Empty {}))
}
