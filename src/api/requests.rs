//! Counts requests by what they are for and how they were answered.

use crate::metrics::Route;
use crate::node::Node;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper::Method;
use std::sync::Arc;

/// `routes`, each request to which is counted.
pub(super) fn counted(routes: Router, node: Arc<Node>) -> Router {
    routes.layer(from_fn_with_state(node, count))
}

async fn count(State(node): State<Arc<Node>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let route = path.map_or(Route::Other, |path| route(request.method(), path.as_str()));
    let response = next.run(request).await;
    node.metrics().requests.count(route, response.status().as_u16());
    response
}

/// What a request to the route `path`, with or without the prefix, is for.
fn route(method: &Method, path: &str) -> Route {
    let last = path.rsplit('/').next().unwrap_or_default();
    match last {
        "events" | "batch_events" => Route::Publish,
        "terminate_connections" => Route::Terminate,
        "webhooks" | "dead" | "replay" => Route::Webhooks,
        "up" | "live" | "ready" | "openapi.json" => Route::Other,
        _ if *method == Method::GET => Route::Query,
        _ => Route::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_told_apart_by_their_last_part() {
        for (path, expect) in [
            ("/apps/{app_id}/events", Route::Publish),
            ("/ws/apps/{app_id}/batch_events", Route::Publish),
            ("/apps/{app_id}/channels/{channel}/events", Route::Publish),
            ("/apps/{app_id}/channels/{channel}", Route::Query),
            ("/apps/{app_id}/stats", Route::Query),
            ("/users/{user_id}/terminate_connections", Route::Terminate),
            ("/apps/{app_id}/webhooks/dead", Route::Webhooks),
            ("/ready", Route::Other),
        ] {
            assert_eq!(route(&Method::GET, path), expect, "{path}");
        }
        assert_eq!(route(&Method::PUT, "/apps/{app_id}/stats"), Route::Other);
    }
}
