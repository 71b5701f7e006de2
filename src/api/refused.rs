//! Has the feed of an app tell which requests about it were refused, and why.
//!
//! Must not know: which routes there are, or what they refuse.

use super::ApiError;
use crate::app::App;
use crate::feed::Happening;
use crate::node::Node;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use std::sync::Arc;

/// How much of a path is told. Whoever asks chooses how long it is.
const SHOWN_CHARS: usize = 300;
/// How much of a refusal, which may repeat what was signed.
const SHOWN_TEXT: usize = 1000;

/// The routes, with their refusals told.
pub(super) fn told(routes: Router, node: Arc<Node>) -> Router {
    routes.layer(from_fn_with_state(node, tell))
}

async fn tell(State(node): State<Arc<Node>>, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    if let Some(error) = response.extensions().get::<ApiError>()
        && let Some(app) = named(&node, &uri)
    {
        let (status, text) = error.parts();
        node.feed(&app).tell(|| Happening::Refused {
            method: method.to_string(),
            path: uri.path().chars().take(SHOWN_CHARS).collect(),
            status,
            message: text.chars().take(SHOWN_TEXT).collect(),
        });
    }
    response
}

/// The app that a request was about: by its id in the path, or else by the key that signed it.
fn named(node: &Node, uri: &Uri) -> Option<Arc<App>> {
    let mut segments = uri.path().split('/').skip(1);
    if segments.next() == Some("apps") {
        let id = percent_decode_str(segments.next()?).decode_utf8().ok()?;
        return node.app(&id);
    }
    let mut parameters = form_urlencoded::parse(uri.query()?.as_bytes());
    let (_, key) = parameters.find(|(name, _)| name == "auth_key")?;
    node.app_by_key(&key)
}
