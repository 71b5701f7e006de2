//! What is remembered: key-value buckets of JetStream, one for each time to live, since a bucket's values all live as
//! long. `nats kv ls` shows them. Each lies on one server of a cluster until somebody gives it replicas
//! (`nats stream edit`): what it keeps is away while that server is, as caches may be.

use super::jetstream::{Answer, JetStream, fit, parse, request, send, unavailable};
use crate::broker::{Error, Topic};
use async_nats::{Client, StatusCode};
use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How the streams of our buckets are named, before the time to live in milliseconds.
const STREAM: &str = "KV_fanfare_";

/// What keys of buckets may have besides letters and digits.
const KEY: &[u8] = b"-_.";

/// How long it counts which buckets there are, when something is remembered.
const FRESH: Duration = Duration::from_secs(10);

/// What this node knows of the buckets.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) jetstream: JetStream,
    /// The streams of our buckets, if there is JetStream, as they were at a time.
    known: Mutex<Option<(Instant, Option<Vec<String>>)>>,
    /// Whether the log tells already that there is no JetStream.
    told: AtomicBool,
}

impl Kept {
    /// Keeps `value` under `key` for `ttl`.
    pub(super) async fn put(&self, client: &Client, key: &Topic, value: &Bytes, ttl: Duration) -> Result<(), Error> {
        let key = fit(key, KEY);
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
        let key = fit(key, KEY);
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

/// Where the bucket of `stream` keeps `key`.
fn subject(stream: &str, key: &str) -> String {
    format!("$KV.{}.{key}", stream.trim_start_matches("KV_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fit_for_buckets() {
        assert_eq!(fit(&Topic::new(&["a", "private-x.1", "#=", ""]), KEY), "a.private-x=252e1.=23=3d.=25");
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
