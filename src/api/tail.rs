//! `GET /apps/{id}/tail`: what happens in an app on this node, one JSON object on each line, for as long as somebody reads.
//! Ours.

use super::openapi::LINES;
use super::signed::SignedRequest;
use super::{Api, ApiError};
use crate::feed::{KINDS, MOST_WATCHES, Next, Record, Watch};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::timeout;

/// The silence after which an empty line is written, so that nothing on the way takes the connection for dead.
const SILENCE: Duration = Duration::from_secs(15);
/// How much is written at once, if there is so much.
const CHUNK: usize = 64 * 1024;
/// The largest `max_payload`; more is not kept.
const MOST_PAYLOAD: usize = 16 * 1024;
/// Has nginx hand on each line at once.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What is asked for.
struct Filter {
    /// No kind is every kind.
    kinds: Vec<String>,
    channel: Option<String>,
    max_payload: usize,
}

/// Writes what happens from now on.
pub(super) async fn follow(State(api): State<Api>, request: SignedRequest) -> Result<Response, ApiError> {
    let SignedRequest { app, query, .. } = &request;
    let filter = Filter {
        kinds: read_kinds(query.get("type"))?,
        channel: query.get("channel").map(str::to_owned),
        max_payload: query.get("max_payload").map_or(Ok(MOST_PAYLOAD), read_max_payload)?,
    };
    let watch = api.node.feed(app).watch().map_err(|_| ApiError::too_many_tails(MOST_WATCHES))?;
    let nodes = api.node.nodes().len();
    let first = json!({ "type": "tail", "app": app.id, "node": api.node.identity().id.to_string(), "nodes": nodes });
    let body = Body::from_stream(lines(first, watch, filter));
    Ok(([(CONTENT_TYPE, LINES), (CACHE_CONTROL, "no-store"), (UNBUFFERED, "no")], body).into_response())
}

fn read_kinds(sent: Option<&str>) -> Result<Vec<String>, ApiError> {
    let kinds = sent.into_iter().flat_map(|sent| sent.split(',')).map(str::trim).filter(|kind| !kind.is_empty());
    let read = |kind: &str| match KINDS.contains(&kind) {
        true => Ok(kind.to_owned()),
        false => Err(ApiError::bad_request(format!("Invalid type {kind:.100}: there are {}", KINDS.join(", ")))),
    };
    kinds.map(read).collect()
}

fn read_max_payload(sent: &str) -> Result<usize, ApiError> {
    let digits = Some(sent).filter(|sent| sent.bytes().all(|b| b.is_ascii_digit()));
    let most = digits.and_then(|sent| sent.parse().ok()).filter(|most| *most <= MOST_PAYLOAD);
    let wrong = || format!("Invalid max_payload: it must be a whole number of bytes from 0 to {MOST_PAYLOAD}");
    most.ok_or_else(|| ApiError::bad_request(wrong()))
}

impl Filter {
    /// The record as a line, if it is asked for.
    fn line(&self, record: &Record) -> Option<Value> {
        let json = record.json(self.max_payload);
        let is_kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| json["type"] == kind.as_str());
        let there = |prefix: &String| json["channel"].as_str().is_some_and(|channel| channel.starts_with(prefix));
        (is_kind && self.channel.as_ref().is_none_or(there)).then_some(json)
    }
}

/// The body: several lines at once where they are there.
fn lines(first: Value, watch: Watch, filter: Filter) -> impl Stream<Item = Result<Bytes, Infallible>> {
    unfold((Some(first), watch, filter), |(first, mut watch, filter)| async move {
        if let Some(first) = first {
            return Some((Ok(format!("{first}\n").into()), (None, watch, filter)));
        }
        let mut chunk = String::new();
        while chunk.is_empty() {
            // What is filtered out breaks the silence for nobody.
            let quiet = timeout(SILENCE, async {
                loop {
                    let next = watch.next().await;
                    if add(&mut chunk, &next, &filter).is_none() || !chunk.is_empty() {
                        break;
                    }
                }
            });
            if quiet.await.is_err() {
                chunk.push('\n');
            } else if chunk.is_empty() {
                return None;
            }
        }
        while chunk.len() < CHUNK
            && let Some(next) = watch.ready()
            && add(&mut chunk, &next, &filter).is_some()
        {}
        Some((Ok(chunk.into()), (None, watch, filter)))
    })
}

/// Adds what is to be told; `None` at the end.
fn add(chunk: &mut String, next: &Next, filter: &Filter) -> Option<()> {
    let line = match next {
        Next::Record(record) => filter.line(record),
        Next::Missed(count) => Some(json!({ "type": "missed", "count": count })),
        Next::Ended => return None,
    };
    if let Some(line) = line {
        chunk.push_str(&line.to_string());
        chunk.push('\n');
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Feed, Happening};
    use futures_util::StreamExt;
    use std::pin::pin;
    use std::sync::Arc;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn an_empty_line_comes_in_silence() {
        let feed = Arc::new(Feed::default());
        let filter = Filter { kinds: vec!["vacated".to_owned()], channel: None, max_payload: 0 };
        let mut lines = pin!(lines(json!({}), feed.watch().unwrap(), filter));
        assert_eq!(lines.next().await.unwrap().unwrap(), "{}\n");
        let start = Instant::now();
        feed.tell(|| Happening::Occupied { channel: "a".to_owned() });
        assert_eq!(lines.next().await.unwrap().unwrap(), "\n");
        assert_eq!(start.elapsed(), SILENCE);
        for channel in ["b", "c"] {
            feed.tell(|| Happening::Vacated { channel: channel.to_owned() });
        }
        let both = lines.next().await.unwrap().unwrap();
        assert_eq!(both.iter().filter(|byte| **byte == b'\n').count(), 2, "{both:?}");
        feed.end();
        assert!(lines.next().await.is_none());
    }
}
