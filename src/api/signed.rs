//! Requests whose signature is right. It is judged before the body is read, and the body before it is parsed, so that
//! strangers cost next to nothing.

use super::allowance::Slot;
use super::{Api, ApiError, body};
use crate::app::App;
use crate::protocol::request::{Head, Signed, verify};
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Path, Request};
use axum::http::Method;
use axum::http::header::EXPECT;
use axum::http::request::Parts;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A request signed by the app in its path, or on paths without one by the app whose key it names.
#[derive(Debug)]
pub(super) struct SignedRequest {
    /// The app.
    pub(super) app: Arc<App>,
    /// The query's parameters.
    pub(super) query: Signed,
    /// The body, which is the one that was signed.
    pub(super) body: Bytes,
    /// Where it is noted what the app's limits leave.
    pub(super) slot: Slot,
    /// What the path's parameters are, decoded.
    path: HashMap<String, String>,
}

impl SignedRequest {
    /// The body as text; 400 if it is none.
    pub(super) fn text(&self) -> Result<&str, ApiError> {
        std::str::from_utf8(&self.body).map_err(|_| ApiError::bad_request("The body must be text in UTF-8"))
    }

    /// `{channel}` of the path, nothing if it has none.
    pub(super) fn channel(&self) -> &str {
        self.path.get("channel").map_or("", String::as_str)
    }

    /// `{user_id}` of the path, nothing if it has none.
    pub(super) fn user_id(&self) -> &str {
        self.path.get("user_id").map_or("", String::as_str)
    }
}

impl FromRequest<Api> for SignedRequest {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        // Reading the body would ask a waiting client to send it.
        let waits = parts.headers.contains_key(EXPECT);
        let (app, query, path) = match judge(&mut parts, api).await {
            Ok(judged) => judged,
            Err(error) => {
                if !waits {
                    body::discard(body, api.body_timeout).await;
                }
                return Err(error);
            }
        };
        let body = match body::read(body, app.limits.max_request_bytes, api.body_timeout).await {
            Ok(body) => body,
            Err((error, rest)) => {
                if let Some(rest) = rest.filter(|_| !waits) {
                    body::discard(rest, api.body_timeout).await;
                }
                return Err(error);
            }
        };
        query.check_body(&body).map_err(ApiError::unauthorized)?;
        if !app.enabled {
            return Err(ApiError::disabled());
        }
        let slot = parts.extensions.get::<Slot>().cloned().unwrap_or_default();
        if parts.method == Method::GET {
            slot.read(&api.node, &app)?;
        }
        Ok(Self { app, query, body, slot, path })
    }
}

/// Everything that can be said before the body is read: the path (400), the app (404) and the signature (401).
async fn judge(parts: &mut Parts, api: &Api) -> Result<(Arc<App>, Signed, HashMap<String, String>), ApiError> {
    let path = Path::<HashMap<String, String>>::from_request_parts(parts, api).await;
    let Path(path) = path.map_err(|rejection| undecodable(&rejection))?;
    // The path as the back end sent it, also below a prefix.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    let query = uri.query().unwrap_or_default();
    let app = match path.get("app_id") {
        Some(id) => api.node.app(id).ok_or_else(|| ApiError::unknown_app(id))?,
        None => named_by_key(query, api)?,
    };
    let head = Head { method: parts.method.as_str(), path: uri.path(), query, prefix: &api.prefix };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let signed = verify(head, &app.keys, now, app.limits.auth_window_secs).map_err(ApiError::unauthorized)?;
    Ok((app, signed, path))
}

/// The app that one of the paths without an id is about (H11).
fn named_by_key(query: &str, api: &Api) -> Result<Arc<App>, ApiError> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, key) = pairs
        .find(|(name, _)| name.eq_ignore_ascii_case("auth_key"))
        .ok_or_else(|| ApiError::unauthorized("Missing parameter: auth_key".to_owned()))?;
    api.node
        .app_by_key(&key)
        .ok_or_else(|| ApiError::unauthorized(format!("Unknown auth_key: {key:.100} is not a key of any application")))
}

/// A path with bytes that are no text: no app has such an id (404), and nothing else has such a name (400).
fn undecodable(rejection: &PathRejection) -> ApiError {
    match rejection {
        PathRejection::FailedToDeserializePathParams(error) if matches!(error.kind(), ErrorKind::InvalidUtf8InPathParam { key } if key == "app_id") => {
            ApiError::unknown_app("")
        }
        _ => ApiError::bad_request("The path must be UTF-8 once it is percent-decoded"),
    }
}
