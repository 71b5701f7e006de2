//! Whether the server runs, and whether new connections should come to it. Unsigned.

use super::Api;
use super::answer::Answer;
use crate::node::Node;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde_json::json;
use std::sync::Arc;

/// The same routes for a listener that serves nothing else of the API.
pub fn health(node: &Arc<Node>) -> Router {
    let state = node.clone();
    let ready = get(async move || readiness(&state));
    Router::new().route("/up", get(up)).route("/live", get(live)).route("/ready", ready)
}

/// Reverb's health check (spec 5.10).
pub(super) async fn up() -> Answer {
    Answer::ok(&json!({ "health": "OK" }))
}

/// That the process turns: whoever gets no answer may start it anew.
pub(super) async fn live() -> Answer {
    Answer::ok(&json!({ "live": true }))
}

/// Whether new connections should come here: 503 while the other nodes cannot be reached, or the server stops.
pub(super) async fn ready(State(api): State<Api>) -> Answer {
    readiness(&api.node)
}

fn readiness(node: &Node) -> Answer {
    match node.unready() {
        reasons if reasons.is_empty() => Answer::ok(&json!({ "ready": true })),
        reasons => Answer::unavailable(&json!({ "ready": false, "reasons": reasons })),
    }
}
