//! Reading a request's body, within a size and a time.

use super::ApiError;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Body as _;
use std::time::Duration;
use tokio::time::timeout;

/// A refused request's body up to this size is read and thrown away, because a client that is still sending when the
/// connection closes may never read the refusal.
const DISCARD_BYTES: usize = 1024 * 1024;

/// The whole body, of which never more than `max` bytes are held. One that announces more is not read at all.
pub(super) async fn read(body: Body, max: usize, time: Duration) -> Result<Bytes, (ApiError, Option<Body>)> {
    if body.size_hint().lower() > max as u64 {
        return Err((ApiError::body_too_large(max), Some(body)));
    }
    match timeout(time, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err((ApiError::body_too_large(max), None)),
        Ok(Err(_)) => Err((ApiError::bad_request("The request's body broke off"), None)),
        Err(_) => Err((ApiError::slow_body(), None)),
    }
}

/// Reads a body that nobody wants, without holding any of it.
pub(super) async fn discard(body: Body, time: Duration) {
    if body.size_hint().lower() > DISCARD_BYTES as u64 {
        return;
    }
    let mut body = Limited::new(body, DISCARD_BYTES);
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = timeout(time, rest).await;
}
