//! Everything that is configured: built-in defaults, config files, the variables of `.env` and of the process (first those
//! of the servers that this one takes the place of, then our own), and flags, of which the later wins. Only this module
//! reads files and the environment.
//!
//! Must not know: what the rest of the server does with it.

mod aliases;
mod apps;
mod clients;
mod cluster;
mod dotenv;
mod error;
mod export;
mod files;
mod json;
mod kind;
mod log;
mod lookup;
mod merge;
mod metrics;
mod nats;
mod nearest;
mod notes;
mod own;
mod pages;
mod pusher;
mod read;
mod redis;
mod report;
mod reverb;
mod rules;
mod scaling;
mod schema;
mod server;
mod soketi;
mod sources;
mod text;
mod tls;
mod variables;
mod warnings;
mod watch;
mod webhooks;
mod written;

pub use self::redis::{Redis, TlsFiles};
use crate::app::App;
pub use clients::{Given, given};
pub use cluster::{Bus, Cluster};
pub use error::Error;
use error::Mistakes;
pub use error::masked;
pub use log::{Log, LogFormat, LogLevel};
use merge::{Layer, merge};
pub use metrics::Metrics;
pub use nats::Nats;
use read::Read;
pub use report::{Report, Setting};
use serde::Deserialize;
pub use server::Server;
pub use sources::{Sources, machine};
pub use tls::Tls;
pub use watch::Look;
pub use webhooks::Webhooks;

/// Id of the one app of [`Config::dev`].
pub const DEV_APP_ID: &str = "app-id";
/// Key of the one app of [`Config::dev`].
pub const DEV_APP_KEY: &str = "app-key";
/// Secret of the one app of [`Config::dev`].
pub const DEV_APP_SECRET: &str = "app-secret";

/// All that the server is told before it starts.
#[derive(Debug)]
pub struct Config {
    /// Where and how to listen.
    pub server: Server,
    /// The certificate that clients are shown.
    pub tls: Tls,
    /// Where metrics are to be had.
    pub metrics: Metrics,
    /// What is logged, and how.
    pub log: Log,
    /// At least one app; no id and no key twice.
    pub apps: Vec<App>,
    /// Whether this server is one of several.
    pub cluster: Cluster,
    /// How Redis is reached, if the servers are one over it.
    pub redis: Redis,
    /// How NATS is reached, if the servers are one over it.
    pub nats: Nats,
    /// How webhooks are sent.
    pub webhooks: Webhooks,
}

/// The sections that are read as they are.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Sections {
    server: Server,
    tls: Tls,
    metrics: Metrics,
    log: Log,
    cluster: Cluster,
    redis: Redis,
    nats: Nats,
    webhooks: Webhooks,
}

impl Config {
    /// One server that is not one of several.
    pub fn new(server: Server, apps: Vec<App>) -> Self {
        Self {
            server,
            tls: Tls::default(),
            metrics: Metrics::default(),
            log: Log::default(),
            apps,
            cluster: Cluster::default(),
            redis: Redis::default(),
            nats: Nats::default(),
            webhooks: Webhooks::default(),
        }
    }

    /// Reads all sources, and checks all that was read: an error here is the last before anything is bound, and it names
    /// every mistake.
    pub fn load(sources: &Sources) -> Result<Self, Error> {
        Report::of(sources).config
    }

    /// A server to try things out with: one app with known credentials, on this machine only. Of `sources` only the
    /// flags count.
    pub fn dev(sources: &Sources) -> Result<Self, Error> {
        let mut mistakes = Mistakes::default();
        let given = merge(&[&sources.flags()]);
        schema::GIVEN.check_layer("", &given, &mut mistakes);
        let mut built_in = Layer::default();
        built_in.set("server.host", "127.0.0.1".into());
        // Whoever tries things out starts and stops often.
        built_in.set("server.drain_delay_secs", 0.into());
        built_in.set("server.drain_window_secs", 0.into());
        let settings = tls::completed(merge(&[&built_in, &given]), sources, &mut mistakes);
        mistakes.end()?;
        let Sections { server, tls, log, .. } = settings.typed()?;
        let log = log.with_debug(server.debug);
        Ok(Self { tls, log, ..Self::new(server.normal(), vec![App::new(DEV_APP_ID, DEV_APP_KEY, DEV_APP_SECRET)]) })
    }

    /// What was read, with its types, once it has passed every check.
    fn typed(read: &Read) -> Result<Self, Error> {
        let Sections { server, tls, metrics, log, cluster, redis, nats, webhooks } = read.settings.typed()?;
        let apps = read.apps.iter().map(|app| apps::typed(app, &webhooks.endpoints)).collect::<Result<_, _>>()?;
        let (metrics, log) = (metrics.normal(), log.with_debug(server.debug));
        Ok(Self { server: server.normal(), tls, metrics, log, apps, cluster, redis, nats, webhooks })
    }
}

#[cfg(test)]
mod tests;
