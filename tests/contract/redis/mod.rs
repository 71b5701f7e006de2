//! Real servers of Redis, in each of the ways in which they are set up.

mod cluster;
mod sentinel;
mod server;
mod standalone;
mod tls;

use super::bus::{Bus, Node};
use super::servers::Server;
use fanfare::broker::{Broker, Inbox, redis};
use fanfare::config;

/// What a node takes in before it drops its link, unless a test says otherwise.
const INBOX_BYTES: usize = 64 << 20;

fn connect(settings: &config::Redis, inbox_bytes: usize) -> Node {
    let (feed, inbox) = Inbox::new(inbox_bytes);
    Node { broker: Broker::Redis(redis::Redis::connect(settings, feed).unwrap()), inbox }
}

/// Settings for a server, or several.
fn settings(urls: impl IntoIterator<Item = String>) -> config::Redis {
    config::Redis { urls: urls.into_iter().collect(), ..config::Redis::default() }
}

/// Servers that are cut off all at once.
struct Servers {
    servers: Vec<Server>,
    settings: config::Redis,
}

impl Bus for Servers {
    async fn connect(&self) -> Node {
        connect(&self.settings, INBOX_BYTES)
    }

    async fn cut(&mut self, _: &Node) {
        for server in &mut self.servers {
            server.kill();
        }
    }

    async fn mend(&mut self, _: &Node) {
        for server in &mut self.servers {
            assert!(server.again().await, "redis-server does not start again");
        }
    }
}
