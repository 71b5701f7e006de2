//! The nodes that act as one. Ours.

use super::answer::Answer;
use super::signed::SignedRequest;
use super::{Api, ApiError};
use crate::node::NodeStatus;
use axum::extract::State;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// The nodes that act as one.
#[derive(Serialize, ToSchema)]
pub(super) struct Nodes {
    /// The link of the node that answers; null where there is only one node.
    #[schema(required)]
    bus: Option<Bus>,
    /// All nodes that it knows, itself first.
    nodes: Vec<Node>,
}

#[derive(Serialize, ToSchema)]
struct Bus {
    /// `redis` or `nats`.
    kind: &'static str,
    /// `up` or `down`.
    link: &'static str,
    /// For how long it has been so.
    since_seconds: u64,
    /// Times that the link came up.
    links: u64,
    /// Messages that made no sense: from strangers, or cut short.
    malformed: u64,
    /// Times that all of what is so on another node was asked for: it was new, or news of it was missed.
    gaps: u64,
    /// Times that another node could not repeat all of what was missed while the link was down.
    lost: u64,
    /// Events of other nodes that were dropped here, because more came than was handed out.
    dropped: u64,
    /// Events that the bus refused to take, or to keep for newcomers of a cache channel.
    refused: u64,
}

#[derive(Serialize, ToSchema)]
struct Node {
    /// Its id, which is another after each start.
    node: String,
    /// Host and port; null until it has said so.
    #[schema(required)]
    name: Option<String>,
    /// Its version of the server; null until it has said so.
    #[schema(required)]
    version: Option<String>,
    /// Whether it is the one that answers.
    here: bool,
    /// `known`, or `new` as long as not all is known of it.
    state: &'static str,
    /// How long ago it was heard; after 7 seconds it is taken for dead.
    silent_ms: u64,
    /// From when it says something on the bus until it hears it itself; null until it has said so.
    #[schema(required)]
    lag_ms: Option<f64>,
    /// What waits there for the bus.
    #[schema(required)]
    waiting_bytes: Option<usize>,
    /// How long ago it was started.
    #[schema(required)]
    uptime_seconds: Option<u64>,
}

impl From<NodeStatus> for Node {
    fn from(status: NodeStatus) -> Self {
        let NodeStatus { id, is_here, about, silent, is_known, uptime } = status;
        let about = about.as_ref();
        Self {
            node: id.to_string(),
            name: about.map(|about| about.name.clone()),
            version: about.map(|about| about.version.clone()),
            here: is_here,
            state: if is_known { "known" } else { "new" },
            silent_ms: u64::try_from(silent.as_millis()).unwrap_or(u64::MAX),
            lag_ms: about.map(|about| milliseconds(about.health.lag)),
            waiting_bytes: about.map(|about| about.health.waiting_bytes),
            uptime_seconds: uptime.map(|uptime| uptime.as_secs()),
        }
    }
}

/// With one digit after the point.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Lists the nodes.
pub(super) async fn list(State(api): State<Api>, _: SignedRequest) -> Result<Answer, ApiError> {
    let metrics = api.node.metrics();
    let bus = api.node.link().map(|link| Bus {
        kind: link.bus,
        link: if link.is_up { "up" } else { "down" },
        since_seconds: link.since.as_secs(),
        links: metrics.bus_links_total.get(),
        malformed: metrics.bus_malformed_total.get(),
        gaps: metrics.bus_gaps_total.get(),
        lost: metrics.bus_lost_total.get(),
        dropped: metrics.bus_dropped_total.get(),
        refused: metrics.bus_refused_total.get(),
    });
    Ok(Answer::ok(&Nodes { bus, nodes: api.node.nodes().into_iter().map(Node::from).collect() }))
}
