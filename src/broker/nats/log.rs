//! Logs: a stream of JetStream for each, which listens to the log's topic. `nats stream ls` shows them. Each lies on one
//! server of a cluster until somebody gives it replicas (`nats stream edit`): without that server there is no log. With replicas, a read may miss for a moment what was
//! appended last, as any of them answers it.

use super::jetstream::{Answer, JetStream, OFF, fit, parse, request, send};
use crate::broker::{Error, LOG_ENTRIES, Position, Topic};
use async_nats::{Client, HeaderMap, Message, StatusCode};
use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashSet;

/// How the streams of our logs are named, before the topic.
const STREAM: &str = "FANFARE_LOG_";

/// What names of streams may have besides letters and digits.
const NAME: &[u8] = b"-_";

/// What is asked for at once to begin with, and how many times as much each time after, since entries may be large.
const CHUNK: usize = 4;

/// How much comes from one read, unless the last entries that were asked for are larger.
const READ_BYTES: usize = 1 << 20;

/// What this node knows of the logs.
#[derive(Debug, Default)]
pub(super) struct Logs {
    jetstream: JetStream,
    /// Those that have a stream.
    known: Mutex<HashSet<Topic>>,
}

/// Entries and where they lie.
type Entries = Vec<(Position, Bytes)>;

impl Logs {
    /// Does `what` with a log if JetStream answers. `link` is as for [`JetStream::in_time`].
    pub(super) async fn in_time<T>(
        &self,
        log: &Topic,
        link: impl Future<Output = Result<(), Error>>,
        what: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let done = self.jetstream.in_time(link, what).await;
        if done.is_err() {
            // The stream may be gone, which nothing tells.
            self.known.lock().remove(log);
        }
        done
    }

    /// Appends an entry. A log that is new to this node gets its stream first: should somebody else listen to the topic
    /// (`nats sub ">"`), nothing would tell that there is none.
    pub(super) async fn append(&self, client: &Client, log: &Topic, entry: &Bytes) -> Result<(), Error> {
        let stream = stream(log);
        for _ in 0..2 {
            if !self.known.lock().contains(log) {
                create(client, log, &stream).await?;
                self.known.lock().insert(log.clone());
            }
            match send(client, log.as_str(), entry.clone()).await? {
                Answer::Message(message) => return taken(&message, &stream),
                // Somebody has deleted the stream.
                Answer::Nobody => self.known.lock().remove(log),
            };
        }
        Err(away(&stream))
    }

    /// Entries from `from` on, at most `most`. A log that is new to this node is looked for first: to a question about a
    /// stream that there is not, JetStream is silent.
    pub(super) async fn read(
        &self,
        client: &Client,
        log: &Topic,
        from: Position,
        most: usize,
    ) -> Result<Entries, Error> {
        let mut entries = Entries::new();
        if from.0 > 0 {
            return Ok(entries);
        }
        let stream = stream(log);
        if !self.known.lock().contains(log) {
            if !exists(client, &stream).await? {
                return Ok(entries);
            }
            self.known.lock().insert(log.clone());
        }
        // The entry itself, or the first after it if it is gone.
        let first = json!({ "seq": from.1, "next_by_subj": log.as_str() });
        let Some(first) = get(client, &stream, &first).await? else { return Ok(entries) };
        let (mut next, mut bytes, mut chunk) = (first.0.next().1, first.1.len(), CHUNK);
        entries.push(first);
        while entries.len() < most && bytes < READ_BYTES {
            let numbers = (next..).take(chunk.min(most - entries.len()));
            let questions: Vec<_> = numbers.map(|seq| json!({ "seq": seq })).collect();
            for entry in join_all(questions.iter().map(|question| get(client, &stream, question))).await {
                // The log's end, or a gap that the next read begins after.
                let Some(entry) = entry? else { return Ok(entries) };
                bytes += entry.1.len();
                entries.push(entry);
            }
            next = next.saturating_add(chunk as u64);
            chunk *= CHUNK;
        }
        Ok(entries)
    }
}

/// Makes the stream of a log, unless there is one. Two nodes may do so at once.
async fn create(client: &Client, log: &Topic, stream: &str) -> Result<(), Error> {
    let settings = json!({
        "name": stream,
        "description": "what Fanfare's nodes tell each other in one order",
        "subjects": [log.as_str()],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_msgs": LOG_ENTRIES,
        "max_bytes": -1,
        "max_msg_size": -1,
        "max_consumers": -1,
        "num_replicas": 1,
        "allow_direct": true,
        "deny_delete": true,
    });
    match request(client, &format!("$JS.API.STREAM.CREATE.{stream}"), &settings).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(none()),
        // Of two nodes, one may hear that the subject is another stream's already: that of the other node.
        Err(refused) => {
            if exists(client, stream).await? {
                Ok(())
            } else {
                Err(refused)
            }
        }
    }
}

/// Whether there is such a stream.
async fn exists(client: &Client, stream: &str) -> Result<bool, Error> {
    match request(client, &format!("$JS.API.STREAM.INFO.{stream}"), &json!({})).await? {
        Some(reply) => Ok(!reply.missing()),
        None => Err(none()),
    }
}

/// What is at a place in a stream, if there is something.
async fn get(client: &Client, stream: &str, place: &Value) -> Result<Option<(Position, Bytes)>, Error> {
    let address = format!("$JS.API.DIRECT.GET.{stream}");
    let Answer::Message(message) = send(client, &address, place.to_string().into()).await? else {
        return Err(away(stream));
    };
    match message.status {
        None | Some(StatusCode::OK) => {}
        Some(StatusCode::NOT_FOUND) => return Ok(None),
        Some(_) => return Err(Error::Refused(message.description.unwrap_or_default())),
    }
    let number = |headers: &HeaderMap| headers.get("Nats-Sequence")?.as_str().parse().ok();
    let number = message.headers.as_ref().and_then(number);
    let number = number.ok_or_else(|| Error::Refused("JetStream gives an entry without its number".to_owned()))?;
    // It would hold on to the library's read buffer otherwise.
    Ok(Some((Position(0, number), Bytes::copy_from_slice(&message.payload))))
}

/// Whether an entry was taken, and by our stream: another one that listens to the topic as well would answer too.
fn taken(message: &Message, stream: &str) -> Result<(), Error> {
    let reply = parse(message)?;
    if let Some(failure) = reply.error {
        return Err(if OFF.contains(&failure.err_code) { none() } else { failure.refused() });
    }
    match reply.stream {
        Some(by) if by == stream => Ok(()),
        by => Err(Error::Refused(format!("an entry went to {by:?} and not to the stream {stream}"))),
    }
}

fn none() -> Error {
    Error::Refused("the NATS server has no JetStream: add `jetstream {}` to its configuration".to_owned())
}

fn away(stream: &str) -> Error {
    Error::Refused(format!("nobody answers for the stream {stream}"))
}

/// The name of the stream of a log.
fn stream(log: &Topic) -> String {
    format!("{STREAM}{}", fit(log, NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn streams_are_named_after_their_logs() {
        assert_eq!(stream(&Topic::new(&["fanfare", "$x", "a.b"])), "FANFARE_LOG_fanfare=2e=24x=2ea=252eb");
    }

    proptest! {
        #[test]
        fn different_logs_have_different_streams(one in ".{0,4}", two in ".{0,4}") {
            let name = |name: &str| stream(&Topic::named(name));
            prop_assert_eq!(name(&one) == name(&two), one == two);
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte);
            prop_assert!(name(&one).bytes().all(allowed));
        }
    }
}
