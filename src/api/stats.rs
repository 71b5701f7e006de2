//! What an app adds up to, on all nodes and on each. Ours.

use super::answer::Answer;
use super::signed::SignedRequest;
use super::{Api, ApiError};
use crate::node::{Stats, Volume};
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// What an app adds up to.
#[derive(Serialize, ToSchema)]
pub(super) struct AppStats {
    #[serde(flatten)]
    total: Sum,
    /// Each node's part, the one that answers first; the parts of the others are up to 2 s old.
    nodes: Vec<Part>,
}

/// A node's part.
#[derive(Serialize, ToSchema)]
struct Part {
    /// The node's id, which is another after each start.
    node: String,
    #[serde(flatten)]
    sum: Sum,
}

/// On all nodes together, or on one.
#[derive(Serialize, ToSchema)]
struct Sum {
    /// Connections now.
    connections: usize,
    /// The most connections there were at one time since the server that answers was started.
    peak_connections: usize,
    /// Distinct users signed in.
    users: usize,
    /// Channels with a subscriber.
    channels: usize,
    events: EventStats,
}

#[derive(Serialize, ToSchema)]
struct EventStats {
    /// Events published over HTTP, once for each of their channels.
    published: Rate,
    /// Events that clients sent.
    client_events: Rate,
    /// Frames that both queued for connections.
    deliveries: Rate,
}

#[derive(Serialize, ToSchema)]
struct Rate {
    /// Since the nodes were started.
    total: u64,
    /// The mean of the last minute.
    per_second: f64,
}

impl From<Stats> for Sum {
    fn from(stats: Stats) -> Self {
        let Stats { connections, peak_connections, users, channels, .. } = stats;
        let rate = |Volume { total, per_second }| Rate { total, per_second };
        let events = EventStats {
            published: rate(stats.published),
            client_events: rate(stats.client_events),
            deliveries: rate(stats.deliveries),
        };
        Self { connections, peak_connections, users, channels, events }
    }
}

/// What the app adds up to.
pub(super) async fn show(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let parts = api.node.stats_by_node(&request.app).into_iter();
    let nodes = parts.map(|(node, stats)| Part { node: node.to_string(), sum: stats.into() }).collect();
    Ok(Answer::ok(&AppStats { total: api.node.stats(&request.app).into(), nodes }))
}
