//! An app's connections, counted on all nodes and listed of one. Ours, but for the bare count, which Reverb has (spec
//! 5.10).

use super::answer::Answer;
use super::signed::SignedRequest;
use super::{Api, ApiError, channel_name};
use crate::node::Filter;
use crate::protocol::{SocketId, UserId};
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// Connections on a page, unless `limit` says otherwise, and the most it may say.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

/// How many connections there are.
#[derive(Serialize, ToSchema)]
pub(super) struct Connections {
    /// All of the app's on all nodes; with a filter, those that it lets through on the node that answers.
    connections: usize,
    /// Those on this page in the order of their ids, if a page was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    page: Option<Vec<Connection>>,
    /// What to send as `cursor` for the next page, if a page was asked for; null at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<Option<String>>,
}

#[derive(Serialize, ToSchema)]
struct Connection {
    /// The connection's id.
    socket_id: String,
    /// Who is signed in on it.
    #[schema(required)]
    user_id: Option<String>,
}

/// Counts the app's connections; with any filter, lists them a page at a time.
pub(super) async fn list(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let SignedRequest { app, query, .. } = &request;
    let [channel, user, cursor, limit] = ["channel", "user", "cursor", "limit"].map(|name| query.get(name));
    if [channel, user, cursor, limit].iter().all(Option::is_none) {
        let connections = api.node.connections_of(app);
        return Ok(Answer::ok(&Connections { connections, page: None, cursor: None }));
    }
    let channel = channel.map(|name| channel_name(app, name)).transpose()?;
    let user = user.map(UserId::new);
    let after = cursor.map(read_cursor).transpose()?;
    let limit = limit.map_or(Ok(PAGE), read_limit)?;
    let filter = Filter { channel: channel.as_ref(), user: user.as_ref(), after, limit };
    let found = api.node.list_connections(app, filter);
    let last = found.connections.last().filter(|_| found.more);
    let cursor = last.map(|last| last.socket.to_string());
    let listed = found.connections.iter().map(|connection| Connection {
        socket_id: connection.socket.to_string(),
        user_id: connection.user.as_ref().map(|user| user.as_str().to_owned()),
    });
    Ok(Answer::ok(&Connections { connections: found.total, page: Some(listed.collect()), cursor: Some(cursor) }))
}

pub(super) fn read_cursor(sent: &str) -> Result<SocketId, ApiError> {
    let id = SocketId::parse(sent).ok().flatten();
    id.ok_or_else(|| ApiError::bad_request("Invalid cursor: send the one of the page before"))
}

pub(super) fn read_limit(sent: &str) -> Result<usize, ApiError> {
    let digits = Some(sent).filter(|sent| sent.bytes().all(|b| b.is_ascii_digit()));
    let limit = digits.and_then(|sent| sent.parse().ok()).filter(|limit| (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| ApiError::bad_request(format!("Invalid limit: it must be a whole number from 1 to {MAX_PAGE}")))
}
