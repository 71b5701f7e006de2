//! The HTTP API for back ends (spec section 5). Every route is in this file.
//!
//! Must not know: connections, channels' state, or how events reach clients.

mod answer;
mod body;
mod channels;
mod connections;
mod error;
mod events;
mod idempotency;
mod info;
mod signed;
mod trigger;
mod users;

use crate::app::App;
use crate::node::Node;
use crate::protocol::ChannelName;
use answer::Answer;
use axum::Router;
use axum::routing::{get, post};
pub use error::ApiError;
use idempotency::Memory;
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

/// The routes for back ends and health checks.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/apps/{app_id}/events", post(events::trigger))
        .route("/apps/{app_id}/batch_events", post(events::batch))
        .route("/apps/{app_id}/channels", get(channels::list))
        .route("/apps/{app_id}/channels/{channel}", get(channels::show))
        .route("/apps/{app_id}/channels/{channel}/users", get(channels::users))
        .route("/apps/{app_id}/channels/{channel}/events", post(events::trigger_raw))
        .route("/apps/{app_id}/channels/{channel}/stats", get(channels::stats))
        .route("/apps/{app_id}/channels/{channel}/terminate_connections", post(channels::terminate))
        .route("/apps/{app_id}/users/{user_id}", get(users::show))
        .route("/apps/{app_id}/users/{user_id}/terminate_connections", post(users::terminate))
        .route("/users/{user_id}/terminate_connections", post(users::terminate))
        .route("/apps/{app_id}/connections", get(connections::list))
        .route("/apps/{app_id}/stats", get(connections::stats))
        .route("/up", get(up))
        .with_state(api)
}

/// Reverb's health check (spec 5.10).
async fn up() -> Answer {
    Answer::ok(&serde_json::json!({ "health": "OK" }))
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
