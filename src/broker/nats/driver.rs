//! The task that keeps a node connected.

use super::options::Options;
use super::session::{End, Session};
use super::topics::Topics;
use super::{Ask, DEADLINE, Up};
use crate::broker::{Error, Feed, Link};
use async_nats::{Client, Event, ServerAddr, ServerError};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// Longest pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// A link that stood so long is made anew at once.
const STEADY: Duration = Duration::from_secs(1);

/// Connects, runs the connection, and begins again when it is lost.
pub(super) struct Driver {
    options: Arc<Options>,
    feed: Feed,
    asks: mpsc::UnboundedReceiver<Ask>,
    up: watch::Sender<Option<Up>>,
    topics: Topics,
    sessions: u64,
}

impl Driver {
    pub(super) fn new(
        options: Options,
        feed: Feed,
        asks: mpsc::UnboundedReceiver<Ask>,
        up: watch::Sender<Option<Up>>,
    ) -> Self {
        Self { options: Arc::new(options), feed, asks, up, topics: Topics::default(), sessions: 0 }
    }

    /// Runs until nobody holds the other end.
    pub(super) async fn run(mut self) {
        let mut complained = None;
        loop {
            let began = Instant::now();
            let Some(dialled) = self.meanwhile(dial(self.options.clone())).await else {
                return;
            };
            let why = match dialled {
                Err(why) => why,
                Ok((client, trouble)) => match self.stand(client, trouble, &mut complained).await {
                    End::Stopped => return,
                    End::Lost(why) => why,
                },
            };
            // The same cause again and again is told once.
            if complained.as_ref() != Some(&why) {
                tracing::warn!("no link to NATS, and trying on: {why}");
                complained = Some(why);
            }
            if began.elapsed() < STEADY && self.meanwhile(sleep(pause())).await.is_none() {
                return;
            }
        }
    }

    /// Runs one connection to its end.
    async fn stand(&mut self, client: Client, trouble: mpsc::Receiver<String>, complained: &mut Option<String>) -> End {
        self.sessions += 1;
        let up = Up { client, session: self.sessions };
        let mut session = Session::new(&up, &mut self.topics, self.feed.clone(), trouble);
        let mut told = false;
        let end = loop {
            let end = session.run(&mut self.asks).await;
            match end {
                // Every subscription stands.
                None => {
                    let server = up.client.server_info();
                    tracing::info!(
                        nats.server = server.server_name,
                        nats.version = server.version,
                        "the link to NATS is up"
                    );
                    *complained = None;
                    told = true;
                    self.up.send_replace(Some(up.clone()));
                    self.feed.link(Link::Up);
                }
                Some(end) => break end,
            }
        };
        self.up.send_replace(None);
        if told && !matches!(end, End::Stopped) {
            self.feed.link(Link::Down);
        }
        session.fail();
        end
    }

    /// Waits for `future`, and tells whoever asks meanwhile that the link is down. `None` when all are gone.
    async fn meanwhile<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        loop {
            let ask = tokio::select! {
                done = &mut future => return Some(done),
                ask = self.asks.recv() => ask?,
            };
            match ask {
                Ask::Subscribe(topic, reply) => {
                    self.topics.want(topic);
                    let _ = reply.send(Err(Error::Down));
                }
                Ask::Unsubscribe(topic) => self.topics.forget(&topic),
                Ask::Confirm(_, reply) => {
                    let _ = reply.send(Err(Error::Down));
                }
                Ask::Reset(_) => {}
            }
        }
    }
}

/// Tries each server once. Beside the client there is what tells, once, that its connection is of no use any more.
async fn dial(options: Arc<Options>) -> Result<(Client, mpsc::Receiver<String>), String> {
    let (tell, trouble) = mpsc::channel(1);
    let servers = options.servers.clone();
    let options = options.build(DEADLINE).event_callback(move |event| {
        let why = reason(&event);
        let tell = tell.clone();
        async move {
            if let Some(why) = why {
                // The first is enough.
                let _ = tell.try_send(why);
            }
        }
    });
    // The library's own deadline is for each address, and not for finding its name.
    let whole = DEADLINE * u32::try_from(servers.len() + 1).unwrap_or(u32::MAX);
    let client = match timeout(whole, options.connect(servers)).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => return Err(format!("cannot connect: {error}")),
        Err(_) => return Err("cannot connect: no answer in time".to_owned()),
    };
    // An address that refuses at once, so that the library gives up when it loses the connection.
    let nowhere: ServerAddr = "nats://127.0.0.1:0".parse().expect("an address");
    let retired = timeout(DEADLINE, client.set_server_pool(&[nowhere][..])).await;
    if !matches!(retired, Ok(Ok(()))) || client.statistics().connects.load(Ordering::Relaxed) != 1 {
        return Err("the connection was lost at once".to_owned());
    }
    Ok((client, trouble))
}

/// Why a connection is of no use after `event`.
fn reason(event: &Event) -> Option<String> {
    match event {
        Event::Disconnected | Event::Closed => Some("the connection was lost".to_owned()),
        Event::SlowConsumer(_) => Some("messages came faster than they were taken, and some were lost".to_owned()),
        // What is remembered is looked after where it is asked for.
        Event::ServerError(ServerError::Other(text)) if text.contains("\"$JS.") || text.contains("\"$KV.") => None,
        // A subscription or a message that is refused is one that is missing, and no other answer tells which.
        Event::ServerError(error) => Some(format!("the server says: {error}")),
        _ => None,
    }
}

/// Between a tenth and the whole of [`PAUSE`], so that nodes do not come all at once.
fn pause() -> Duration {
    let random = getrandom::u32().unwrap_or_default() % 1000;
    PAUSE / 10 + PAUSE.mul_f64(0.9 * f64::from(random) / 1000.0)
}
