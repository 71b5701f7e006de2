//! The HTTP API that back ends publish through (spec section 5). Every route is in this file.
//!
//! Must not know: connections, channels' state, or how events reach clients.

mod body;
mod error;
mod events;
mod signed;

use crate::node::Node;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
pub use error::ApiError;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// What handlers need.
#[derive(Clone, Debug)]
pub struct Api {
    /// Where events are published.
    pub node: Arc<Node>,
    /// The configured path prefix, or nothing; signatures may cover it (H6).
    pub prefix: Arc<str>,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
}

/// The routes for back ends and health checks.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/apps/{app_id}/events", post(events::trigger))
        .route("/apps/{app_id}/batch_events", post(events::batch))
        .route("/up", get(up))
        .with_state(api)
}

/// Reverb's health check (spec 5.10).
async fn up() -> Response {
    json(&serde_json::json!({ "health": "OK" }))
}

/// A 200 with exactly `application/json`.
fn json(body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("an answer always serialises");
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
