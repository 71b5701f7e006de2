//! Servers in this process, one or several that act as one, each on a free port and with threads of its own.
//!
//! `FANFARE_TEST_NODES` says over which bus there are three; unset, there is one. Clients and requests are spread over
//! the nodes in turn, so that subscriber, publisher and query usually meet different ones. What several nodes know of
//! each other comes a moment late; clients therefore wait before they act until all nodes know what has been done so far
//! ([`Together`]), which is no wait at all on one node. Scenarios need not know how many there are.

mod bus;
mod together;

pub(crate) use bus::Bus;
pub(crate) use together::Together;

use fanfare::config::Config;
use fanfare::node::Node;
use fanfare::server::{self, Server};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// What carries events and news between three nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    #[cfg(feature = "redis")]
    Redis,
    #[cfg(feature = "nats")]
    Nats,
}

impl Kind {
    /// What `FANFARE_TEST_NODES` says. `None` is one node.
    pub(crate) fn wanted() -> Option<Self> {
        match std::env::var("FANFARE_TEST_NODES").unwrap_or_default().as_str() {
            "" => None,
            "memory" => Some(Self::Memory),
            #[cfg(feature = "redis")]
            "redis" => Some(Self::Redis),
            #[cfg(feature = "nats")]
            "nats" => Some(Self::Nats),
            other => panic!("FANFARE_TEST_NODES is {other:?}: no bus of this build"),
        }
    }
}

/// Where a client connects.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// The node that is there and the others, if it is known to be one of several.
    pub(crate) together: Option<Arc<Together>>,
}

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        Self { address, together: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Place {
    /// Somebody who comes to act here.
    pub(crate) fn visit(self) -> Visit {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        Visit { place: self, actor: COUNT.fetch_add(1, Ordering::Relaxed) }
    }
}

/// A client's stay at a node. Whatever happens to it, and that it leaves, may change what nodes count.
pub(crate) struct Visit {
    place: Place,
    actor: u64,
}

impl Visit {
    /// Waits until every node knows what has been done so far; what is counted as well, if it is to be `counted`.
    pub(crate) async fn settle(&self, counted: bool) {
        if let Some(together) = &self.place.together {
            together.settle(self.actor, counted).await;
        }
    }

    pub(crate) fn changed(&self) {
        if let Some(together) = &self.place.together {
            together.changed(self.actor);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.actor = 0;
        self.changed();
    }
}

/// One node, or several that know each other. Dropping them stops them and fails the test if anything is left.
pub(crate) struct Nodes {
    pub(crate) running: Vec<Running>,
    together: Option<Arc<Together>>,
    next: AtomicUsize,
    /// What has to go on until the nodes have ended.
    pub(crate) bus: Option<Bus>,
}

impl Nodes {
    /// A node configured as `config` says, or three.
    pub(crate) fn start(kind: Option<Kind>, config: impl Fn() -> Config) -> Self {
        let next = AtomicUsize::new(0);
        let Some(kind) = kind else {
            let running = vec![Running::start(config(), |_| None)];
            return Self { running, together: None, next, bus: None };
        };
        let felt = Together::is_felt(&config());
        let configs = [(); 3].map(|()| Together::prepare(config()));
        // The caller may be in a runtime, which must not wait.
        let start = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut bus = Bus::start(kind).await;
                let running: Vec<_> = configs.into_iter().map(|config| bus.join(config)).collect();
                let nodes = running.iter().map(|running| running.node.clone()).collect();
                let together = Some(Arc::new(Together::new(nodes, felt).await));
                Self { running, together, next, bus: Some(bus) }
            })
        });
        start.join().expect("the nodes do not start")
    }

    /// A node, each in its turn.
    pub(crate) fn place(&self) -> Place {
        self.at(self.next.fetch_add(1, Ordering::Relaxed) % self.running.len())
    }

    /// The node number `n`.
    pub(crate) fn at(&self, n: usize) -> Place {
        Place { address: self.running[n].address, together: self.together.clone() }
    }

    /// Ends a node as a crash does: the others are not told.
    pub(crate) fn kill(&mut self, n: usize) {
        let mut node = self.running.remove(n);
        self.forget(&node.node);
        if let Some(Bus::Memory(_, links)) = &mut self.bus {
            links.remove(n).cut();
        }
        node.end(End::Crash);
        node.thread.take().unwrap().join().unwrap();
    }

    /// Asks all to stop, without waiting for it.
    pub(crate) fn stop(&mut self) {
        for n in 0..self.running.len() {
            self.forget(&self.running[n].node);
            self.running[n].end(End::Stop);
        }
    }

    fn forget(&self, node: &Arc<Node>) {
        if let Some(together) = &self.together {
            together.forget(node);
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.stop();
        for mut running in self.running.drain(..) {
            let ended = running.thread.take().unwrap().join();
            if !std::thread::panicking() {
                ended.unwrap();
                let node = running.node;
                assert_eq!((node.connections(), node.channels()), (0, 0), "connections and channels left behind");
            }
        }
    }
}

/// A node and its thread.
pub(crate) struct Running {
    address: SocketAddr,
    pub(crate) node: Arc<Node>,
    stop: Option<oneshot::Sender<End>>,
    thread: Option<JoinHandle<()>>,
}

/// How a node ends.
enum End {
    Stop,
    Crash,
}

impl Running {
    /// Starts a node, which is one of several if `link` makes a link to the others.
    fn start(config: Config, link: impl FnOnce(&Config) -> Option<server::Bus> + Send + 'static) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (started, start) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let bus = link(&config);
                let server = Server::bind(config, bus).await.unwrap();
                started.send((server.local_addr().unwrap(), server.node().clone())).unwrap();
                let (crash, crashed) = oneshot::channel();
                let (mut stopped, mut crash) = (Some(stopped), Some(crash));
                let stop = async || match stopped.take() {
                    Some(stopped) => {
                        if let Ok(End::Crash) = stopped.await {
                            crash.take().unwrap().send(()).unwrap();
                            std::future::pending::<()>().await;
                        }
                    }
                    None => std::future::pending().await,
                };
                tokio::select! {
                    () = server.run(stop) => {}
                    Ok(()) = crashed => {}
                }
            });
        });
        let (address, node) = start.recv().unwrap();
        Self { address, node, stop: Some(stop), thread: Some(thread) }
    }

    fn end(&mut self, how: End) {
        if let Some(stop) = self.stop.take() {
            // A node that has failed is noticed when its thread is joined.
            let _ = stop.send(how);
        }
    }
}
