//! One connection: its subscriptions, what comes over them, and the round trips that prove what the server has done.

use super::topics::Topics;
use super::writer::{Made, Write, write};
use super::{Ask, DEADLINE, Reply, Up};
use crate::broker::{Error, Feed, Topic};
use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::stream::{Abortable, SelectAll, Stream, StreamExt};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tokio_util::task::AbortOnDropHandle;

/// How often a connection that nothing is expected of is asked whether it lives.
const PROBE: Duration = Duration::from_secs(1);

/// How long a round trip may take while other things arrive before it.
const PATIENCE: Duration = Duration::from_secs(3);

/// A smaller payload is copied: it would hold on to the library's read buffer of 64 KiB otherwise.
const COPIED: usize = 16 * 1024;

/// How a connection ended.
pub(super) enum End {
    /// Nobody holds the broker any more.
    Stopped,
    /// For this reason.
    Lost(String),
}

/// The state of one connection.
pub(super) struct Session<'a> {
    number: u64,
    topics: &'a mut Topics,
    feed: Feed,
    trouble: mpsc::Receiver<String>,
    writes: mpsc::UnboundedSender<Write>,
    made: mpsc::UnboundedReceiver<Made>,
    _writer: AbortOnDropHandle<()>,
    inbox: Option<Subscriber>,
    streams: SelectAll<Abortable<Named>>,
    /// Subscriptions and round trips so far.
    count: u64,
    waiting: VecDeque<(u64, Reply)>,
    /// The round trip that proves every subscription, until it has come back.
    proof: Option<u64>,
    /// The last round trip that was begun, and the last that came back.
    pinged: u64,
    echoed: u64,
    /// Since when a round trip is expected, or since the last that came back.
    since: Instant,
    /// Since when nothing has come.
    quiet: Instant,
    probe: Interval,
}

impl<'a> Session<'a> {
    /// Subscribes every topic on a new connection.
    pub(super) fn new(up: &Up, topics: &'a mut Topics, feed: Feed, trouble: mpsc::Receiver<String>) -> Self {
        let (writes, written) = mpsc::unbounded_channel();
        let (make, made) = mpsc::unbounded_channel();
        let writer = AbortOnDropHandle::new(tokio::spawn(write(up.client.clone(), written, make)));
        let mut probe = interval(PROBE);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut session = Self {
            number: up.session,
            topics,
            feed,
            trouble,
            writes,
            made,
            _writer: writer,
            inbox: None,
            streams: SelectAll::new(),
            count: 0,
            waiting: VecDeque::new(),
            proof: None,
            pinged: 0,
            echoed: 0,
            since: Instant::now(),
            quiet: Instant::now(),
            probe,
        };
        for topic in session.topics.all() {
            session.subscribe(topic);
        }
        session.proof = Some(session.ping());
        session
    }

