//! Signed-in users: who is there, and ending their connections (spec 4.4, 5.8).

use super::answer::{Answer, Empty};
use super::signed::SignedRequest;
use super::{Api, ApiError};
use crate::protocol::UserId;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// A user, signed in or not.
#[derive(Serialize, ToSchema)]
pub(super) struct User {
    /// Whether a connection is signed in as the user.
    connected: bool,
    /// Connections signed in as the user.
    connections: usize,
    /// Since when there has always been one, in UTC; null if there is none.
    #[schema(format = DateTime, required)]
    since: Option<String>,
}

/// Tells whether a user is signed in; ours.
pub(super) async fn show(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let online = api.node.user(&request.app, &UserId::new(request.user_id()));
    Ok(Answer::ok(&User {
        connected: online.is_some(),
        connections: online.map_or(0, |online| online.connections),
        since: online.map(|online| humantime::format_rfc3339_millis(online.since).to_string()),
    }))
}

/// Ends every connection signed in as the user with 4009. Whatever the body is, it means nothing (H7).
pub(super) async fn terminate(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let ended = api.node.terminate_user(&request.app, &UserId::new(request.user_id()));
    tracing::debug!(app.id = request.app.id, user.id = request.user_id(), "terminated {ended} connections of a user");
    Ok(Answer::ok(&Empty {}))
}
