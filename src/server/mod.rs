//! The listener: builds the parts, serves WebSockets and the HTTP API on one port, and stops in order.

mod bus;
mod telling;

use crate::api::{self, Api, ApiError};
use crate::app::Apps;
use crate::cluster::{Actor, Cluster, Sending};
use crate::config::{self, Config};
use crate::node::{Identity, Node};
use crate::protocol::CloseCode;
use crate::transport::deadline::Deadline;
use crate::transport::ws::{self, Upgrades};
use crate::webhooks::{self, Webhooks, Wish};
use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
pub use bus::Bus;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A request head of up to this size passes; more than any SDK sends. hyper gives up, with 431, once so much is
/// buffered and the head has not ended: one that arrives all at once may be almost twice as large.
const HEAD_BYTES: usize = 32 * 1024;
/// From the stop signal to the exit.
const STOP_WITHIN: Duration = Duration::from_secs(9);
/// How long webhooks may take after the last connection is gone, if nothing is left of that time.
const LAST_WEBHOOKS: Duration = Duration::from_millis(100);
/// How long webhooks may take to hear what happened last.
const LAST_NEWS: Duration = Duration::from_secs(1);
/// The part of it over which connections are closed, so that clients do not all come back at once (E4).
const CLOSE_OVER: Duration = Duration::from_secs(2);
/// How long a request that is under way at the stop signal may take.
const LAST_REQUEST: Duration = Duration::from_secs(5);
/// How long the others may take to be told that the server has stopped.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// Between two looks at what is due: what is told at most every 5 s is told with no more delay than this.
const SWEEP: Duration = Duration::from_millis(250);
/// Connections closed together.
const CLOSE_SLICE: usize = 500;

/// A server that has its port but does not accept yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    node: Arc<Node>,
    http: Http,
    cluster: Option<(Cluster, Actor)>,
    webhooks: Option<webhooks::Actor>,
    /// What webhooks say to those of other nodes.
    wishes: Option<mpsc::UnboundedReceiver<Wish>>,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The configured host is none of this machine's.
    #[error("server.host is {host:?} (--host, REVERB_SERVER_HOST or the config file): {error}; {hint}")]
    Host {
        /// The configured host.
        host: String,
        /// What the system said.
        error: io::Error,
        /// How to mend it.
        hint: &'static str,
    },
    /// The bus cannot be reached as configured.
    #[error("{0}")]
    Settings(String),
    /// The system refuses something that every server needs.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
    /// The port cannot be had.
    #[error("cannot listen on {host}:{port}: {error}; {hint}")]
    Bind {
        /// The configured host.
        host: String,
        /// The configured port.
        port: u16,
        /// What the system said.
        error: io::Error,
        /// How to mend it.
        hint: &'static str,
    },
}

#[derive(Clone, Debug)]
struct Http {
    router: Router,
    header_timeout: Duration,
    /// For answers that a client does not read.
    write_timeout: Duration,
    /// Every connection's task; closed when the server stops.
    tasks: TaskTracker,
    /// Tells connections that speak HTTP to end after the request in hand.
    stop: CancellationToken,
}

impl Server {
    /// Takes the configured port. With a bus the server is one of several.
    pub async fn bind(config: Config, bus: Option<Bus>) -> Result<Self, Fatal> {
        let config::Server { host, port, path, header_timeout_secs, body_timeout_secs, api_origins, .. } =
            config.server;
        let listener = TcpListener::bind((&*host, port)).await.map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => "another process listens there: stop it or choose another port",
                io::ErrorKind::PermissionDenied => "ports below 1024 need privileges: choose another port",
                _ => {
                    let hint = "it must be an address or a name of this machine, such as 0.0.0.0";
                    return Fatal::Host { host, error, hint };
                }
            };
            Fatal::Bind { host, port, error, hint }
        })?;
        let apps = Apps::new(config.apps);
        let me = Identity::new(format!("{}:{}", config::machine(), listener.local_addr()?.port()), SystemTime::now());
        let (node, cluster) = match bus {
            None => (Node::new(me, apps), None),
            Some(bus) => {
                let (node, cluster) = join(&me, apps, bus);
                (node, Some(cluster))
            }
        };
        let told: Vec<_> = node.apps().cloned().collect();
        let (log, wishes) = cluster.as_ref().map(|_| mpsc::unbounded_channel()).unzip();
        let webhooks = Webhooks::new(node.identity().id, &config.webhooks, &told, node.metrics().clone(), log);
        let (webhooks, telling) = webhooks.map_err(Fatal::Settings)?.unzip();
        let node = Arc::new(node.telling(webhooks));
        let tasks = TaskTracker::new();
        let upgrades = Upgrades { node: node.clone(), tasks: tasks.clone() };
        let body_timeout = Duration::from_secs(body_timeout_secs.into());
        let api = api::router(Api::new(node.clone(), &path, body_timeout), &api_origins);
        let header_timeout = Duration::from_secs(header_timeout_secs.into());
        let router = router(upgrades, api, &path);
        let http = Http { router, header_timeout, write_timeout: body_timeout, tasks, stop: CancellationToken::new() };
        Ok(Self { listener, node, http, cluster, webhooks: telling, wishes })
    }

    /// The address listened on, with the port that was found where 0 was asked for.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What serves the connections.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Serves until `stop` resolves, then closes every connection with 4200 and returns within 10 s.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { listener, node, http, cluster, webhooks, wishes } = self;
        let telling = webhooks.map(|actor| tokio::spawn(actor.run()));
        let (cluster, actor) = cluster.unzip();
        let tasks = cluster.as_ref().zip(actor).map(|(cluster, actor)| {
            // Ended below, once there is nothing more to say.
            [tokio::spawn(actor.run()), tokio::spawn(Sending::new(cluster).run())]
        });
        let log = cluster.clone().zip(wishes).zip(node.webhooks().cloned());
        let log = log.map(|((cluster, wishes), webhooks)| tokio::spawn(telling::follow(cluster, webhooks, wishes)));
        tokio::select! {
            () = stop => {}
            () = accept(&listener, &http) => {}
            () = sweep(&node) => {}
            () = tell(&node) => {}
        }
        let start = Instant::now();
        drop(listener);
        drain(&node, &http).await;
        if let Some(webhooks) = node.webhooks() {
            let _ = timeout(LAST_NEWS, telling::tell_all(&node, webhooks)).await;
            webhooks.stop(STOP_WITHIN.saturating_sub(start.elapsed()).max(LAST_WEBHOOKS)).await;
        }
        if let Some(cluster) = cluster {
            cluster.leave(LEAVE_WITHIN).await;
        }
        tasks.iter().flatten().chain(&telling).chain(&log).for_each(tokio::task::JoinHandle::abort);
    }
}

