//! A master and its replica, watched by a Sentinel.

use super::server::{REDIS, SENTINEL, options};
use super::{Servers, settings};
use crate::bus::{Bus, Node, PATIENCE};
use crate::servers::Server;
use fanfare::broker::{Link, Topic};
use fanfare::config;
use tokio::time::timeout;

struct Watched {
    /// The master first, to begin with.
    servers: Servers,
    sentinel: Server,
}

impl Bus for Watched {
    async fn connect(&self) -> Node {
        self.servers.connect().await
    }

    async fn cut(&mut self, node: &Node) {
        self.servers.cut(node).await;
    }

    async fn mend(&mut self, node: &Node) {
        self.servers.mend(node).await;
    }
}

async fn start() -> Watched {
    let master = Server::start(REDIS, |port, _| options(port, &["--repl-diskless-sync-delay", "0"])).await;
    let of = format!("127.0.0.1 {}", master.port);
    let mut replica = Server::start(REDIS, |port, _| options(port, &["--replicaof", &of])).await;
    // A Sentinel that sees it earlier takes it for unfit until it looks again, ten seconds later.
    assert!(replica.says("sync: Finished").await);
    let sentinel = Server::start(SENTINEL, |port, folder| {
        let file = folder.file("sentinel.conf");
        let watch = "sentinel down-after-milliseconds bus 1000\nsentinel failover-timeout bus 10000";
        let text = format!("port {port}\nbind 127.0.0.1\nsentinel monitor bus {of} 1\n{watch}\n");
        std::fs::write(&file, text).unwrap();
        vec![file, "--sentinel".to_owned()]
    })
    .await;
    let settings = config::Redis {
        sentinel_master: Some("bus".to_owned()),
        ..settings([format!("redis://127.0.0.1:{}", sentinel.port)])
    };
    Watched { servers: Servers { servers: vec![master, replica], settings }, sentinel }
}

crate::scenarios::on!(start());

#[tokio::test]
async fn a_promoted_replica_takes_over() {
    let mut bus = start().await;
    assert!(bus.sentinel.says("+slave").await, "the Sentinel has found the replica");
    let (mut one, mut two) = (bus.connect().await, bus.connect().await);
    one.link(Link::Up).await;
    two.link(Link::Up).await;
    let topic = Topic::new(&["a"]);
    two.broker.subscribe(&topic).await.unwrap();
    bus.servers.servers[0].kill();
    for node in [&mut one, &mut two] {
        node.link(Link::Down).await;
        node.link(Link::Up).await;
    }
    one.publish(&topic, b"x").await;
    assert_eq!(two.message().await.1, "x");
    assert!(bus.servers.servers[1].cli(&["role"]).starts_with("master"));
}

#[tokio::test]
async fn a_master_that_becomes_a_replica_is_left() {
    let mut bus = start().await;
    assert!(bus.sentinel.says("+slave").await, "the Sentinel has found the replica");
    let mut node = bus.connect().await;
    node.link(Link::Up).await;
    let topic = Topic::new(&["a"]);
    node.broker.subscribe(&topic).await.unwrap();
    let promote = async {
        while !bus.sentinel.cli(&["sentinel", "failover", "bus"]).starts_with("OK") {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, promote).await.expect("the Sentinel finds no replica fit");
    node.link(Link::Down).await;
    assert!(bus.sentinel.says("+switch-master").await);
    node.link(Link::Up).await;
    node.publish(&topic, b"x").await;
    assert_eq!(node.message().await.1, "x");
    assert!(bus.servers.servers[1].cli(&["pubsub", "channels"]).contains('a'));
}
