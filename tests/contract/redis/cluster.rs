//! A cluster of three masters.

use super::server::{REDIS, options};
use super::{Servers, settings};
use crate::bus::{Bus, Node};
use crate::servers::{Server, free_port};
use fanfare::broker::{Link, Topic};
use fanfare::config;
use futures_util::future::join_all;

const SLOTS: [(&str, &str); 3] = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];

/// What a server says when it sees every slot served.
const WHOLE: &str = "Cluster state changed: ok";

struct Cluster(Servers);

impl Bus for Cluster {
    async fn connect(&self) -> Node {
        self.0.connect().await
    }

    async fn cut(&mut self, node: &Node) {
        self.0.cut(node).await;
    }

    async fn mend(&mut self, node: &Node) {
        self.0.mend(node).await;
    }
}

async fn start() -> Cluster {
    let server = |_| {
        Server::start(REDIS, |port, _| {
            let bus = free_port().to_string();
            options(port, &["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", &bus])
        })
    };
    let mut servers = join_all(SLOTS.iter().map(server)).await;
    // What `redis-cli --cluster create` does, but for its pauses.
    let first = servers[0].port.to_string();
    let bus = servers[0].option("--cluster-port");
    for (n, server) in servers.iter().enumerate() {
        server.cli(&["cluster", "addslotsrange", SLOTS[n].0, SLOTS[n].1]);
        server.cli(&["cluster", "set-config-epoch", &(n + 1).to_string()]);
        if n > 0 {
            server.cli(&["cluster", "meet", "127.0.0.1", &first, &bus]);
        }
    }
    for server in &mut servers {
        assert!(server.says(WHOLE).await);
    }
    // Seeds need not be all of the servers.
    let urls = servers[1..].iter().map(|server| format!("redis://127.0.0.1:{}", server.port));
    let settings = config::Redis { cluster: true, ..settings(urls) };
    Cluster(Servers { servers, settings })
}

crate::scenarios::on!(start());

/// Ten topics, of which every server serves some, and two nodes of which the second has subscribed them.
async fn subscribed(cluster: &Cluster) -> (Node, Node, Vec<Topic>) {
    let (mut one, mut two) = (cluster.connect().await, cluster.connect().await);
    one.link(Link::Up).await;
    two.link(Link::Up).await;
    let topics: Vec<_> = (0..10).map(|n| Topic::new(&["spread", &n.to_string()])).collect();
    for answer in join_all(topics.iter().map(|topic| two.broker.subscribe(topic))).await {
        answer.unwrap();
    }
    (one, two, topics)
}

async fn all_arrive(one: &Node, two: &mut Node, topics: &[Topic]) {
    let batch: Vec<_> = topics.iter().map(|topic| (topic.clone(), "x".into())).collect();
    while one.broker.publish(&batch).await.is_err() {
        tokio::task::yield_now().await;
    }
    let mut missing = topics.to_vec();
    while !missing.is_empty() {
        let (topic, _) = two.message().await;
        missing.retain(|known| *known != topic);
    }
}

#[tokio::test]
async fn topics_are_spread_over_the_servers() {
    let cluster = start().await;
    let (one, mut two, topics) = subscribed(&cluster).await;
    let shares = cluster.0.servers.iter().map(|server| server.cli(&["pubsub", "shardchannels"]).lines().count());
    let shares: Vec<_> = shares.collect();
    assert_eq!(shares.iter().sum::<usize>(), 10);
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    all_arrive(&one, &mut two, &topics).await;
}

#[tokio::test]
async fn subscriptions_follow_their_slots() {
    let cluster = start().await;
    let (one, mut two, topics) = subscribed(&cluster).await;
    let servers = &cluster.0.servers;
    let slot = servers[0].cli(&["cluster", "keyslot", topics[0].as_str()]);
    let slot: usize = slot.trim().parse().unwrap();
    let from = SLOTS.iter().position(|(_, last)| slot <= last.parse().unwrap()).unwrap();
    let to = (from + 1) % 3;
    let id = servers[to].cli(&["cluster", "myid"]);
    for server in [to, from, 3 - from - to] {
        servers[server].cli(&["cluster", "setslot", &slot.to_string(), "node", id.trim()]);
    }
    two.link(Link::Down).await;
    two.link(Link::Up).await;
    all_arrive(&one, &mut two, &topics).await;
}
