//! The settings that are not an app's: where and how to listen.
//!
//! Must not know: where the settings were read from.

use super::rules;
use serde::Deserialize;

/// Where and how to listen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address to bind: an IP address, without brackets, or a name to resolve.
    pub host: String,
    /// Port to bind; 0 is any free one.
    pub port: u16,
    /// Prefix of every route: `""`, or `/prefix` without a slash at the end.
    pub path: String,
    /// Name that people know this server by; never bound to.
    pub hostname: Option<String>,
    /// Whether to log every connection, inbound message and broadcast, with payloads.
    pub debug: bool,
    /// Time for a request's head, and the idle time of a keep-alive connection.
    pub header_timeout_secs: u32,
    /// Time for a request's body to arrive, and for an answer to be taken.
    pub body_timeout_secs: u32,
    /// Origins of pages whose scripts may call the HTTP API (CORS), such as `https://admin.example`, or `*` for any;
    /// whoever signs requests there holds an app's secret.
    pub api_origins: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 8080,
            path: String::new(),
            hostname: None,
            debug: false,
            header_timeout_secs: 30,
            body_timeout_secs: 10,
            api_origins: Vec::new(),
        }
    }
}

impl Server {
    /// `host` without brackets, `path` with its slashes in place.
    pub(super) fn normal(self) -> Self {
        let (host, path) = (rules::bare_host(&self.host).to_owned(), rules::normal_path(&self.path));
        Self { host, path, ..self }
    }
}
