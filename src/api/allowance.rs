//! How often a back end may publish and ask, and the headers by which it is told what is left.
//!
//! Must not know: what the requests are about.

use super::ApiError;
use crate::app::App;
use crate::node::{Allowance, Node, Refused};
use axum::extract::Request;
use axum::http::header::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::{Arc, OnceLock};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

/// Where a request notes what its app's limits leave, for the answer's headers.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot(Arc<OnceLock<Allowance>>);

/// Adds to an answer what the limits leave, if there are any.
pub(super) async fn told(mut request: Request, next: Next) -> Response {
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let mut response = next.run(request).await;
    if let Some(left) = slot.0.get() {
        let headers = [(LIMIT, HeaderValue::from(left.limit)), (REMAINING, HeaderValue::from(left.remaining))];
        response.headers_mut().extend(headers);
    }
    response
}

impl Slot {
    /// Takes note that `app` publishes to so many channels; 429 if that is too often, 400 if it is too much at once.
    pub(super) fn publish(&self, node: &Node, app: &App, channels: usize) -> Result<(), ApiError> {
        let count = u32::try_from(channels).unwrap_or(u32::MAX);
        self.note(node.take_events(app, count), "events", "events_per_second")
    }

    /// Takes note that `app` asks something; 429 if that is too often.
    pub(super) fn read(&self, node: &Node, app: &App) -> Result<(), ApiError> {
        self.note(node.take_read(app), "requests", "reads_per_second")
    }

    fn note(
        &self,
        taken: Result<Option<Allowance>, Refused>,
        what: &str,
        setting: &'static str,
    ) -> Result<(), ApiError> {
        let (left, refused) = match taken {
            Ok(None) => return Ok(()),
            Ok(Some(left)) => (left, Ok(())),
            Err(refused @ (Refused::Wait(limit, _) | Refused::Never(limit))) => {
                (Allowance { limit, remaining: 0 }, Err(ApiError::too_many(what, setting, refused)))
            }
        };
        // A request is of one kind and counted once.
        let _ = self.0.set(left);
        refused
    }
}
