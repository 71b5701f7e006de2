//! Real servers of NATS, in each of the ways in which they are set up.

mod cluster;
mod credentials;
mod standalone;
mod tls;

use super::bus::{Bus, Node};
use super::servers::{NATS, Server, nats_options as options};
use fanfare::broker::{Broker, Inbox, Link, nats};
use fanfare::config;

/// What a node takes in before it drops its link, unless a test says otherwise.
const INBOX_BYTES: usize = 64 << 20;

fn connect(settings: &config::Nats, inbox_bytes: usize) -> Node {
    let (feed, inbox) = Inbox::new(inbox_bytes);
    Node { broker: Broker::Nats(nats::Nats::connect(settings, feed).unwrap()), inbox }
}

/// One server, and what nodes need to reach it.
struct Single {
    server: Server,
    settings: config::Nats,
}

impl Single {
    /// A server with such options, for nodes with such settings.
    async fn start(more: &[&str], settings: config::Nats) -> Self {
        let server = Server::start(NATS, |port, _| options(port, more)).await;
        Self { settings: config::Nats { servers: vec![address(&server)], ..settings }, server }
    }

    /// A node whose link is up.
    async fn up(&self) -> Node {
        let mut node = self.connect().await;
        node.link(Link::Up).await;
        node
    }
}

fn address(server: &Server) -> String {
    format!("nats://127.0.0.1:{}", server.port)
}

impl Bus for Single {
    async fn connect(&self) -> Node {
        connect(&self.settings, INBOX_BYTES)
    }

    async fn cut(&mut self, _: &Node) {
        self.server.kill();
    }

    async fn mend(&mut self, _: &Node) {
        assert!(self.server.again().await, "nats-server does not start again");
    }
}
