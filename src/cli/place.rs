//! The options that say which server is meant, and what they come to.
//!
//! Must not know: what is asked there.

use super::address::Address;
use super::link::Target;
use crate::app::App;
use crate::config::{Config, Sources};
use std::path::PathBuf;

/// Where the server listens, and what configures it.
#[derive(clap::Args)]
pub(super) struct Place {
    #[arg(
        long,
        value_name = "HOST",
        global = true,
        help = "Address that the server listens on [default: REVERB_SERVER_HOST, or 0.0.0.0]"
    )]
    host: Option<String>,
    #[arg(
        long,
        value_name = "PORT",
        global = true,
        help = "Port that it listens on [default: REVERB_SERVER_PORT, or 8080]"
    )]
    port: Option<String>,
    #[arg(
        long,
        value_name = "PATH",
        global = true,
        help = "Prefix of every path [default: REVERB_SERVER_PATH, or none]"
    )]
    path: Option<String>,
    /// File to read instead of .env
    #[arg(long, value_name = "FILE", global = true)]
    env_file: Option<PathBuf>,
    /// Configuration in TOML or JSON; see config/fanfare.toml for every key
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// File with more apps, or folder of such files, in TOML or JSON
    #[arg(long, value_name = "PATH", global = true)]
    apps: Option<String>,
}

/// A server that runs, here or elsewhere.
#[derive(clap::Args)]
pub(super) struct Remote {
    #[command(flatten)]
    pub(super) place: Place,
    #[arg(long, value_name = "URL", global = true, conflicts_with_all = ["host", "port", "path"], help = "Server that is elsewhere, such as https://ws.example.com/prefix; app and secret come from the configuration")]
    pub(super) url: Option<String>,
    /// PEM file of the authorities that may vouch for its certificate, in place of the public ones
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) ca_file: Option<PathBuf>,
}

/// A server to talk to, and the apps to do it as.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) target: Target,
    pub(super) apps: Vec<App>,
}

impl Place {
    pub(super) fn sources(self) -> Sources {
        let flags = [
            ("server.host", self.host, "--host"),
            ("server.port", self.port, "--port"),
            ("server.path", self.path, "--path"),
            ("server.apps", self.apps, "--apps"),
        ];
        Sources {
            env_file: self.env_file,
            config_file: self.config,
            flags: flags.into_iter().filter_map(|(key, value, flag)| Some((key, value?, flag))).collect(),
            ..Sources::process()
        }
    }
}

impl Remote {
    /// The server that is meant; the error is a mistake in options or configuration.
    pub(super) fn server(self) -> Result<Server, String> {
        let config = Config::load(&self.place.sources()).map_err(|error| error.to_string())?;
        let target = match self.url {
            Some(url) => Target::new(Address::parse(&url)?, self.ca_file.as_deref())?,
            None => Target::here(&config.server, &config.tls)?,
        };
        Ok(Server { target: reachable(target)?, apps: config.apps })
    }

    /// The same where no app is needed, and nothing secret is said: one on this machine may show any certificate.
    pub(super) fn target(self) -> Result<Target, String> {
        let target = match self.url {
            Some(url) => Target::new(Address::parse(&url)?, self.ca_file.as_deref())?,
            None => {
                let (server, tls) = Config::place(&self.place.sources()).map_err(|error| error.to_string())?;
                Target::nearby(&server, &tls)?
            }
        };
        reachable(target)
    }
}

impl Server {
    /// The app with this id, or else the first that is enabled.
    pub(super) fn app(&self, id: Option<&str>) -> Result<&App, String> {
        let Some(id) = id else {
            let every = "every app of the configuration is disabled, and the server is asked with an app's key";
            return self.apps.iter().find(|app| app.enabled).ok_or(every.to_owned());
        };
        self.apps.iter().find(|app| app.id == id).ok_or_else(|| {
            let ids: Vec<_> = self.apps.iter().map(|app| app.id.as_str()).collect();
            format!("no app of the configuration has the id {id:?}; there are {}", ids.join(", "))
        })
    }
}

/// Refuses the port of which only the server itself knows what became.
fn reachable(target: Target) -> Result<Target, String> {
    if target.address.port == 0 {
        return Err("the configured port is 0, which is any free one: say with --port which one it was".to_owned());
    }
    Ok(target)
}
