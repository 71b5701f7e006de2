//! Pages of other origins whose scripts may call the API (spec 5.1). Ours: hosted Pusher is for servers alone.
//!
//! Must not know: which routes there are.

use super::idempotency;
use axum::Router;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember that it was allowed to ask; some remember for less.
const MAX_AGE: Duration = Duration::from_secs(86_400);

/// Lets scripts on pages of `origins` call `routes`, `*` being any page; without one nothing is added to answers.
pub(super) fn allow(routes: Router, origins: &[String]) -> Router {
    if origins.is_empty() {
        return routes;
    }
    let value = |origin: &String| HeaderValue::from_str(origin).expect("a configured origin is ASCII");
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().map(value))
    };
    let headers =
        [CONTENT_TYPE, HeaderName::from_static(idempotency::HEADER), HeaderName::from_static("x-pusher-library")];
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(headers)
        .max_age(MAX_AGE);
    routes.layer(cors).layer(from_fn(without_content))
}

/// The layer answers every OPTIONS by itself, with an empty 200.
async fn without_content(request: Request, next: Next) -> Response {
    let asks = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    if asks {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}
