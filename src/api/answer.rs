//! Answers to requests that were carried out.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

/// A status and a JSON object; cloning shares the bytes.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: StatusCode,
    body: Bytes,
}

/// Nothing to tell.
// Exactly `{}`, which SDKs compare with (I4).
#[derive(Serialize, ToSchema)]
pub(super) struct Empty {}

impl Answer {
    /// 200: it is done, or this is what was asked for.
    pub(super) fn ok(body: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, body)
    }

    /// 202: what the deprecated publish answers (5.9).
    pub(super) fn accepted() -> Self {
        Self::new(StatusCode::ACCEPTED, &Empty {})
    }

    /// 503: not now.
    pub(super) fn unavailable(body: &impl Serialize) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, body)
    }

    fn new(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("an answer always serialises");
        Self { status, body: body.into() }
    }

    /// Size of the body in bytes.
    pub(super) fn size(&self) -> usize {
        self.body.len()
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        // Exactly this type, without a charset: PHP compares it.
        (self.status, [(CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}
