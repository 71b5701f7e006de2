//! The bus over NATS: a topic is a subject of core NATS, what is remembered and logs lie in JetStream.
//!
//! The client is `async-nats`, the NATS project's own: it brings the protocol, TLS and four kinds of credentials, and
//! says when a subscription has lost a message. Of what it does by itself two things are not used. It would connect anew
//! and then send what was handed to it meanwhile, after what the caller does next: so each connection is a client of
//! its own, whose only other server is nowhere. And its `flush` only empties a buffer, while the server answers neither
//! PUB nor SUB: so a node listens on an inbox of its own and publishes there. Once that comes back, the server has done
//! what it was asked before, for it works through a connection in order. Whoever waits at the same time shares one such
//! round trip, and when nobody waits, one a second shows that the connection lives.
//!
//! `driver` makes one connection after the other, a `session` is one of them, and `writer` hands to the client what may
//! have to wait. `kept` is what is remembered and `log` the logs, which both ask `jetstream`.
//!
//! NATS must be 2.9 or later. A user with permissions needs to publish and subscribe `<prefix>.>` and `_INBOX.>`, and to
//! publish `$KV.*.>`, `$JS.API.STREAM.NAMES`, `$JS.API.STREAM.INFO.*`, `$JS.API.STREAM.CREATE.*`,
//! `$JS.API.STREAM.PURGE.*` and `$JS.API.DIRECT.GET.>`. What is not permitted takes the link down, for NATS does not say which message it was.
//!
//! What a round trip proves holds for the server it went to. The others of its cluster hear of a new subscription a
//! moment later; so all nodes try the servers in the same order and meet at one.
//!
//! Must not know: what a payload means.

mod driver;
mod jetstream;
mod kept;
mod log;
mod options;
mod session;
mod topics;
mod writer;

use super::{Error, Feed, Position, Topic};
use crate::config::Nats as Settings;
use async_nats::{Client, PublishErrorKind};
use bytes::Bytes;
use kept::Kept;
use log::Logs;
pub use options::SettingsError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// How long the server may be silent when something is expected of it.
const DEADLINE: Duration = Duration::from_secs(2);

/// Messages that may wait in the library for one topic. They wait until the driver's task runs, which only hands them
/// on; should they be more, the link is dropped.
const QUEUE: usize = 16_384;

/// A node's connection to NATS. Clones share it; it ends with the last.
#[derive(Clone)]
pub struct Nats {
    /// Not bounded, because `unsubscribe` cannot wait: there are no more of those than of `subscribe`, which does.
    asks: mpsc::UnboundedSender<Ask>,
    up: watch::Receiver<Option<Up>>,
    kept: Arc<Kept>,
    logs: Arc<Logs>,
}

/// A link that is up.
#[derive(Clone)]
struct Up {
    client: Client,
    /// Tells connections apart.
    session: u64,
}

impl Up {
    /// Whether the server takes a payload of this size.
    fn take(&self, payload: &Bytes) -> Result<(), Error> {
        let (bytes, limit) = (payload.len(), self.client.max_payload());
        if bytes > limit {
            return Err(Error::Refused(format!(
                "a message of {bytes} bytes is over the NATS server's max_payload of {limit}: raise it in its configuration"
            )));
        }
        Ok(())
    }
}

type Reply = oneshot::Sender<Result<(), Error>>;

/// What the driver's task is asked.
enum Ask {
    Subscribe(Topic, Reply),
    Unsubscribe(Topic),
    /// Whether the server has taken what was sent so far on the connection.
    Confirm(u64, Reply),
    /// To drop the connection, if it still is this one.
    Reset(u64),
}

impl Nats {
    /// Connects in the background; the feed tells when the link is up. Fails only where no connection could ever be
    /// made with these settings.
    pub fn connect(settings: &Settings, feed: Feed) -> Result<Self, SettingsError> {
        let options = options::Options::new(settings)?;
        let (asks, asked) = mpsc::unbounded_channel();
        let (up, seen) = watch::channel(None);
        tokio::spawn(driver::Driver::new(options, feed, asked, up).run());
        Ok(Self { asks, up: seen, kept: Arc::default(), logs: Arc::default() })
    }

