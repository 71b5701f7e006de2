//! Two servers that know each other. One that is cut off comes back over the other.

use super::{INBOX_BYTES, NATS, address, connect, options};
use crate::bus::{Bus, Node};
use crate::servers::{Server, free_port};
use fanfare::config;

struct Two {
    servers: [Server; 2],
    settings: config::Nats,
}

impl Bus for Two {
    async fn connect(&self) -> Node {
        connect(&self.settings, INBOX_BYTES)
    }

    async fn cut(&mut self, _: &Node) {
        self.servers[0].kill();
    }

    async fn mend(&mut self, _: &Node) {}
}

async fn start() -> Two {
    started(&[]).await
}

/// With JetStream, once both have agreed who leads.
async fn with_jetstream() -> Two {
    let mut two = started(&["--jetstream"]).await;
    assert!(two.servers[0].says("metadata leader").await);
    two
}

async fn started(with: &[&str]) -> Two {
    // JetStream wants the first to know of the second before it is there.
    let [first, second] = [free_port(), free_port()].map(|port| format!("nats://127.0.0.1:{port}"));
    let member = |port: u16, listen: &str, route: &str| {
        let name = port.to_string();
        let cluster = ["--server_name", &name, "--cluster_name", "contract", "--cluster", listen, "--routes", route];
        options(port, &[&cluster, with].concat())
    };
    let one = Server::start(NATS, |port, _| member(port, &first, &second)).await;
    let mut two = Server::start(NATS, |port, _| member(port, &second, &first)).await;
    assert!(two.says("Route connection created").await);
    let servers = [one, two];
    let settings = config::Nats { servers: servers.iter().map(address).collect(), ..config::Nats::default() };
    Two { servers, settings }
}

// Two servers are too few for JetStream to go on when one is lost.
crate::scenarios::on!(
    start(),
    subscribers_get_it_as_it_was,
    only_what_is_subscribed_comes,
    what_one_node_publishes_comes_in_order,
    subscriptions_outlive_the_link,
    a_link_that_is_reset_comes_back
);
crate::scenarios::on!(with_jetstream(), every_node_reads_the_same_log, a_log_is_read_from_where_one_likes);
