//! Where metrics are to be had.
//!
//! Must not know: what is counted.

use super::rules;
use serde::{Deserialize, Serialize};

/// The listener for those who watch the server: metrics and health, apart from clients and back ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Address to bind: an IP address, without brackets, or a name to resolve. Whoever can reach it may read the metrics.
    pub host: String,
    /// Port to bind; 0 is any free one.
    pub port: Option<u16>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: None }
    }
}

impl Metrics {
    /// `host` without brackets.
    pub(super) fn normal(self) -> Self {
        Self { host: rules::bare_host(&self.host).to_owned(), ..self }
    }
}
