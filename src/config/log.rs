//! What the log says, and how.
//!
//! Must not know: where it goes.

use serde::{Deserialize, Serialize};

/// What the log says, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How a line looks: `human`, or `json` with one object for each line.
    pub format: LogFormat,
    /// The least that is logged: `error`, `warn`, `info` or `debug`. `server.debug` is `debug`, whatever stands here.
    pub level: LogLevel,
}

impl Log {
    /// The same, at the level `debug` if `server.debug` is on.
    pub(super) fn with_debug(self, debug: bool) -> Self {
        if debug { Self { level: LogLevel::Debug, ..self } } else { self }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object, for programs.
    Json,
}

/// The least that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What does not work.
    Error,
    /// And what may become that.
    Warn,
    /// And what happens to the server.
    #[default]
    Info,
    /// And what happens to each connection, with contents.
    Debug,
}
