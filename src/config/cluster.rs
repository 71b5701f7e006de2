//! Whether this server is one of several, and how they find and trust each other.
//!
//! Must not know: what they say to each other, and how the bus is reached.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Several servers as one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// What carries events and news between the servers: `redis`, `nats`, or `none` where there is only one.
    pub bus: Bus,
    /// What every topic and key on the bus begins with: servers with the same prefix on the same bus are one.
    pub prefix: String,
    /// Secret that all servers share. What was not sealed with it is ignored, so that nobody else on the bus can slip
    /// in events; who can read the bus still reads them, and can repeat them.
    pub key: Option<String>,
    /// For how long an event may wait for a bus that is away; publishing is refused with 503 once one has waited so
    /// long.
    pub outage_secs: u32,
    /// How much may wait for the bus; publishing is refused with 503 above that.
    pub outage_bytes: usize,
    /// How much of what was published within `outage_secs` is held, to be repeated for servers whose link to the bus was
    /// down meanwhile. If it is less than `outage_bytes`, a server that comes back later than this one may lose some.
    pub repeat_bytes: usize,
    /// How much that comes from the bus may wait to be handed out, half of it on one channel; events above that are
    /// dropped, logged and counted.
    pub inbox_bytes: usize,
}

/// What carries bytes between servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    /// Nothing: there is one server.
    #[default]
    None,
    /// Redis or Valkey, as `[redis]` says.
    Redis,
    /// NATS, as `[nats]` says.
    Nats,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            bus: Bus::None,
            prefix: "fanfare".to_owned(),
            key: None,
            outage_secs: 30,
            outage_bytes: 64 * 1024 * 1024,
            repeat_bytes: 64 * 1024 * 1024,
            inbox_bytes: 64 * 1024 * 1024,
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("bus", &self.bus)
            .field("prefix", &self.prefix)
            .field("key", &self.key.as_ref().map(|_| "***"))
            .field("outage_secs", &self.outage_secs)
            .field("outage_bytes", &self.outage_bytes)
            .field("repeat_bytes", &self.repeat_bytes)
            .field("inbox_bytes", &self.inbox_bytes)
            .finish()
    }
}
