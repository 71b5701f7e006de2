//! Requests to JetStream, made by hand: they are few, and the library's part for it knows streams only by what they hold.

use crate::broker::{Error, Topic};
use async_nats::{Client, Message, RequestErrorKind};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// JetStream's errors that say that there is none for us: switched off for the account, or altogether.
pub(super) const OFF: [u64; 2] = [10_039, 10_076];

/// That a stream exists already, with settings that somebody has changed.
const EXISTS: u64 = 10_058;

/// That there is no such stream.
const MISSING: u64 = 10_059;

/// How long JetStream has for something: what is published waits for it, on whatever channel.
const WITHIN: Duration = Duration::from_secs(1);

/// How long it is not asked for anything after it has not answered.
const REST: Duration = Duration::from_secs(3);

/// Whether JetStream answers to what it is used for. Each use has its own, for of a cluster only a part may be away.
#[derive(Debug, Default)]
pub(super) struct JetStream {
    /// When it has not answered last, though the server did.
    silent: Mutex<Option<Instant>>,
}

/// What became of a request.
pub(super) enum Answer {
    Message(Message),
    /// Nobody listens there.
    Nobody,
}

/// What JetStream answers to most requests.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Reply {
    pub(super) error: Option<Failure>,
    /// Which of them took an entry.
    pub(super) stream: Option<String>,
    pub(super) streams: Option<Vec<String>>,
    pub(super) total: usize,
}

/// That it did not do it.
#[derive(Deserialize)]
pub(super) struct Failure {
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    description: String,
}

impl JetStream {
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
}

/// Asks JetStream. `None` where there is none.
pub(super) async fn request(client: &Client, address: &str, body: &Value) -> Result<Option<Reply>, Error> {
    let Answer::Message(message) = send(client, address, body.to_string().into()).await? else { return Ok(None) };
    let reply = parse(&message)?;
    match reply.error {
        Some(failure) if OFF.contains(&failure.err_code) => Ok(None),
        // These only tell what there is.
        Some(failure) if ![EXISTS, MISSING].contains(&failure.err_code) => Err(failure.refused()),
        _ => Ok(Some(reply)),
    }
}

/// Asks whoever listens there.
pub(super) async fn send(client: &Client, address: &str, payload: Bytes) -> Result<Answer, Error> {
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

/// What is said when nobody answers.
pub(super) fn unavailable() -> Error {
    Error::Refused("JetStream does not answer".to_owned())
}

/// What JetStream says.
pub(super) fn parse(message: &Message) -> Result<Reply, Error> {
    serde_json::from_slice(&message.payload)
        .map_err(|error| Error::Refused(format!("JetStream answers with what is not understood: {error}")))
}

impl Reply {
    /// Whether it is that there is no such stream.
    pub(super) fn missing(&self) -> bool {
        self.error.as_ref().is_some_and(|failure| failure.err_code == MISSING)
    }
}

impl Failure {
    /// What the caller is told.
    pub(super) fn refused(&self) -> Error {
        Error::Refused(format!("JetStream says: {} ({})", self.description, self.err_code))
    }
}

/// A topic in ASCII letters and digits and `more`, which must not have the `=` that stands before everything else.
pub(super) fn fit(topic: &Topic, more: &[u8]) -> String {
    let mut name = String::new();
    for byte in topic.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || more.contains(&byte) {
            name.push(char::from(byte));
        } else {
            write!(name, "={byte:02x}").expect("text can be written to a String");
        }
    }
    name
}
