//! `fanfare serve`.

use super::logging::{Logging, Switches};
use super::options::Options;
use super::print::{refuse, say};
use super::reload::Reload;
use super::{BAD_CONFIG, dev};
use crate::config::{Config, Report, Sources, masked};
use crate::server::{Bus, Fatal, Server, refusals};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// Serve WebSocket clients and the HTTP API on one port.
///
/// Started in a Laravel app's folder it reads that app's .env and takes the place of `php artisan reverb:start`.
/// Later sources win: built-in defaults, --config, .env, the environment, FANFARE__*, options.
#[derive(clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    options: Options,
    /// Serve one app with known credentials on 127.0.0.1, without any configuration
    #[arg(long, conflicts_with_all = ["env_file", "config", "apps"])]
    dev: bool,
}

impl Serve {
    pub(super) fn run(self) -> ExitCode {
        let dev = self.dev;
        let sources = self.options.sources();
        let (config, warnings) = if dev {
            (Config::dev(&sources), Vec::new())
        } else {
            let report = Report::of(&sources);
            (report.config, report.warnings)
        };
        let config = match config {
            Ok(config) => config,
            Err(error) => return refuse(&error.to_string()),
        };
        let refusals = refusals(&config);
        if !refusals.is_empty() {
            return refuse(&refusals.join("\n"));
        }
        let logging = Logging::start(config.log);
        for warning in warnings {
            tracing::warn!("configuration: {warning}");
        }
        // Every connection takes a descriptor, and the usual soft limit of 1,024 is none for a server.
        if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
            tracing::warn!("cannot raise the limit of open files: {error}");
        }
        let served = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Fatal::System).and_then(
            |runtime| {
                let served = runtime.block_on(serve(config, sources, dev, &logging));
                // What hangs on a disk ends with the process.
                runtime.shutdown_background();
                served
            },
        );
        let Err(error) = served else { return ExitCode::SUCCESS };
        logging.fail(&error.to_string());
        match error {
            Fatal::Settings(_) => ExitCode::from(BAD_CONFIG),
            // What may have passed by the next time: whoever watches over the server is to try again.
            _ => ExitCode::FAILURE,
        }
    }
}

async fn serve(config: Config, sources: Sources, dev: bool, logging: &Logging) -> Result<(), Fatal> {
    let (path, hostname) = (config.server.path.clone(), config.server.hostname.as_deref().map(masked));
    let is_secure = config.tls.cert_file.is_some();
    // Before the port is announced, so that a signal sent on seeing it is not lost.
    let (mut signals, mut last, switches) = (Signals::new()?, Signals::new()?, Switches::new()?);
    let hangup = signal(SignalKind::hangup())?;
    let bus = Bus::connect(&config)?;
    let server = Server::bind(config, bus).await?;
    let address = server.local_addr()?;
    let left = Arc::<Notify>::default();
    let reload = Reload::new((!dev).then_some(sources), server.running(), hangup, logging, &left);
    logging.say(&announcement(address, is_secure, &path, hostname.as_deref()));
    if let Some(address) = server.metrics_addr()? {
        logging.say(&format!("Metrics at http://{address}/metrics"));
    }
    if dev {
        say(&dev::instructions(address, hostname.as_deref(), &path));
    }
    let mut told = false;
    let stop = async || {
        tokio::select! {
            () = signals.recv() => {}
            () = left.notified() => {}
        }
        logging.say(if told { "Terminating connections now." } else { "Gracefully terminating connections." });
        told = true;
    };
    let enough = async {
        for _ in 0..3 {
            last.recv().await;
        }
    };
    tokio::select! {
        () = server.run(stop) => {}
        () = reload.run() => {}
        never = logging.follow(switches) => match never {},
        () = enough => tracing::warn!("stopped at once by a third signal"),
    }
    Ok(())
}

/// The line that people and scripts look for in Reverb's output.
fn announcement(address: SocketAddr, is_secure: bool, path: &str, hostname: Option<&str>) -> String {
    let secure = if is_secure { "secure " } else { "" };
    let name = hostname.filter(|name| *name != address.ip().to_string()).map(|name| format!(" ({name})"));
    format!("Starting {secure}server on {address}{path}{}", name.unwrap_or_default())
}

/// SIGTERM and SIGINT.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announcement_reads_as_reverbs() {
        let address = "0.0.0.0:8080".parse().unwrap();
        assert_eq!(announcement(address, false, "", None), "Starting server on 0.0.0.0:8080");
        assert_eq!(
            announcement(address, true, "/ws", Some("a.test")),
            "Starting secure server on 0.0.0.0:8080/ws (a.test)"
        );
        assert_eq!(announcement(address, false, "", Some("0.0.0.0")), "Starting server on 0.0.0.0:8080");
    }
}
