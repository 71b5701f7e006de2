//! What webhooks do: how endpoints take them, which were given up, and sending those after all. Ours.

use super::answer::Answer;
use super::signed::SignedRequest;
use super::{Api, ApiError};
use crate::node::{Attempt, Dead, EventId, Status};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::{Duration, UNIX_EPOCH};
use utoipa::ToSchema;

/// Dead letters in an answer, unless another number is asked for, and at most.
const LIMIT: usize = 100;
const MOST: usize = 1000;

/// The last millisecond of the year 9999, since 1970.
const LAST_MS: u64 = 253_402_300_799_999;

/// The endpoints of an app.
#[derive(Serialize, ToSchema)]
pub(super) struct Webhooks {
    /// In the order in which they are configured.
    endpoints: Vec<Endpoint>,
}

/// An endpoint, and how it does on the node that answers.
#[derive(Serialize, ToSchema)]
struct Endpoint {
    /// Its id, which stays the same as long as its URL does.
    endpoint: String,
    /// Where it is.
    url: String,
    /// What it is told of.
    events: Vec<&'static str>,
    /// Only channels whose names start so.
    channel_prefix: String,
    /// Only channels whose names end so.
    channel_suffix: String,
    /// Whether several events may come in one request.
    batch: bool,
    /// `idle`, `sending`, `failing` while it is tried again and again, or `paused` while the node finds out what others
    /// have sent.
    state: &'static str,
    /// Events that wait to be sent by this node.
    waiting: usize,
    /// How long the oldest of them waits.
    oldest_ms: u64,
    /// Requests made since the start.
    attempts: u64,
    /// Those of them that failed.
    failures: u64,
    /// Events that were taken.
    delivered: u64,
    /// Dead letters that are kept.
    dead: usize,
    /// The last attempts, oldest first; at most 100.
    log: Vec<Tried>,
}

/// An attempt.
#[derive(Serialize, ToSchema)]
struct Tried {
    /// When it began, in UTC.
    #[schema(format = DateTime)]
    at: String,
    /// Its `X-Fanfare-Delivery`, the same for all attempts to deliver the same.
    delivery: String,
    /// Events in it.
    events: usize,
    /// The how manieth attempt it was, if those before failed.
    attempt: u32,
    /// The status of the answer; null if there was none.
    #[schema(required)]
    status: Option<u16>,
    /// Why it failed; null if it did not.
    #[schema(required)]
    error: Option<String>,
    /// How long it took.
    ms: u64,
    /// How long after it the endpoint is tried again; null if it did not fail.
    #[schema(required)]
    retry_in_ms: Option<u64>,
}

/// What was given up.
#[derive(Serialize, ToSchema)]
pub(super) struct DeadLetters {
    /// All there are, on this page and beyond.
    total: usize,
    /// The oldest of them.
    dead: Vec<DeadLetter>,
}

/// An event that an endpoint has not taken in time.
#[derive(Serialize, ToSchema)]
struct DeadLetter {
    /// The event's id.
    id: String,
    /// The endpoint's id.
    endpoint: String,
    /// When the event was decided, in milliseconds since 1970.
    time_ms: u64,
    /// When it was given up, in UTC.
    #[schema(format = DateTime)]
    at: String,
    /// Why.
    error: String,
    /// The event as it was sent.
    event: Value,
}

/// What was sent after all.
#[derive(Serialize, ToSchema)]
pub(super) struct Replayed {
    /// How many dead letters wait to be sent again.
    replayed: usize,
}

/// Which dead letters to send after all.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Replay {
    endpoint: Option<String>,
    ids: Option<Vec<String>>,
}

