//! The listener: builds the parts, serves WebSockets and the HTTP API on one port, and stops in order.

mod arrival;
mod bus;
mod change;
mod drain;
mod http;
mod listener;
#[cfg(target_os = "linux")]
mod shared_port;
mod telling;
mod tls;
mod watch;

use crate::api::{self, Api, ApiError};
use crate::app::Apps;
use crate::cluster::{Actor, Cluster, Sending};
use crate::config::{self, Config};
use crate::metrics::Route;
use crate::monitor;
use crate::node::{Identity, Node};
use crate::transport::peer::Proxies;
use crate::transport::ws::{self, Upgrades};
use crate::webhooks;
use arrival::Arrivals;
pub use arrival::counts;
use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
pub use bus::Bus;
pub use change::{Changes, Running};
use drain::Drain;
use http::Http;
use listener::Listener;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use telling::{Start, Telling};
use tls::Tls;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watch::Watch;

/// How long webhooks may take once the last connection is gone.
const LAST_WEBHOOKS: Duration = Duration::from_secs(5);
/// How long webhooks may take to hear what happened last.
const LAST_NEWS: Duration = Duration::from_secs(1);
/// How long the others may take to be told that the server has stopped.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// Between two looks at what is due: what is told at most every 5 s is told with no more delay than this.
const SWEEP: Duration = Duration::from_millis(250);

/// A server that has its port but does not accept yet.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    /// The listener for metrics and health.
    watch: Option<Watch>,
    node: Arc<Node>,
    http: Http,
    /// Every WebSocket's task.
    sockets: TaskTracker,
    drain: Drain,
    running: Running,
    cluster: Option<(Cluster, Actor)>,
    telling: Telling,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The configured host is none of this machine's, or not yet.
    #[error("{setting} is {host:?}: {error}; {hint}")]
    Host {
        /// Which setting says so.
        setting: &'static str,
        /// The configured host.
        host: String,
        /// What the system said.
        error: io::Error,
        /// How to mend it.
        hint: &'static str,
    },
    /// What is configured could never work.
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
    /// The Unix socket cannot be had.
    #[error(
        "cannot listen on server.unix_socket {path:?}: {error}; name a path in a folder that this user may write to"
    )]
    Socket {
        /// The configured path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Everything that a start would be refused for before it takes a port: what is wrong, where, and how to mend it. Only reads.
pub fn refusals(config: &Config) -> Vec<String> {
    let tls = Tls::new(&config.tls).map(drop).map_err(|error| error.to_string());
    let bus = Bus::examine(config).map_err(|error| error.to_string());
    let told = config.apps.iter().any(|app| !app.webhooks.is_empty());
    let webhooks = if told { webhooks::examine(&config.webhooks) } else { Ok(()) };
    [tls, bus, webhooks].into_iter().filter_map(Result::err).collect()
}

impl Server {
    /// Takes the configured port. With a bus the server is one of several.
    pub async fn bind(mut config: Config, bus: Option<Bus>) -> Result<Self, Fatal> {
        let config::Server { path, header_timeout_secs, body_timeout_secs, api_origins, .. } = &config.server;
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let tls = Tls::new(&config.tls)?.map(Arc::new);
        let proxies = Proxies::new(config.server.trusted_proxies.iter().map(String::as_str));
        let arrivals = Arrivals {
            proxies: proxies.clone(),
            proxy_protocol: config.server.proxy_protocol,
            tls: tls.clone(),
            patience: seconds(config.server.handshake_timeout_secs),
        };
        let drain = Drain {
            delay: seconds(config.server.drain_delay_secs),
            window: seconds(config.server.drain_window_secs),
            shares_port: config.server.reuse_port,
        };
        let listener = Listener::bind(&config.server).await?;
        let watch = Watch::bind(&config.metrics, config.server.reuse_port).await?;
        let apps = Apps::new(std::mem::take(&mut config.apps));
        let me = Identity::new(format!("{}:{}", config::machine(), listener.address()?.port()), SystemTime::now());
        let (node, cluster) = match bus {
            None => (Node::new(me, apps), None),
            Some(bus) => {
                let (node, cluster) = join(&me, apps, bus);
                (node, Some(cluster))
            }
        };
        let (mut start, telling) = Start::new(cluster.is_some(), config.server.reuse_port);
        if node.apps().iter().any(|app| !app.webhooks.is_empty()) {
            let apps = telling::told(&node);
            start.start(&node, &config.webhooks, apps).map_err(Fatal::Settings)?;
        }
        let node = Arc::new(node);
        let sockets = TaskTracker::new();
        let upgrades = Upgrades { node: node.clone(), tasks: sockets.clone(), proxies };
        let body_timeout = seconds(*body_timeout_secs);
        let api = api::router(Api::new(node.clone(), path, body_timeout), api_origins);
        let http = Http {
            arrivals,
            router: router(upgrades, api, path),
            header_timeout: seconds(*header_timeout_secs),
            write_timeout: body_timeout,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let running = Running::new(&node, tls.as_ref(), start, config);
        Ok(Self { listener, watch, node, http, sockets, drain, running, cluster, telling })
    }

    /// The address listened on, with the port that was found where 0 was asked for.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.address()
    }

    /// The address for metrics, if there is one.
    pub fn metrics_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.watch.as_ref().map(Watch::local_addr).transpose()
    }

    /// What serves the connections.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// A handle to change what it does while it runs.
    pub fn running(&self) -> Running {
        self.running.clone()
    }

    /// Serves until `stop` resolves, then drains: closes every connection with 4200 and returns. Where `stop`, asked
    /// again, resolves again, that takes no longer than it must.
    pub async fn run(self, mut stop: impl AsyncFnMut()) {
        let Self { listener, watch, node, http, sockets, drain, cluster, mut telling, .. } = self;
        let watch = watch.map(|watch| tokio::spawn(watch.run(http.clone(), monitor::router(&node))));
        let (cluster, actor) = cluster.unzip();
        let tasks = cluster.as_ref().zip(actor).map(|(cluster, actor)| {
            // Ended below, once there is nothing more to say.
            [tokio::spawn(actor.run()), tokio::spawn(Sending::new(cluster).run())]
        });
        let serve = async {
            tokio::select! {
                () = stop() => {}
                () = http.accept(&listener) => {}
            }
            drain.run(&node, &http, &sockets, listener, stop()).await;
        };
        tokio::select! {
            () = serve => {}
            () = sweep(&node) => {}
            () = telling.run(&node, cluster.as_ref()) => {}
        }
        telling.finish(&node, cluster.as_ref());
        if let Some(webhooks) = node.webhooks() {
            let deadline = Instant::now() + LAST_WEBHOOKS;
            let _ = timeout(LAST_NEWS, telling::tell_all(&node, webhooks)).await;
            webhooks.stop(deadline.saturating_duration_since(Instant::now())).await;
        }
        if let Some(cluster) = cluster {
            cluster.leave(LEAVE_WITHIN).await;
        }
        tasks.iter().flatten().chain(&watch).for_each(tokio::task::JoinHandle::abort);
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
    let not_found = |node: &Node| {
        node.metrics().requests.count(Route::Other, 404);
        ApiError::not_found().into_response()
    };
    let stray = move |request: Request| async move { upgrades.stray(request, || not_found(&upgrades.node)) };
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
