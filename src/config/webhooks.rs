//! How webhooks are sent, whatever the app.
//!
//! Must not know: what they say, and to whom.

use crate::app::Endpoint;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// How webhooks are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// How long `channel_vacated` and `member_removed` wait; if whoever left is back by then, neither that nor the opposite
    /// is sent.
    pub debounce_ms: u32,
    /// How long one attempt may take, from connecting to the status of the answer.
    pub timeout_secs: u32,
    /// The pauses before an endpoint is tried again, after the first failure in a row and each further one; the last of
    /// them goes on. Each is up to a fifth longer or shorter, so that servers do not try in step.
    pub retry_after_secs: Vec<u32>,
    /// How long an event is tried; then it becomes a dead letter.
    pub retry_for_secs: u32,
    /// How much may wait for one endpoint; what comes on top of it becomes a dead letter at once.
    pub queue_bytes: usize,
    /// Dead letters that are kept for each endpoint; of more, the oldest are forgotten, logged and counted.
    pub dead_letters: usize,
    /// File in which everything to be sent is noted before it is tried, so that it outlives the process; each server needs
    /// its own. Empty for none: what waits when the process ends is then lost.
    pub journal: PathBuf,
    /// PEM file of the authorities that may vouch for the endpoints' certificates, in place of the public ones.
    pub tls_ca_file: Option<PathBuf>,
    /// Endpoints of every app, besides its own.
    pub endpoints: Vec<Endpoint>,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            debounce_ms: 3000,
            timeout_secs: 10,
            retry_after_secs: vec![1, 2, 4, 8, 16, 32, 60],
            retry_for_secs: 300,
            queue_bytes: 16 * 1024 * 1024,
            dead_letters: 1000,
            journal: "fanfare-webhooks.journal".into(),
            tls_ca_file: None,
            endpoints: Vec::new(),
        }
    }
}

impl Webhooks {
    /// How long `channel_vacated` and `member_removed` wait.
    pub fn debounce(&self) -> Duration {
        Duration::from_millis(self.debounce_ms.into())
    }

    /// How long one attempt may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_secs.into())
    }

    /// How long an event is tried.
    pub fn retry_for(&self) -> Duration {
        Duration::from_secs(self.retry_for_secs.into())
    }
}
