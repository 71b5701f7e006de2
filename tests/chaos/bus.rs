//! The bus: a server on a port of its own, which can be killed and started again.

use super::servers::{NATS, REDIS, Server, nats_options, redis_options};
use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// What carries news between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Redis,
    /// With JetStream, on disk.
    Nats,
}

pub(crate) struct Bus {
    pub(crate) kind: Kind,
    server: Server,
}

impl Kind {
    /// How a node is told to use the one on `port`: lines of `.env`, as a Laravel app has them, and of the config file.
    pub(crate) fn settings(self, port: u16) -> (String, String) {
        match self {
            Self::Redis => {
                (format!("REVERB_SCALING_ENABLED=true\nREDIS_URL=redis://127.0.0.1:{port}\n"), String::new())
            }
            Self::Nats => {
                (String::new(), format!("cluster.bus = \"nats\"\nnats.servers = [\"nats://127.0.0.1:{port}\"]\n"))
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Nats => "nats",
        })
    }
}

impl Bus {
    pub(crate) async fn start(kind: Kind) -> Self {
        let server = match kind {
            Kind::Redis => Server::start(REDIS, |port, _| redis_options(port, &[])).await,
            Kind::Nats => Server::start(NATS, |port, _| nats_options(port, &["--jetstream"])).await,
        };
        Self { kind, server }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    /// Starts it where it was, and waits until it is ready.
    pub(crate) async fn again(&mut self) {
        assert!(self.server.again().await, "the {} server ended instead of listening", self.kind);
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    /// Ends all connections of a type to a Redis; how many there were. `None` if it is not running.
    pub(crate) fn kill_clients(&self, kind: &str) -> Option<u32> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.write_all(format!("CLIENT KILL TYPE {kind}\r\n").as_bytes()).ok()?;
        let mut answer = String::new();
        while !answer.ends_with("\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            answer.push(char::from(byte[0]));
        }
        answer.trim().strip_prefix(':')?.parse().ok()
    }
}
