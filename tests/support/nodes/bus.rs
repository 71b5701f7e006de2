//! What joins nodes, started for one test and ended with it.

#[cfg(any(feature = "nats", feature = "redis"))]
use super::super::servers::Server;
#[cfg(feature = "nats")]
use super::super::servers::{NATS, nats_options};
#[cfg(feature = "redis")]
use super::super::servers::{REDIS, redis_options};
use super::{Kind, Running};
use fanfare::broker::{Broker, Inbox, memory};
use fanfare::cluster::Settings;
use fanfare::config::Config;
use fanfare::server;

pub(crate) enum Bus {
    /// With each node's link, to be cut.
    Memory(memory::Bus, Vec<memory::Memory>),
    #[cfg(feature = "redis")]
    Redis(Server),
    #[cfg(feature = "nats")]
    Nats(Server),
}

impl Bus {
    pub(super) async fn start(kind: Kind) -> Self {
        match kind {
            Kind::Memory => Self::Memory(memory::Bus::default(), Vec::new()),
            #[cfg(feature = "redis")]
            Kind::Redis => Self::Redis(Server::start(REDIS, |port, _| redis_options(port, &[])).await),
            #[cfg(feature = "nats")]
            Kind::Nats => Self::Nats(Server::start(NATS, |port, _| nats_options(port, &["--jetstream"])).await),
        }
    }

    /// Starts a node on the bus.
    pub(super) fn join(&mut self, config: Config) -> Running {
        match self {
            Self::Memory(bus, links) => {
                let (feed, inbox) = Inbox::new(config.cluster.inbox_bytes);
                let link = bus.connect(feed);
                links.push(link.clone());
                // No configuration asks for this bus.
                Running::start(config, |config| {
                    let settings = Settings::from(&config.cluster);
                    Some(server::Bus { broker: Broker::Memory(link), inbox, settings })
                })
            }
            #[cfg(feature = "redis")]
            Self::Redis(server) => {
                let mut config = config;
                config.cluster.bus = fanfare::config::Bus::Redis;
                config.redis.urls = vec![format!("redis://127.0.0.1:{}", server.port)];
                Running::start(config, |config| server::Bus::connect(config).unwrap())
            }
            #[cfg(feature = "nats")]
            Self::Nats(server) => {
                let mut config = config;
                config.cluster.bus = fanfare::config::Bus::Nats;
                config.nats.servers = vec![format!("nats://127.0.0.1:{}", server.port)];
                Running::start(config, |config| server::Bus::connect(config).unwrap())
            }
        }
    }
}
