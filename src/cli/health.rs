//! `fanfare health`.

use super::client::{Failure, block_on, get};
use super::link::Target;
use super::place::Remote;
use super::print::{fail, plain, refuse, say};
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::timeout;

/// Ask a running server whether it is well, for health checks of containers: exits with 0 if it is, otherwise with 1.
///
/// No app needs to be configured.
#[derive(clap::Args)]
pub(super) struct Health {
    #[command(flatten)]
    remote: Remote,
    /// Ask whether new connections should go there, not only whether it is up
    #[arg(long)]
    ready: bool,
    /// Seconds that the answer may take
    #[arg(long, value_name = "SECS", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=3600))]
    timeout: u16,
    /// Print one JSON object, for programs
    #[arg(long)]
    json: bool,
}

impl Health {
    pub(super) fn run(self) -> ExitCode {
        let target = match self.remote.target() {
            Ok(target) => target,
            Err(error) => return refuse(&error),
        };
        let route = if self.ready { "/ready" } else { "/up" };
        let asked = format!("{}{route}", target.address);
        let answer = block_on(ask(&target, route, Duration::from_secs(self.timeout.into())));
        let is_well = answer.is_ok();
        let text = answer.unwrap_or_else(|error| error.to_string());
        if self.json {
            say(&json!({ "healthy": is_well, "url": asked, "answer": text }).to_string());
        } else if is_well {
            say(&plain(&format!("{asked} answers {text}")));
        } else {
            return fail(&text);
        }
        ExitCode::from(u8::from(!is_well))
    }
}

async fn ask(target: &Target, route: &str, patience: Duration) -> Result<String, Failure> {
    let late = || Failure::Other(format!("{}{route} does not answer within {} s", target.address, patience.as_secs()));
    let body = timeout(patience, get(target, route)).await.map_err(|_| late())??;
    Ok(String::from_utf8_lossy(&body).trim().to_owned())
}
