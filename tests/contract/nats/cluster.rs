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
    let member = |port, more: &[&str]| {
        let listen = format!("nats://127.0.0.1:{}", free_port());
        options(port, &[&["--cluster_name", "contract", "--cluster", &listen], more].concat())
    };
    let one = Server::start(NATS, |port, _| member(port, &[])).await;
    let at = one.options.iter().position(|option| option == "--cluster").unwrap();
    let routes = one.options[at + 1].as_str();
    let mut two = Server::start(NATS, |port, _| member(port, &["--routes", routes])).await;
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
