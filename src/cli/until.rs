//! When to stop what would go on for ever.
//!
//! Must not know: what goes on.

use std::time::Duration;
use tokio::time::timeout;

/// How much is to be printed, and for how long.
#[derive(clap::Args)]
pub(super) struct Until {
    /// End after so many
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// End after so many seconds
    #[arg(long = "for", value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    duration: Option<u64>,
}

impl Until {
    /// What comes of `work`, or `over` once the time is.
    pub(super) async fn wait<T>(&self, work: impl Future<Output = T>, over: T) -> T {
        match self.duration {
            None => work.await,
            Some(secs) => timeout(Duration::from_secs(secs), work).await.unwrap_or(over),
        }
    }
}
