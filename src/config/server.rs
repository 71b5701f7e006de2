//! The settings that are not an app's: where to listen, and what to show people as the server's address.
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
    /// Whether to log every frame.
    pub debug: bool,
    /// Time for a request's head, and the idle time of a keep-alive connection.
    pub header_timeout_secs: u32,
    /// Time for a request's body.
    pub body_timeout_secs: u32,
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

/// Where browsers and back ends find the server: `REVERB_SCHEME`, `REVERB_HOST`, `REVERB_PORT`. For display only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Public {
    /// `http` or `https`.
    pub scheme: String,
    /// Host name, if one was given.
    pub host: Option<String>,
    /// Port, usually that of a proxy.
    pub port: u16,
}

impl Default for Public {
    fn default() -> Self {
        Self { scheme: "https".to_owned(), host: None, port: 443 }
    }
}
