//! Requests whose signature is right. It is judged before the body is read, and the body before it is parsed, so that
//! strangers cost next to nothing.

use super::{Api, ApiError, body};
use crate::app::App;
use crate::protocol::request::{Head, Signed, verify};
use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Path, Request};
use axum::http::header::EXPECT;
use axum::http::request::Parts;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A request signed by the app in its path.
#[derive(Debug)]
pub(super) struct SignedRequest {
    /// The app.
    pub(super) app: Arc<App>,
    /// The query's parameters.
    pub(super) query: Signed,
    /// The body, which is the one that was signed.
    pub(super) body: String,
}

impl FromRequest<Api> for SignedRequest {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        // Reading the body would ask a waiting client to send it.
        let waits = parts.headers.contains_key(EXPECT);
        let (app, query) = match judge(&mut parts, api).await {
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
        let body =
            String::from_utf8(body.into()).map_err(|_| ApiError::bad_request("The body must be JSON in UTF-8"))?;
        Ok(Self { app, query, body })
    }
}

/// Everything that can be said before the body is read: the app (404) and the signature (401).
async fn judge(parts: &mut Parts, api: &Api) -> Result<(Arc<App>, Signed), ApiError> {
    let id = Path::<String>::from_request_parts(parts, api).await.map(|Path(id)| id).unwrap_or_default();
    let app = api.node.app(&id).ok_or_else(|| ApiError::unknown_app(&id))?;
    // The path as the back end sent it, also below a prefix.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    let head = Head {
        method: parts.method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        prefix: &api.prefix,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let signed = verify(head, &app.keys, now, app.limits.auth_window_secs).map_err(ApiError::unauthorized)?;
    Ok((app.clone(), signed))
}
