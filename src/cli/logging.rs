//! The log of a server: how it looks, and how much it says, which can be changed while the server runs.

use crate::config::{Log, LogFormat, LogLevel};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::io::{self, IsTerminal};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

/// The log, which goes to standard error.
pub(super) struct Logging {
    filter: Handle<Targets, Registry>,
    format: LogFormat,
    /// What is configured.
    level: Mutex<LogLevel>,
}

/// SIGUSR1 and SIGUSR2.
pub(super) struct Switches {
    debug: Signal,
    restore: Signal,
}

impl Logging {
    /// Starts the log as it is configured, for the whole process.
    pub(super) fn start(log: Log) -> Self {
        let (filter, handle) = reload::Layer::new(filter(log.level));
        // A log that cannot be written must not take down what it tells of.
        let lines = fmt::layer().with_writer(io::stderr).with_target(false).log_internal_errors(false);
        let lines = match log.format {
            LogFormat::Human => lines.with_ansi(io::stderr().is_terminal()).boxed(),
            LogFormat::Json => {
                // Panics are told in lines of text otherwise.
                std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
                lines.json().flatten_event(true).boxed()
            }
        };
        tracing_subscriber::registry().with(filter).with(lines).init();
        Self { filter: handle, format: log.format, level: Mutex::new(log.level) }
    }

    /// Tells how the server is: in the log where programs read it, otherwise on standard output, as Reverb does.
    pub(super) fn say(&self, text: &str) {
        match self.format {
            LogFormat::Human => super::print::say(&format!("INFO  {text}")),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }

    /// Tells why the server is not, where it tells everything.
    pub(super) fn fail(&self, text: &str) {
        match self.format {
            LogFormat::Human => super::print::complain(text),
            LogFormat::Json => tracing::error!("{text}"),
        }
    }

    /// Takes another level for the configured one.
    pub(super) fn configure(&self, level: LogLevel) {
        let before = std::mem::replace(&mut *self.level.lock(), level);
        if before != level {
            self.apply(level);
        }
    }

    /// Changes the level as signals ask for it.
    pub(super) async fn follow(&self, mut switches: Switches) -> Infallible {
        loop {
            tokio::select! {
                _ = switches.debug.recv() => {
                    self.apply(LogLevel::Debug);
                    tracing::info!("the log's level is debug until SIGUSR2");
                }
                _ = switches.restore.recv() => {
                    tracing::info!("the log's level is the configured one");
                    self.apply(*self.level.lock());
                }
            }
        }
    }

    fn apply(&self, level: LogLevel) {
        // Fails only if the log is gone, and then there is nobody to tell.
        let _ = self.filter.reload(filter(level));
    }
}

impl Switches {
    /// From here on the signals do not end the process.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { debug: signal(SignalKind::user_defined1())?, restore: signal(SignalKind::user_defined2())? })
    }
}

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // The driver says what its library finds worth saying, once and in our words.
    Targets::new().with_default(level).with_target("async_nats", LevelFilter::OFF)
}
