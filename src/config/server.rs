//! The settings that are not an app's: where and how to listen.
//!
//! Must not know: where the settings were read from.

use super::rules;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where and how to listen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address to bind: an IP address, without brackets, or a name to resolve.
    pub host: String,
    /// Port to bind; 0 is any free one.
    pub port: u16,
    /// Unix socket to listen on as well, for a proxy on this machine; who may open its folder may connect.
    pub unix_socket: Option<PathBuf>,
    /// Whether another process with this setting may listen on the same port: a new one takes over while the old one
    /// drains.
    pub reuse_port: bool,
    /// Whether every connection begins with a PROXY protocol header, version 1 or 2, as load balancers send
    /// it. It counts from `trusted_proxies` alone; others are turned away.
    pub proxy_protocol: bool,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed: addresses, or networks such as `10.0.0.0/8`.
    pub trusted_proxies: Vec<String>,
    /// Prefix of every route: `""`, or `/prefix` without a slash at the end.
    pub path: String,
    /// Name that people know this server by; never bound to.
    pub hostname: Option<String>,
    /// Whether to log every connection, inbound message and broadcast, with payloads.
    pub debug: bool,
    /// Time for what comes before the first request: a PROXY protocol header and the TLS handshake.
    pub handshake_timeout_secs: u32,
    /// Time for a request's head, and the idle time of a keep-alive connection.
    pub header_timeout_secs: u32,
    /// Time for a request's body to arrive, and for an answer to be taken.
    pub body_timeout_secs: u32,
    /// Origins of pages whose scripts may call the HTTP API (CORS), such as `https://admin.example`, or `*` for any;
    /// whoever signs requests there holds an app's secret.
    pub api_origins: Vec<String>,
    /// How long a server that is to stop goes on as before, but for `/ready`, so that load balancers notice.
    pub drain_delay_secs: u32,
    /// Over how long it then closes its connections, in random order; at least 100 a second.
    pub drain_window_secs: u32,
    /// File with more apps, or folder of such files, each `.toml` or `.json`; read in the order of their names.
    pub apps: Option<PathBuf>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 8080,
            unix_socket: None,
            reuse_port: false,
            proxy_protocol: false,
            trusted_proxies: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            path: String::new(),
            hostname: None,
            debug: false,
            handshake_timeout_secs: 10,
            header_timeout_secs: 30,
            body_timeout_secs: 10,
            api_origins: Vec::new(),
            drain_delay_secs: 5,
            drain_window_secs: 30,
            apps: None,
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