impl From<Status> for Endpoint {
    fn from(Status { id, endpoint, health, log, dead }: Status) -> Self {
        let is_failing = log.last().is_some_and(|attempt| attempt.failure.is_some());
        let state = match () {
            () if health.paused => "paused",
            () if health.waiting == 0 => "idle",
            () if is_failing => "failing",
            () => "sending",
        };
        Self {
            endpoint: id,
            url: endpoint.shown_url(),
            events: endpoint.events.iter().map(|kind| kind.as_str()).collect(),
            channel_prefix: endpoint.channel_prefix,
            channel_suffix: endpoint.channel_suffix,
            batch: endpoint.batch,
            state,
            waiting: health.waiting,
            oldest_ms: millis(health.oldest),
            attempts: health.attempts,
            failures: health.failures,
            delivered: health.delivered,
            dead,
            log: log.into_iter().map(Tried::from).collect(),
        }
    }
}

impl From<Attempt> for Tried {
    fn from(attempt: Attempt) -> Self {
        let Attempt { at_ms, delivery, events, attempt, status, failure, took, again_in } = attempt;
        let (ms, retry_in_ms) = (millis(took), again_in.map(millis));
        Self { at: date(at_ms), delivery, events, attempt, status, error: failure, ms, retry_in_ms }
    }
}

impl From<(String, Dead)> for DeadLetter {
    fn from((endpoint, Dead { event, at_ms, why }): (String, Dead)) -> Self {
        Self {
            id: event.id.to_string(),
            endpoint,
            time_ms: event.time_ms,
            at: date(at_ms),
            error: why,
            event: serde_json::from_str(event.body.get()).unwrap_or_default(),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn date(at_ms: u64) -> String {
    // It may come from another node, and later years cannot be written.
    let at = UNIX_EPOCH + Duration::from_millis(at_ms.min(LAST_MS));
    humantime::format_rfc3339_millis(at).to_string()
}

/// Tells how the app's endpoints do.
pub(super) async fn list(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let status = match api.node.webhooks() {
        Some(webhooks) => webhooks.status(&request.app.id).await.map_err(|_| ApiError::webhooks_are_silent())?,
        None => Vec::new(),
    };
    Ok(Answer::ok(&Webhooks { endpoints: status.into_iter().map(Endpoint::from).collect() }))
}

/// Lists the app's dead letters.
pub(super) async fn dead(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let limit = match request.query.get("limit") {
        None => LIMIT,
        Some(text) => text.parse().ok().filter(|limit| (1..=MOST).contains(limit)).ok_or_else(|| {
            ApiError::bad_request(format!("limit is {text:.50?}: it must be a whole number from 1 to {MOST}"))
        })?,
    };
    let endpoint = request.query.get("endpoint");
    let mut dead = match api.node.webhooks() {
        Some(webhooks) => webhooks.dead(&request.app.id).await.map_err(|_| ApiError::webhooks_are_silent())?,
        None => Vec::new(),
    };
    dead.retain(|(of, _)| endpoint.is_none_or(|endpoint| endpoint == of));
    let total = dead.len();
    Ok(Answer::ok(&DeadLetters { total, dead: dead.into_iter().take(limit).map(DeadLetter::from).collect() }))
}

/// Sends dead letters after all.
pub(super) async fn replay(State(api): State<Api>, request: SignedRequest) -> Result<Answer, ApiError> {
    let Replay { endpoint, ids } = match request.text()?.trim() {
        "" => Replay::default(),
        text => serde_json::from_str(text).map_err(|error| {
            ApiError::bad_request(format!("The body must be {{\"endpoint\": \"...\", \"ids\": [\"...\"]}}: {error}"))
        })?,
    };
    let read = |text: &String| {
        text.parse::<EventId>().map_err(|why| ApiError::bad_request(format!("ids has {text:.100?}: {why}")))
    };
    let ids = ids.map(|ids| ids.iter().map(read).collect::<Result<Vec<_>, _>>()).transpose()?;
    let replayed = match api.node.webhooks() {
        Some(webhooks) => {
            let replayed = webhooks.replay(&request.app.id, endpoint, ids).await;
            replayed.map_err(|_| ApiError::webhooks_are_silent())?
        }
        None => 0,
    };
    Ok(Answer::ok(&Replayed { replayed }))
}
