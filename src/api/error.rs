//! Refusals of the HTTP API: a status and a line of plain text, which SDKs show to the developer as it is (spec 5.1).

use crate::node::Refused;
use crate::protocol::channel::InvalidName;
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;

/// A request that is refused; nothing of it has been done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    text: Cow<'static, str>,
    /// In how many seconds it is worth another try.
    retry_after: Option<u64>,
}

impl ApiError {
    fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), retry_after: None }
    }

    /// 400: the request is malformed or breaks a rule.
    pub fn bad_request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// 400: a parameter that every such request has (I1).
    pub fn missing(parameter: &str) -> Self {
        Self::bad_request(format!("Missing required parameter: {parameter}"))
    }

    /// 400: not a channel name (I2, O6).
    pub fn invalid_channel(name: &str, why: InvalidName) -> Self {
        let shown: String = name.chars().take(200).collect();
        Self::bad_request(format!("Invalid channel name {shown:?}: {why}"))
    }

    /// 401: the signature, or a part of it.
    pub fn unauthorized(text: String) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    /// 403: the app is switched off.
    pub fn disabled() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Application disabled")
    }

    /// 404: no app has the id.
    pub fn unknown_app(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Unknown app_id: no application has the id {id:.100}"))
    }

    /// 404: no such route.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Not found: this server has no such route; if a proxy adds or drops a path prefix, see REVERB_SERVER_PATH",
        )
    }

    /// 404: not what the listener for metrics has.
    pub fn unknown_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found: here are /metrics, /live, /ready and /up alone")
    }

    /// 405: a known route with another method.
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
    }

    /// 408: the body did not arrive in time.
    pub fn slow_body() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "The request's body took too long to arrive")
    }

    /// 413: the body as a whole.
    pub fn body_too_large(max: usize) -> Self {
        let text = format!(
            "The request's body exceeds the allowed maximum ({max} bytes, see REVERB_MAX_REQUEST_SIZE or max_request_bytes)"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    /// 422: the key of a request that was another one.
    pub fn key_reused() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "This Idempotency-Key was used for another request in the last 5 minutes: nothing was published; \
             choose a new key for each event",
        )
    }

    /// 429: the app does this more often than it may; 400 where it never may, and nobody is to try again.
    pub(super) fn too_many(what: &str, setting: &str, refused: Refused) -> Self {
        match refused {
            Refused::Wait(limit, wait) => {
                let text = format!(
                    "Too many {what}: this application may have {limit} a second on this server ({setting}); nothing was \
                     done"
                );
                let retry_after = Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
                Self { retry_after, ..Self::new(StatusCode::TOO_MANY_REQUESTS, text) }
            }
            Refused::Never(limit) => Self::bad_request(format!(
                "Too many {what} in one request: this application may have {limit} a second on this server ({setting}), \
                 and no more at once, each counted for every channel that it names; nothing was done"
            )),
        }
    }

    /// 503: the task that carried the request out is gone; nobody knows how far it came.
    pub fn broke_off() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The request broke off on this server: send it again with the same Idempotency-Key",
        )
    }

    /// 500: a mistake of this server.
    pub fn internal(text: &'static str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    /// 503: other nodes cannot be reached, and what waits for them is as much or as old as it may be.
    pub fn bus_is_away() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Other nodes cannot be reached, so nothing was published: send it again in a while. \
             If this lasts, see the server's log for what is wrong with its link to Redis or NATS",
        )
    }

    /// 429: there are as many tails as there may be.
    pub fn too_many_tails(max: usize) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("Too many tails: {max} at a time may follow an application on one server; end another one first"),
        )
    }

    /// The status and the line of text.
    pub fn parts(&self) -> (u16, &str) {
        (self.status.as_u16(), &self.text)
    }

    /// 503: the webhooks do not answer.
    pub fn webhooks_are_silent() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The webhooks do not answer: the server is starting, stopping or overloaded; ask again in a while",
        )
    }

    /// 413: one event's data. Clients of hosted Pusher know the text.
    pub fn data_too_large(max: usize) -> Self {
        let text = format!(
            "The data content of this event exceeds the allowed maximum ({max} bytes). \
             See https://pusher.com/docs/channels/server_api/http-api#publishing-events for more info"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        tracing::debug!(status = self.status.as_u16(), "request refused: {}", self.text);
        let retry_after = self.retry_after.map(|secs| (RETRY_AFTER, HeaderValue::from(secs)));
        let headers = HeaderMap::from_iter(retry_after);
        let mut response = (self.status, headers, format!("{}\n", self.text)).into_response();
        // For the feed, which knows which app it is about.
        response.extensions_mut().insert(self);
        response
    }
}
