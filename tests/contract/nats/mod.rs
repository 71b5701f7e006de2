//! Real servers of NATS, in each of the ways in which they are set up.

mod cluster;
mod credentials;
mod standalone;
mod tls;

use super::bus::{Bus, Node};
use super::process::{Program, Server};
use fanfare::broker::{Broker, Inbox, Link, nats};
use fanfare::config;

const NATS: Program = Program { name: "nats-server", ready: "Server is ready" };

/// What a node takes in before it drops its link, unless a test says otherwise.
const INBOX_BYTES: usize = 64 << 20;

/// Options of a server that keeps what it keeps in its folder, which is where it runs.
fn options(port: u16, more: &[&str]) -> Vec<String> {
    let port = port.to_string();
    let common = ["--addr", "127.0.0.1", "--port", &port, "--store_dir", "."];
    common.iter().chain(more).map(|option| (*option).to_owned()).collect()
}

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
