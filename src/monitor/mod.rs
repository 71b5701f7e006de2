//! What is told to those who watch the server: `/metrics` and health, on a listener of its own.
//!
//! Must not know: how anything is counted, or where the listener is.

mod apps;
mod families;
mod process;
mod servers;

use crate::api::{ApiError, health};
use crate::node::Node;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use families::Page;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// What the text is, for whoever reads it.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The routes of the listener for metrics; anything else is 404.
pub fn router(node: &Arc<Node>) -> Router {
    let node_of_metrics = node.clone();
    Router::new()
        .route("/metrics", get(async move || metrics(node_of_metrics).await))
        .merge(health(node))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .fallback(async || ApiError::unknown_path())
}

/// Everything that is counted. It looks at every connection and reads files, so others do not wait for it.
async fn metrics(node: Arc<Node>) -> Response {
    match spawn_blocking(move || text(node)).await {
        Ok(text) => ([(CONTENT_TYPE, FORMAT)], text).into_response(),
        Err(_) => ApiError::internal("The metrics cannot be read; see the server's log").into_response(),
    }
}

/// The text that Prometheus reads.
fn text(node: Arc<Node>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(node)));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a text takes whatever is written to it");
    text
}

/// Everything that a node tells about itself, read when it is asked for.
#[derive(Debug)]
struct Families(Arc<Node>);

impl Collector for Families {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        apps::write(&self.0, &mut page)?;
        servers::write(&self.0, &mut page)?;
        process::write(self.0.identity(), &mut page)
    }
}