    /// Whether anything could be connected to with these settings; reads the files that they name.
    pub fn examine(settings: &Settings) -> Result<(), SettingsError> {
        options::Options::new(settings).map(drop)
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.up().map_or(usize::MAX, |up| up.client.max_payload())
    }

    pub(super) async fn publish(&self, batch: &[(Topic, Bytes)]) -> Result<(), Error> {
        let up = self.up()?;
        for (_, payload) in batch {
            up.take(payload)?;
        }
        for (topic, payload) in batch {
            let sent = timeout(DEADLINE, up.client.publish(topic.as_str().to_owned(), payload.clone()));
            match sent.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if error.kind() == PublishErrorKind::Send => return Err(Error::Down),
                Ok(Err(error)) => return Err(Error::Refused(error.to_string())),
                Err(_) => {
                    self.ask(Ask::Reset(up.session));
                    return Err(Error::Down);
                }
            }
        }
        self.confirm(&up).await
    }

    pub(super) async fn subscribe(&self, topic: &Topic) -> Result<(), Error> {
        subject(topic)?;
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Subscribe(topic.clone(), reply));
        answer.await.unwrap_or(Err(Error::Down))
    }

    pub(super) fn unsubscribe(&self, topic: &Topic) {
        self.ask(Ask::Unsubscribe(topic.clone()));
    }

    pub(super) async fn remember(&self, key: &Topic, value: &Bytes, ttl: Duration) -> Result<(), Error> {
        let up = self.up()?;
        self.kept.jetstream.in_time(self.confirm(&up), self.kept.put(&up.client, key, value, ttl)).await
    }

    pub(super) async fn recall(&self, key: &Topic) -> Result<Option<Bytes>, Error> {
        let up = self.up()?;
        self.kept.jetstream.in_time(self.confirm(&up), self.kept.get(&up.client, key)).await
    }

    pub(super) async fn append(&self, log: &Topic, entry: &Bytes) -> Result<(), Error> {
        subject(log)?;
        let up = self.up()?;
        up.take(entry)?;
        self.logs.in_time(log, self.confirm(&up), self.logs.append(&up.client, log, entry)).await
    }

    pub(super) async fn read(&self, log: &Topic, from: Position, most: usize) -> Result<Vec<(Position, Bytes)>, Error> {
        subject(log)?;
        let up = self.up()?;
        self.logs.in_time(log, self.confirm(&up), self.logs.read(&up.client, log, from, most)).await
    }

    pub(super) fn reset(&self) {
        if let Ok(up) = self.up() {
            self.ask(Ask::Reset(up.session));
        }
    }

    fn up(&self) -> Result<Up, Error> {
        self.up.borrow().clone().ok_or(Error::Down)
    }

    /// Waits until the server has taken what was sent.
    async fn confirm(&self, up: &Up) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Confirm(up.session, reply));
        answer.await.unwrap_or(Err(Error::Down))
    }

    fn ask(&self, ask: Ask) {
        // The driver's task ends after this handle, unless the runtime stops; then nothing is left to be done.
        let _ = self.asks.send(ask);
    }
}

/// Whether a topic stands for itself alone. The library would refuse another on every connection, or it would stand for
/// more.
fn subject(topic: &Topic) -> Result<(), Error> {
    let name = topic.as_str();
    let odd = |part: &str| part.is_empty() || part.contains(['*', '>']);
    if name.split('.').any(odd) || name.contains(char::is_whitespace) {
        return Err(Error::Refused(format!("{topic:?} is no subject for NATS")));
    }
    Ok(())
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("up", &self.up.borrow().is_some()).finish_non_exhaustive()
    }
}