/// The node as one of several.
fn join(me: &Identity, apps: Apps, Bus { broker, inbox, settings }: Bus) -> (Node, (Cluster, Actor)) {
    let mut joined = None;
    let join = |hubs, metrics| joined.insert(Cluster::new(me.clone(), settings, broker, hubs, metrics)).clone();
    let node = Node::clustered(me.clone(), apps, join);
    let cluster = joined.expect("a node joins when it is made");
    let actor = Actor::new(&cluster, inbox);
    (node, (cluster, actor))
}

/// Both routers, at the root and below the prefix.
fn router(upgrades: Upgrades, api: Router, prefix: &str) -> Router {
    let routes =
        ws::router(upgrades.clone()).merge(api).method_not_allowed_fallback(async || ApiError::method_not_allowed());
    let stray =
        move |request: Request| async move { upgrades.stray(request, || ApiError::not_found().into_response()) };
    match prefix {
        "" => routes,
        prefix => Router::new().nest(prefix, routes.clone()).merge(routes),
    }
    .fallback(stray)
}

async fn sweep(node: &Node) {
    let mut due = interval(SWEEP);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        node.sweep();
    }
}

/// Hands on what happens to webhooks, if there are any.
async fn tell(node: &Node) {
    match node.webhooks() {
        Some(webhooks) => telling::tell(node, webhooks).await,
        None => std::future::pending().await,
    }
}

async fn accept(listener: &TcpListener, http: &Http) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                http.tasks.spawn(http.clone().serve(stream));
            }
            Err(error) => {
                // Out of file descriptors or memory: the connections that exist go on, and some of them end.
                tracing::error!("cannot accept a connection: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

impl Http {
    /// Serves HTTP on one connection until it ends or becomes a WebSocket, which goes on in a task of its own.
    async fn serve(self, stream: TcpStream) {
        // The server writes whole batches, so waiting to fill packets would only delay them.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(
                TokioIo::new(Deadline::new(stream, self.write_timeout)),
                TowerToHyperService::new(self.router),
            )
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

/// Closes everything in an orderly way, within `STOP_WITHIN`.
async fn drain(node: &Node, http: &Http) {
    let deadline = Instant::now() + STOP_WITHIN;
    // From here on no handshake is accepted, so the list of connections is final once those under way are in it.
    http.tasks.close();
    http.stop.cancel();
    close_all(node).await;
    let late = async {
        // A handshake that was under way when the list was taken.
        while timeout(Duration::from_millis(50), http.tasks.wait()).await.is_err() {
            close_all(node).await;
        }
    };
    tokio::select! {
        () = late => {}
        () = sleep_until(deadline) => tracing::warn!(connections = http.tasks.len(), "stopped with connections open"),
    }
}

async fn close_all(node: &Node) {
    let outboxes: Vec<_> = node.outboxes().into_iter().filter(|outbox| !outbox.is_closed()).collect();
    let slices = outboxes.chunks(CLOSE_SLICE);
    let pause = CLOSE_OVER / u32::try_from(slices.len().max(1)).unwrap_or(u32::MAX);
    for (n, slice) in slices.enumerate() {
        if n > 0 {
            sleep(pause).await;
        }
        for outbox in slice {
            outbox.close(CloseCode::Reconnect);
        }
    }
}
