//! The HTTP API for back ends (spec section 5). Every route is in this file.
//!
//! Must not know: connections, channels' state, or how events reach clients.

mod allowance;
mod answer;
mod body;
mod channels;
mod connections;
mod cors;
mod docs;
mod error;
mod events;
mod health;
mod idempotency;
mod info;
mod nodes;
mod openapi;
mod refused;
mod requests;
mod signed;
mod stats;
mod tail;
mod trigger;
mod users;
mod webhooks;

use crate::app::App;
use crate::node::Node;
use crate::protocol::ChannelName;
use axum::Router;
use axum::middleware::from_fn;
pub use error::ApiError;
pub use health::health;
use idempotency::Memory;
use openapi::Routes;
use std::sync::Arc;
use std::time::Duration;

/// What handlers need.
#[derive(Clone, Debug)]
pub struct Api {
    /// Where events are published.
    node: Arc<Node>,
    /// The configured path prefix, or nothing; signatures may cover it (H6).
    prefix: Arc<str>,
    /// How long a request's body may take to arrive.
    body_timeout: Duration,
    /// Requests with an `Idempotency-Key`.
    memory: Arc<Memory>,
}

impl Api {
    /// The API of `node`, reached at the root and below `prefix`. A request's body may take `body_timeout` to arrive.
    pub fn new(node: Arc<Node>, prefix: &str, body_timeout: Duration) -> Self {
        Self { node, prefix: prefix.into(), body_timeout, memory: Arc::default() }
    }
}

/// The routes for back ends and health checks, each with what `/openapi.json` says about it. Pages of `origins` may
/// call them too.
pub fn router(api: Api, origins: &[String]) -> Router {
    let node = api.node.clone();
    let routes = Routes::new()
        .post("/apps/{app_id}/events", events::trigger, docs::publish())
        .post("/apps/{app_id}/batch_events", events::batch, docs::publish_batch())
        .get("/apps/{app_id}/channels", channels::list, docs::channels())
        .get("/apps/{app_id}/channels/{channel}", channels::show, docs::channel_info())
        .get("/apps/{app_id}/channels/{channel}/users", channels::users, docs::channel_users())
        .post("/apps/{app_id}/channels/{channel}/events", events::trigger_raw, docs::publish_raw())
        .get("/apps/{app_id}/channels/{channel}/stats", channels::stats, docs::channel_stats())
        .post("/apps/{app_id}/channels/{channel}/terminate_connections", channels::terminate, docs::terminate_channel())
        .get("/apps/{app_id}/users/{user_id}", users::show, docs::user())
        .post("/apps/{app_id}/users/{user_id}/terminate_connections", users::terminate, docs::terminate_user())
        .post("/users/{user_id}/terminate_connections", users::terminate, docs::terminate_user_by_key())
        .get("/apps/{app_id}/connections", connections::list, docs::connections())
        .get("/apps/{app_id}/stats", stats::show, docs::stats())
        .get("/apps/{app_id}/nodes", nodes::list, docs::nodes())
        .get("/apps/{app_id}/webhooks", webhooks::list, docs::webhooks())
        .get("/apps/{app_id}/webhooks/dead", webhooks::dead, docs::dead_webhooks())
        .post("/apps/{app_id}/webhooks/replay", webhooks::replay, docs::replay_webhooks())
        .get("/apps/{app_id}/tail", tail::follow, docs::tail())
        .get("/up", health::up, docs::up())
        .get("/live", health::live, docs::live())
        .get("/ready", health::ready, docs::ready())
        .finish("/openapi.json", docs::openapi(), api)
        .method_not_allowed_fallback(async || ApiError::method_not_allowed());
    cors::allow(requests::counted(refused::told(routes.layer(from_fn(allowance::told)), node.clone()), node), origins)
}

/// A channel's name where users' own channels are not known (U12).
fn channel_name(app: &App, name: &str) -> Result<ChannelName, ApiError> {
    let parsed = ChannelName::parse(name, app.limits.max_channel_name_chars);
    let channel = parsed.map_err(|invalid| ApiError::invalid_channel(name, invalid))?;
    if channel.is_user() {
        let text = format!("Invalid channel name {name:?}: a user's own channel can only be published to");
        return Err(ApiError::bad_request(text));
    }
    Ok(channel)
}

#[cfg(test)]
mod tests;
