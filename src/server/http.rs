//! HTTP on every connection, until it ends or becomes a WebSocket.
//!
//! Must not know: routes, and what becomes of WebSockets.

use super::arrival::Arrivals;
use super::listener::{Listener, Raw};
use crate::transport::deadline::Deadline;
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A request head of up to this size passes; more than any SDK sends. hyper gives up, with 431, once so much is
/// buffered and the head has not ended: one that arrives all at once may be almost twice as large.
const HEAD_BYTES: usize = 32 * 1024;
/// How long a request that is under way when the server stops may take.
const LAST_REQUEST: Duration = Duration::from_secs(5);

/// Between two complaints that connections cannot be accepted.
const COMPLAIN_AGAIN: Duration = Duration::from_secs(60);

/// How connections are served.
#[derive(Clone, Debug)]
pub(super) struct Http {
    pub(super) arrivals: Arrivals,
    pub(super) router: Router,
    pub(super) header_timeout: Duration,
    /// For answers that a client does not read.
    pub(super) write_timeout: Duration,
    /// Every connection's task, until it has become a WebSocket.
    pub(super) tasks: TaskTracker,
    /// Tells connections that speak HTTP to end after the request in hand.
    pub(super) stop: CancellationToken,
}

impl Http {
    /// Serves whoever connects, for ever.
    pub(super) async fn accept(&self, listener: &Listener) {
        let mut told: Option<Instant> = None;
        loop {
            match listener.accept().await {
                Ok(raw) => self.take(raw),
                Err(error) => {
                    // Out of file descriptors or memory: the connections that exist go on, and some of them end.
                    if told.is_none_or(|told| told.elapsed() >= COMPLAIN_AGAIN) {
                        told = Some(Instant::now());
                        tracing::error!("cannot accept connections: {error} (told once a minute)");
                    }
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Serves a connection.
    pub(super) fn take(&self, raw: Raw) {
        self.tasks.spawn(self.clone().serve(raw));
    }

    async fn serve(self, raw: Raw) {
        let (stream, peer) = match Box::pin(self.arrivals.receive(raw)).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!("a connection ended before its first request: {error}");
                return;
            }
        };
        let router = TowerToHyperService::new(self.router);
        let service = service_fn(move |mut request| {
            request.extensions_mut().insert(peer);
            hyper::service::Service::call(&router, request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(Deadline::new(stream, self.write_timeout)), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                timeout(LAST_REQUEST, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!("HTTP connection ended: {error}");
        }
    }
}
