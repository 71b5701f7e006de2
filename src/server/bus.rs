//! The link to the bus that the configuration asks for.

use super::Fatal;
use crate::broker::{Broker, Feed, Inbox};
use crate::cluster;
use crate::config::{self, Config};
#[cfg(any(feature = "redis", feature = "nats"))]
use std::fmt::Display;

/// What makes a server one of several.
#[derive(Debug)]
pub struct Bus {
    /// The link to the bus.
    pub broker: Broker,
    /// What comes from it.
    pub inbox: Inbox,
    /// How nodes find and trust each other.
    pub settings: cluster::Settings,
}

impl Bus {
    /// Starts to connect as `config` says; `None` if it says that there is one server. Fails only on settings that
    /// could never work: a bus that is away is waited for.
    pub fn connect(config: &Config) -> Result<Option<Self>, Fatal> {
        let (feed, inbox) = Inbox::new(config.cluster.inbox_bytes);
        let broker = match config.cluster.bus {
            config::Bus::None => return Ok(None),
            config::Bus::Redis => redis(config, feed)?,
            config::Bus::Nats => nats(config, feed)?,
        };
        Ok(Some(Self { broker, inbox, settings: cluster::Settings::from(&config.cluster) }))
    }

    /// Whether [`Self::connect`] could do what `config` says; nobody is connected to.
    pub(super) fn examine(config: &Config) -> Result<(), Fatal> {
        match config.cluster.bus {
            config::Bus::None => Ok(()),
            #[cfg(feature = "redis")]
            config::Bus::Redis => crate::broker::redis::Redis::examine(&config.redis).map_err(settings),
            #[cfg(not(feature = "redis"))]
            config::Bus::Redis => Err(missing("redis")),
            #[cfg(feature = "nats")]
            config::Bus::Nats => crate::broker::nats::Nats::examine(&config.nats).map_err(settings),
            #[cfg(not(feature = "nats"))]
            config::Bus::Nats => Err(missing("nats")),
        }
    }
}

#[cfg(any(feature = "redis", feature = "nats"))]
fn settings(error: impl Display) -> Fatal {
    Fatal::Settings(error.to_string())
}

#[cfg(feature = "redis")]
fn redis(config: &Config, feed: Feed) -> Result<Broker, Fatal> {
    let link = crate::broker::redis::Redis::connect(&config.redis, feed);
    link.map(Broker::Redis).map_err(settings)
}

#[cfg(not(feature = "redis"))]
fn redis(_: &Config, _: Feed) -> Result<Broker, Fatal> {
    Err(missing("redis"))
}

#[cfg(feature = "nats")]
fn nats(config: &Config, feed: Feed) -> Result<Broker, Fatal> {
    let link = crate::broker::nats::Nats::connect(&config.nats, feed);
    link.map(Broker::Nats).map_err(settings)
}

#[cfg(not(feature = "nats"))]
fn nats(_: &Config, _: Feed) -> Result<Broker, Fatal> {
    Err(missing("nats"))
}

#[cfg(not(all(feature = "redis", feature = "nats")))]
fn missing(name: &str) -> Fatal {
    Fatal::Settings(format!(
        "cluster.bus is {name:?}, which this program was built without: build it with `--features {name}`"
    ))
}
