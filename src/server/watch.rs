//! The listener for those who watch the server, apart from the one for clients and back ends. It outlives that one, so
//! that it can be seen how the server stops.

use super::Fatal;
use super::arrival::Arrivals;
use super::http::Http;
use super::listener::{Listener, tcp};
use crate::config::Metrics;
use axum::Router;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A listener that has its port but does not accept yet.
#[derive(Debug)]
pub(super) struct Watch(TcpListener);

impl Watch {
    /// Takes the configured port; `None` if there is none. Who takes over the server's port takes over this one too.
    pub(super) async fn bind(Metrics { host, port }: &Metrics, reuse: bool) -> Result<Option<Self>, Fatal> {
        let (host, Some(port)) = (host.clone(), *port) else { return Ok(None) };
        match tcp(&host, port, reuse).await {
            Ok(listener) => Ok(Some(Self(listener))),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => {
                    Fatal::Bind { host, port, error, hint: "choose another metrics.port" }
                }
                _ => {
                    let hint = "it must be an address or a name of this machine, such as 127.0.0.1";
                    Fatal::Host { setting: "metrics.host", host, error, hint }
                }
            }),
        }
    }

    /// The address listened on.
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves `router` with the times of `http`, until it is dropped.
    pub(super) async fn run(self, http: Http, router: Router) {
        let arrivals = Arrivals { proxy_protocol: false, tls: None, ..http.arrivals };
        let http = Http { arrivals, router, tasks: TaskTracker::new(), stop: CancellationToken::new(), ..http };
        http.accept(&Listener::plain(self.0)).await;
    }
}
