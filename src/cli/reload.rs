//! Keeps a running server to its configuration: reads it again on SIGHUP and when its files change.

use super::logging::Logging;
use crate::config::{Config, Error, Look, Sources};
use crate::server::{Changes, Running};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Between two looks at the files. One that has changed is read once it looks the same twice.
const LOOK: Duration = Duration::from_secs(1);
/// Between the looks at one that changes, and how many of them there are at most.
const SETTLE: (Duration, usize) = (Duration::from_millis(250), 20);
/// Until what was refused is looked at again: it may have been the disk's fault, or that of the system.
const RETRY: Duration = Duration::from_secs(10);
/// For how long an app must be gone before its clients are sent away for good, unless somebody said that it is so.
const SURE: Duration = Duration::from_secs(2);

/// What is read again.
pub(super) struct Reload<'a> {
    /// `None` where the server is not configured by files.
    sources: Option<Sources>,
    /// The files as named, folders among them.
    files: Vec<PathBuf>,
    certificate: Vec<PathBuf>,
    /// How both looked at the start.
    seen: (Look, Look),
    server: Running,
    hangup: Signal,
    logging: &'a Logging,
    /// Told once the terminal that the server was started on is gone.
    left: Option<Arc<Notify>>,
    /// Why configuration and certificate are as they were, if they were refused.
    refused: [Option<String>; 2],
}

impl<'a> Reload<'a> {
    /// Of a server that was started as `sources` said, on each `hangup`. If that is because its terminal is gone, `left` is
    /// told instead.
    pub(super) fn new(
        sources: Option<Sources>,
        server: Running,
        hangup: Signal,
        logging: &'a Logging,
        left: &Arc<Notify>,
    ) -> Self {
        let left = io::stdin().is_terminal().then(|| left.clone());
        let files = sources.as_ref().map(|sources| sources.files(server.apps())).unwrap_or_default();
        let certificate = server.certificate_files();
        let look = |files: &[PathBuf]| Look::at(files.iter().map(PathBuf::as_path));
        let seen = (look(&files), look(&certificate));
        Self { sources, files, certificate, seen, server, hangup, logging, left, refused: [None, None] }
    }

    /// Goes on for ever.
    pub(super) async fn run(mut self) {
        let mut seen = std::mem::take(&mut self.seen);
        let mut due = interval(LOOK);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry = Instant::now();
        loop {
            let mut told = tokio::select! {
                Some(()) = self.hangup.recv() => true,
                _ = due.tick() => false,
            };
            if told && let Some(left) = self.left.as_ref().filter(|_| !io::stdin().is_terminal()) {
                left.notify_one();
            }
            let mut found = (look(&self.files).await, look(&self.certificate).await);
            // Whoever writes may not be done.
            for _ in 0..SETTLE.1 {
                if told || found == seen {
                    break;
                }
                tokio::select! {
                    Some(()) = self.hangup.recv() => told = true,
                    () = sleep(SETTLE.0) => {}
                }
                let again = (look(&self.files).await, look(&self.certificate).await);
                if std::mem::replace(&mut found, again.clone()) == again {
                    break;
                }
            }
            let again = self.refused.iter().any(Option::is_some) && retry <= Instant::now();
            let [configure, certify] = self.refused.each_ref().map(|refused| again && refused.is_some());
            if told || found.0 != seen.0 || configure {
                match found.0.lost(&self.files, &seen.0) {
                    Some(path) => {
                        tracing::error!("the configuration stays as it was: {} is gone: put it back", path.display());
                        // It is missed until it is back.
                        found.0 = seen.0.clone();
                    }
                    None => self.configure(told).await,
                }
            }
            if told || found.1 != seen.1 || certify {
                self.certificate(told);
            }
            if told || found != seen || again {
                retry = Instant::now() + RETRY;
            }
            seen = found;
        }
    }

    async fn configure(&mut self, told: bool) {
        let Some(sources) = self.sources.clone() else { return };
        let mut read = load(&sources).await;
        if !told && read.as_ref().is_ok_and(|config| self.server.loses_apps(config)) {
            sleep(SURE).await;
            read = load(&sources).await;
        }
        match read {
            Ok(config) => {
                self.files = sources.files(config.server.apps.as_deref());
                self.logging.configure(config.log.level);
                report(&self.server.configure(config).await);
                self.refused[0] = None;
            }
            Err(error) => {
                let why = error.lines().join("\n");
                if told || self.refused[0].as_ref() != Some(&why) {
                    refuse(&error);
                }
                self.refused[0] = Some(why);
            }
        }
    }

    fn certificate(&mut self, told: bool) {
        match self.server.reload_certificate() {
            Ok(()) if self.certificate.is_empty() => {}
            Ok(()) => {
                tracing::info!("certificate read again");
                self.refused[1] = None;
            }
            Err(error) => {
                if told || self.refused[1].as_ref() != Some(&error) {
                    tracing::error!("the certificate stays as it was: {error}");
                }
                self.refused[1] = Some(error);
            }
        }
    }
}

async fn look(files: &[PathBuf]) -> Look {
    let files = files.to_vec();
    // A disk may hang.
    spawn_blocking(move || Look::at(files.iter().map(PathBuf::as_path))).await.unwrap_or_default()
}

async fn load(sources: &Sources) -> Result<Config, Error> {
    let sources = sources.clone();
    spawn_blocking(move || Config::load(&sources)).await.expect("reading does not panic")
}

fn report(changes: &Changes) {
    let Changes { added, changed, removed, needs_restart, no_webhooks } = changes;
    let [added, changed, removed] = [added, changed, removed].map(|apps| apps.join(", "));
    tracing::info!(added, changed, removed, "configuration read again");
    for what in needs_restart {
        tracing::warn!("{what} is configured in another way now: restart the server for it");
    }
    if let Some(why) = no_webhooks {
        tracing::error!("no webhooks are sent: {why}");
    }
}

fn refuse(error: &Error) {
    for mistake in error.lines() {
        tracing::error!("the configuration stays as it was: {mistake}");
    }
}
