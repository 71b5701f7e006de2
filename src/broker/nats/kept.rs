//! What is remembered: key-value buckets of JetStream, one for each time to live, since a bucket's values all live as
//! long. `nats kv ls` shows them. Each lies on one server of a cluster until somebody gives it replicas
//! (`nats stream edit`): what it keeps is away while that server is, as caches may be.
//!
//! The requests are made here, for they are few, and the library's part for JetStream knows only buckets by name.

use crate::broker::{Error, Topic};
use async_nats::{Client, Message, RequestErrorKind, StatusCode};
use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How the streams of our buckets are named, before the time to live in milliseconds.
const STREAM: &str = "KV_fanfare_";

/// JetStream's errors that say that there is none for us: switched off for the account, or altogether.
const OFF: [u64; 2] = [10_039, 10_076];

/// That a stream exists already, with settings that somebody has changed.
const EXISTS: u64 = 10_058;

/// How long it counts which buckets there are, when something is remembered.
const FRESH: Duration = Duration::from_secs(10);

/// How long JetStream has for something: what is published waits for it, on whatever channel.
const WITHIN: Duration = Duration::from_secs(1);

/// How long it is not asked for anything after it has not answered.
const REST: Duration = Duration::from_secs(3);

/// What JetStream is used for.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// When it has not answered last, though the server did.
    silent: Mutex<Option<Instant>>,
    /// The streams of our buckets, if there is JetStream, as they were at a time.
    known: Mutex<Option<(Instant, Option<Vec<String>>)>>,
    /// Whether the log tells already that there is no JetStream.
    told: AtomicBool,
}

/// What became of a request.
enum Answer {
    Message(Message),
    /// Nobody listens there.
    Nobody,
}

/// What JetStream answers to most requests.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply {
    error: Option<Failure>,
    streams: Option<Vec<String>>,
    total: usize,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl Kept {
    /// Does `what` if JetStream answers, and finds out at most once in a while that it does not. `link` is the answer of
    /// the server itself to something asked at the same time: only from then on JetStream is late.
    pub(super) async fn in_time<T>(
        &self,
        link: impl Future<Output = Result<(), Error>>,
        what: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if self.silent.lock().is_some_and(|since| since.elapsed() < REST) {
            link.await?;
            return Err(unavailable());
        }
        let late = async {
            link.await?;
            sleep(WITHIN).await;
            Ok(())
        };
        tokio::select! {
            done = what => {
                *self.silent.lock() = None;
                done
            }
            late = late => {
                late?;
                *self.silent.lock() = Some(Instant::now());
                Err(unavailable())
            }
        }
    }

    /// Keeps `value` under `key` for `ttl`.
    pub(super) async fn put(&self, client: &Client, key: &Topic, value: &Bytes, ttl: Duration) -> Result<(), Error> {
        let key = fit(key);
        // Zero would be for ever, and less than this is refused.
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(100, MOST_MILLIS);
        let stream = format!("{STREAM}{millis}");
        let Some(streams) = self.known(client).await? else { return Ok(()) };
        // What is kept for longer must not come back when this has gone.
        for other in streams.iter().filter(|other| **other != stream) {
            let filter = json!({ "filter": subject(other, &key) });
            request(client, &format!("$JS.API.STREAM.PURGE.{other}"), &filter).await?;
        }
        if !streams.contains(&stream) {
            create(client, &stream, millis).await?;
            *self.known.lock() = None;
        }
        match send(client, &subject(&stream, &key), value.clone()).await? {
            Answer::Message(message) => parse(&message)?.error.map_or(Ok(()), |failure| Err(failure.refused())),
            Answer::Nobody => {
                *self.known.lock() = None;
                Err(unavailable())
            }
        }
    }

    /// What is kept under `key`.
    pub(super) async fn get(&self, client: &Client, key: &Topic) -> Result<Option<Bytes>, Error> {
        let key = fit(key);
        let Some(streams) = self.streams(client).await? else { return Ok(None) };
        let mut newest: Option<(String, Bytes)> = None;
        let get = |stream: &String| {
            let address = format!("$JS.API.DIRECT.GET.{stream}.{}", subject(stream, &key));
            async move { send(client, &address, Bytes::new()).await }
        };
        for answer in join_all(streams.iter().map(get)).await {
            // Nobody answers for a bucket whose server is away: it is forgotten for now.
            let Answer::Message(message) = answer? else { continue };
            match message.status {
                None | Some(StatusCode::OK) => {}
                Some(StatusCode::NOT_FOUND) => continue,
                Some(_) => return Err(Error::Refused(message.description.unwrap_or_default())),
            }
            let time = message.headers.as_ref().and_then(|headers| headers.get("Nats-Time-Stamp"));
            // Without the Z, times of different precision are in order as texts.
            let time = time.map(|time| time.as_str().trim_end_matches('Z').to_owned()).unwrap_or_default();
            if newest.as_ref().is_none_or(|(newer, _)| *newer < time) {
                newest = Some((time, Bytes::copy_from_slice(&message.payload)));
            }
        }
        Ok(newest.map(|(_, value)| value))
    }

    /// What [`Kept::streams`] said not long ago.
    async fn known(&self, client: &Client) -> Result<Option<Vec<String>>, Error> {
        let known = self.known.lock().clone();
        if let Some((_, streams)) = known.filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(streams);
        }
        let streams = self.streams(client).await?;
        *self.known.lock() = Some((Instant::now(), streams.clone()));
        Ok(streams)
    }

    /// The streams of our buckets. `None` where the server has no JetStream.
    async fn streams(&self, client: &Client) -> Result<Option<Vec<String>>, Error> {
        let (mut streams, mut seen) = (Vec::new(), 0);
        loop {
            let body = json!({ "subject": "$KV.*.>", "offset": seen });
            let Some(reply) = request(client, "$JS.API.STREAM.NAMES", &body).await? else {
                self.tell();
                return Ok(None);
            };
            let page = reply.streams.unwrap_or_default();
            seen += page.len();
            let last = page.is_empty() || seen >= reply.total;
            streams.extend(page.into_iter().filter(|name| millis(name).is_some()));
            if last {
                return Ok(Some(streams));
            }
        }
    }

    fn tell(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the NATS server has no JetStream, so cache channels are kept by each node alone: add `jetstream {{}}` \
                 to its configuration"
            );
        }
    }
}