    /// Runs until every subscription is proven to stand, which is `None`, or until the end. Its inputs: what is asked,
    /// what the writer has made, messages, round trips that come back, trouble of the connection, silence, and the time
    /// to look whether it lives.
    pub(super) async fn run(&mut self, asks: &mut mpsc::UnboundedReceiver<Ask>) -> Option<End> {
        loop {
            let expects = self.echoed < self.pinged;
            let deadline = (self.quiet + DEADLINE).min(self.since + PATIENCE);
            tokio::select! {
                ask = asks.recv() => match ask {
                    None => return Some(End::Stopped),
                    Some(Ask::Reset(session)) if session == self.number => return Some(lost("it was dropped to connect anew")),
                    Some(ask) => self.ask(ask),
                },
                made = self.made.recv() => match made {
                    None => return Some(lost("the server takes nothing")),
                    Some(made) => self.adopt(made),
                },
                Some((topic, message)) = self.streams.next(), if !self.streams.is_empty() => {
                    self.quiet = Instant::now();
                    if !self.feed.message(topic, owned(message.payload)) {
                        return Some(lost("more messages wait for this node than it may hold"));
                    }
                }
                echo = next(&mut self.inbox) => {
                    let Some(message) = echo else { return Some(lost("the connection was lost")) };
                    if self.echo(&message) {
                        return None;
                    }
                }
                Some(why) = self.trouble.recv() => return Some(lost(&why)),
                () = sleep_until(deadline), if expects => return Some(lost("the server does not answer")),
                _ = self.probe.tick(), if !expects => {
                    self.ping();
                }
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Subscribe(topic, reply) => {
                if !self.topics.wants(&topic) {
                    self.subscribe(topic);
                }
                self.promise(reply);
            }
            Ask::Unsubscribe(topic) => self.topics.forget(&topic),
            Ask::Confirm(session, reply) if session == self.number => self.promise(reply),
            Ask::Confirm(_, reply) => {
                let _ = reply.send(Err(Error::Down));
            }
            Ask::Reset(_) => {}
        }
    }

    /// Answers once the server has done all that was asked so far.
    fn promise(&mut self, reply: Reply) {
        if self.proof.is_some() {
            self.proof = Some(self.ping());
            let _ = reply.send(Err(Error::Down));
            return;
        }
        let ping = self.ping();
        self.waiting.push_back((ping, reply));
    }

    fn subscribe(&mut self, topic: Topic) {
        self.count += 1;
        self.topics.ask(topic.clone(), self.count);
        // If the writer has ended, `run` sees it.
        let _ = self.writes.send(Write::Subscribe(topic, self.count));
    }

    fn ping(&mut self) -> u64 {
        if self.echoed == self.pinged {
            self.moved();
        }
        self.count += 1;
        self.pinged = self.count;
        let _ = self.writes.send(Write::Ping(self.count));
        self.count
    }

    /// Takes note that what is expected comes nearer.
    fn moved(&mut self) {
        self.quiet = Instant::now();
        self.since = self.quiet;
    }

    fn adopt(&mut self, made: Made) {
        // Until every subscription stands the round trip that proves them waits for all of them to be written.
        if self.proof.is_some() {
            self.moved();
        }
        match made {
            Made::Inbox(subscriber) => self.inbox = Some(subscriber),
            Made::Topic(topic, number, subscriber) => {
                if let Some(registration) = self.topics.made(&topic, number) {
                    self.streams.push(Abortable::new(Named { topic, subscriber }, registration));
                }
            }
        }
    }

    /// Takes a round trip that came back. Whether it proves that every subscription stands.
    fn echo(&mut self, message: &Message) -> bool {
        let Ok(number) = message.payload[..].try_into().map(u64::from_be_bytes) else { return false };
        self.echoed = number;
        self.moved();
        while self.waiting.front().is_some_and(|(ping, _)| *ping <= number) {
            if let Some((_, reply)) = self.waiting.pop_front() {
                let _ = reply.send(Ok(()));
            }
        }
        let proven = self.proof.is_some_and(|ping| ping <= number);
        if proven {
            self.proof = None;
        }
        proven
    }

    /// Tells whoever waits that it was in vain.
    pub(super) fn fail(&mut self) {
        for (_, reply) in self.waiting.drain(..) {
            let _ = reply.send(Err(Error::Down));
        }
    }
}

fn lost(why: &str) -> End {
    End::Lost(why.to_owned())
}

fn owned(payload: Bytes) -> Bytes {
    if payload.len() < COPIED { Bytes::copy_from_slice(&payload) } else { payload }
}

/// What comes next to the inbox, once there is one.
async fn next(inbox: &mut Option<Subscriber>) -> Option<Message> {
    match inbox {
        Some(inbox) => inbox.next().await,
        None => std::future::pending().await,
    }
}

/// A subscription that says which topic it is of.
struct Named {
    topic: Topic,
    subscriber: Subscriber,
}

impl Stream for Named {
    type Item = (Topic, Message);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let message = ready!(self.subscriber.poll_next_unpin(context));
        Poll::Ready(message.map(|message| (self.topic.clone(), message)))
    }
}
