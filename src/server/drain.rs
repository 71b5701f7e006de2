//! The end of a server that is asked to stop: its connections go one after the other, and back ends are served until
//! the last has gone.
//!
//! Must not know: signals, and what else is to be ended.

use super::http::Http;
use super::listener::Listener;
use crate::node::{Node, Outbox};
use crate::protocol::CloseCode;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::task::TaskTracker;

/// Connections closed a second at least: a few of them need no long window.
const AT_LEAST: u32 = 100;
/// Between two steps of closing.
const STEP: Duration = Duration::from_millis(20);
/// How long webhooks may take to hear that another process may take over.
const TELL_WITHIN: Duration = Duration::from_secs(1);
/// How long clients that have been told to go, and requests under way, may take.
const LAST: Duration = Duration::from_secs(9);

/// How a server stops.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    /// How long it goes on as before, but for `/ready`.
    pub(super) delay: Duration,
    /// Over how long connections are closed.
    pub(super) window: Duration,
    /// Whether another process may take over the port.
    pub(super) shares_port: bool,
}

impl Drain {
    /// Closes everything in an orderly way, at once where `hasten` resolves. When it returns, whoever is still connected
    /// has been given up.
    pub(super) async fn run(
        self,
        node: &Node,
        http: &Http,
        sockets: &TaskTracker,
        listener: Listener,
        hasten: impl Future<Output = ()>,
    ) {
        node.readiness().begin_drain();
        if self.shares_port
            && let Some(webhooks) = node.webhooks()
        {
            let _ = timeout(TELL_WITHIN, webhooks.hold_endings()).await;
        }
        let mut hasten = std::pin::pin!(hasten);
        let (tell, mut giving) = watch::channel(listener.has_successor());
        let mut doors = Box::pin(doors(http, listener, tell));
        let delayed = async {
            sleep(self.delay).await;
            let _ = giving.wait_for(|giving| !giving).await;
        };
        let hastened = tokio::select! {
            () = delayed => false,
            () = &mut doors => false,
            () = &mut hasten => true,
        };
        let end = async {
            let window = if hastened { Duration::ZERO } else { self.window };
            tokio::select! {
                () = close_over(window, shuffled(node)) => {}
                () = &mut hasten, if !hastened => {}
            }
            let deadline = Instant::now() + LAST;
            close_rest(node, sockets, deadline).await;
            deadline
        };
        let deadline = tokio::select! {
            deadline = end => deadline,
            () = &mut doors => Instant::now(),
            () = refuse(sockets, giving) => Instant::now(),
        };
        drop(doors);
        http.tasks.close();
        http.stop.cancel();
        // Their answers have no end of their own.
        node.end_feeds();
        tokio::select! {
            () = http.tasks.wait() => {}
            () = sleep_until(deadline) => {}
        }
        let left = http.tasks.len() + sockets.len();
        if left > 0 {
            tracing::warn!(connections = left, "stopped with connections open");
        }
    }
}

/// Serves whoever connects, for ever. Once other processes listen on the port it is left to them, and `giving` tells
/// whether newcomers who were on their way here still arrive.
async fn doors(http: &Http, mut listener: Listener, giving: watch::Sender<bool>) {
    tokio::select! {
        () = http.accept(&listener) => {}
        () = listener.given_way(|is| _ = giving.send_if_modified(|was| std::mem::replace(was, is) != is)) => {}
    }
    listener.close_port().into_iter().for_each(|raw| http.take(raw));
    giving.send_replace(false);
    http.accept(&listener).await;
}

/// Sends away who still comes for a WebSocket, unless there is another process by now that would have taken them.
async fn refuse(sockets: &TaskTracker, mut giving: watch::Receiver<bool>) {
    loop {
        match *giving.borrow_and_update() {
            true => sockets.reopen(),
            false => sockets.close(),
        };
        if giving.changed().await.is_err() {
            return;
        }
    }
}

/// Every open connection, in random order: neighbours in a list often are clients of one page, or of one house.
fn shuffled(node: &Node) -> Vec<Arc<Outbox>> {
    let random = RandomState::new();
    let mut outboxes: Vec<_> = open(node).enumerate().collect();
    outboxes.sort_by_cached_key(|(n, _)| random.hash_one(n));
    outboxes.into_iter().map(|(_, outbox)| outbox).collect()
}

fn open(node: &Node) -> impl Iterator<Item = Arc<Outbox>> {
    node.outboxes().into_iter().filter(|outbox| !outbox.is_closed())
}

/// Closes `outboxes` evenly over `window`, or sooner if they are few, so that clients do not all come back at once (E4).
async fn close_over(window: Duration, outboxes: Vec<Arc<Outbox>>) {
    let count = u32::try_from(outboxes.len()).unwrap_or(u32::MAX);
    let window = window.min(Duration::from_secs(1) * count / AT_LEAST);
    let start = Instant::now();
    let mut step = interval(STEP);
    step.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut closed = 0;
    while closed < outboxes.len() {
        step.tick().await;
        let part = if window.is_zero() { 1.0 } else { start.elapsed().as_secs_f64() / window.as_secs_f64() };
        let due = (part.min(1.0) * f64::from(count)).round() as usize;
        outboxes[closed..due.max(closed)].iter().for_each(|outbox| outbox.close(CloseCode::Reconnect));
        closed = closed.max(due);
    }
}

/// Closes who is left, among them who came in late, and waits until all have gone, or `deadline`.
async fn close_rest(node: &Node, sockets: &TaskTracker, deadline: Instant) {
    let gone = async {
        loop {
            open(node).for_each(|outbox| outbox.close(CloseCode::Reconnect));
            // A handshake that was under way is in the list a moment later.
            if timeout(Duration::from_millis(50), sockets.wait()).await.is_ok() {
                return;
            }
        }
    };
    tokio::select! {
        () = gone => {}
        () = sleep_until(deadline) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `count` connections are closed after each second.
    async fn closed(count: u32, window: u64) -> Vec<usize> {
        let outboxes: Vec<_> = (0..count).map(|_| Arc::new(Outbox::new(1024, std::time::Instant::now()))).collect();
        let end = tokio::spawn(close_over(Duration::from_secs(window), outboxes.clone()));
        let mut found = Vec::new();
        while !end.is_finished() {
            found.push(outboxes.iter().filter(|outbox| outbox.is_closed()).count());
            sleep(Duration::from_secs(1)).await;
        }
        assert!(outboxes.iter().all(|outbox| outbox.is_closed()));
        found
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_closed_evenly() {
        let found = closed(30_000, 30).await;
        assert_eq!(found.len(), 31, "{found:?}");
        assert!(found.windows(2).all(|pair| pair[1].abs_diff(pair[0] + 1000) <= 50), "{found:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_need_no_long_window() {
        let found = closed(200, 30).await;
        assert!(found.len() == 3 && (95..=105).contains(&found[1]), "{found:?}");
        assert_eq!(closed(10_000, 0).await.len(), 1);
        assert!(closed(0, 30).await.len() <= 1);
    }
}
