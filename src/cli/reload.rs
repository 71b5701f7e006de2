//! Keeps a running server to its configuration: reads it again on SIGHUP and when its files change.

use super::logging::Logging;
use crate::config::{Config, Error, Look, Sources};
use crate::server::{Changes, Running};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Between two looks at the files. One that has changed is read once it looks the same twice.
const LOOK: Duration = Duration::from_secs(1);

/// What is read again.
pub(super) struct Reload<'a> {
    /// `None` where the server is not configured by files.
    sources: Option<Sources>,
    files: Vec<PathBuf>,
    certificate: Vec<PathBuf>,
    server: Running,
    hangup: Signal,
    logging: &'a Logging,
}

impl<'a> Reload<'a> {
    /// Of a server that was started as `sources` said.
    pub(super) fn new(sources: Option<Sources>, server: Running, logging: &'a Logging) -> io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let files = sources.as_ref().map(|sources| sources.files(server.apps())).unwrap_or_default();
        Ok(Self { sources, files, certificate: server.certificate_files(), server, hangup, logging })
    }

    /// Goes on for ever.
    pub(super) async fn run(mut self) {
        let mut seen = (look(&self.files).await, look(&self.certificate).await);
        let mut due = interval(LOOK);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let told = tokio::select! {
                Some(()) = self.hangup.recv() => true,
                _ = due.tick() => false,
            };
            let mut found = (look(&self.files).await, look(&self.certificate).await);
            while !told && found != seen {
                // Whoever writes may not be done.
                sleep(LOOK / 4).await;
                let again = (look(&self.files).await, look(&self.certificate).await);
                if again == found {
                    break;
                }
                found = again;
            }
            if told || found.0 != seen.0 {
                self.configure().await;
            }
            if told || found.1 != seen.1 {
                self.certificate();
            }
            seen = found;
        }
    }

    async fn configure(&mut self) {
        let Some(sources) = self.sources.clone() else { return };
        let read = spawn_blocking(move || (Config::load(&sources), sources));
        let Ok((config, sources)) = read.await else { return };
        match config {
            Ok(config) => {
                self.files = sources.files(config.server.apps.as_deref());
                self.logging.configure(config.log.level);
                report(&self.server.configure(config));
            }
            Err(error) => refuse(&error),
        }
    }

    fn certificate(&self) {
        match self.server.reload_certificate() {
            Ok(()) if self.certificate.is_empty() => {}
            Ok(()) => tracing::info!("certificate read again"),
            Err(error) => tracing::error!("the certificate stays as it was: {error}"),
        }
    }
}

async fn look(files: &[PathBuf]) -> Look {
    let files = files.to_vec();
    // A disk may hang.
    spawn_blocking(move || Look::at(files.iter().map(PathBuf::as_path))).await.unwrap_or_default()
}

fn report(changes: &Changes) {
    let Changes { added, changed, removed, needs_restart } = changes;
    tracing::info!(?added, ?changed, ?removed, "configuration read again");
    for what in needs_restart {
        tracing::warn!("{what} is configured in another way now: restart the server for it");
    }
}

fn refuse(error: &Error) {
    for mistake in error.lines() {
        tracing::error!("the configuration stays as it was: {mistake}");
    }
}