/// JetStream counts in nanoseconds, with a sign.
const MOST_MILLIS: u64 = i64::MAX as u64 / 1_000_000;

/// The time to live of the stream named so, if it is one of ours.
fn millis(stream: &str) -> Option<u64> {
    stream.strip_prefix(STREAM)?.parse().ok()
}

/// Makes a bucket. Two nodes may do so at once.
async fn create(client: &Client, stream: &str, millis: u64) -> Result<(), Error> {
    let settings = json!({
        "name": stream,
        "description": "the last events of Fanfare's cache channels",
        "subjects": [subject(stream, ">")],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_age": millis * 1_000_000,
        "max_msgs_per_subject": 1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_msg_size": -1,
        "max_consumers": -1,
        "num_replicas": 1,
        "allow_direct": true,
        "allow_rollup_hdrs": true,
        "deny_delete": true,
    });
    match request(client, &format!("$JS.API.STREAM.CREATE.{stream}"), &settings).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(unavailable()),
        Err(error) => Err(error),
    }
}

/// Asks JetStream. `None` where there is none.
async fn request(client: &Client, address: &str, body: &Value) -> Result<Option<Reply>, Error> {
    let Answer::Message(message) = send(client, address, body.to_string().into()).await? else { return Ok(None) };
    let reply = parse(&message)?;
    match reply.error {
        Some(failure) if OFF.contains(&failure.err_code) => Ok(None),
        Some(failure) if failure.err_code != EXISTS => Err(failure.refused()),
        _ => Ok(Some(reply)),
    }
}

async fn send(client: &Client, address: &str, payload: Bytes) -> Result<Answer, Error> {
    let error = match client.request(address.to_owned(), payload).await {
        Ok(message) => return Ok(Answer::Message(message)),
        Err(error) => error,
    };
    match error.kind() {
        RequestErrorKind::NoResponders => Ok(Answer::Nobody),
        // That JetStream is late would have been noticed sooner, if the server itself answers.
        RequestErrorKind::TimedOut | RequestErrorKind::Other => Err(Error::Down),
        RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
            Err(Error::Refused(error.to_string()))
        }
    }
}

fn unavailable() -> Error {
    Error::Refused("JetStream does not answer".to_owned())
}

fn parse(message: &Message) -> Result<Reply, Error> {
    serde_json::from_slice(&message.payload)
        .map_err(|error| Error::Refused(format!("JetStream answers with what is not understood: {error}")))
}

impl Failure {
    fn refused(&self) -> Error {
        Error::Refused(format!("JetStream says: {} ({})", self.description, self.err_code))
    }
}

/// Where the bucket of `stream` keeps `key`.
fn subject(stream: &str, key: &str) -> String {
    format!("$KV.{}.{key}", stream.trim_start_matches("KV_"))
}

/// `key` in the letters that keys of buckets may have.
fn fit(key: &Topic) -> String {
    let mut name = String::new();
    for byte in key.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            name.push(char::from(byte));
        } else {
            write!(name, "={byte:02x}").expect("text can be written to a String");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fit_for_buckets() {
        assert_eq!(fit(&Topic::new(&["a", "private-x.1", "#=", ""])), "a.private-x=252e1.=23=3d.=25");
        assert_eq!(subject("KV_fanfare_100", "a.b"), "$KV.fanfare_100.a.b");
    }

    #[test]
    fn streams_of_others_are_left_alone() {
        assert_eq!(millis("KV_fanfare_1800000"), Some(1_800_000));
        for other in ["KV_fanfare_x", "KV_fanfare_", "KV_other_1", "fanfare_1"] {
            assert_eq!(millis(other), None, "{other}");
        }
    }
}
