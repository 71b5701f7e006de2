//! What of a running server follows its configuration: apps and certificate. The rest takes a restart, and is named.
//!
//! Must not know: where the configuration comes from, and when it is read again.

use super::tls::Tls;
use crate::app::{App, Apps};
use crate::config::Config;
use crate::node::Node;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A handle on a running server. Clones are the same.
#[derive(Clone, Debug)]
pub struct Running {
    node: Arc<Node>,
    tls: Option<Arc<Tls>>,
    /// How it was started, without its apps.
    started: Arc<Config>,
}

/// What has come of a new configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Ids of apps that there were not.
    pub added: Vec<String>,
    /// Ids of apps that are configured in another way now.
    pub changed: Vec<String>,
    /// Ids of apps that are not there any more.
    pub removed: Vec<String>,
    /// What else is configured in another way and stays as it was, by setting or section.
    pub needs_restart: Vec<String>,
}

impl Running {
    pub(super) fn new(node: &Arc<Node>, tls: Option<&Arc<Tls>>, started: Config) -> Self {
        Self { node: node.clone(), tls: tls.cloned(), started: Arc::new(started) }
    }

    /// Serves the apps of `config` from now on. Nobody is disconnected but from apps that are gone or disabled.
    pub fn configure(&self, config: Config) -> Changes {
        let mut changes = Changes { needs_restart: self.differing(&config), ..Changes::default() };
        let before = self.node.apps();
        let find = |id: &str| before.iter().find(|app| app.id == id);
        let mut apps = config.apps;
        for app in &mut apps {
            // Who tells endpoints was started with those that there were.
            let webhooks = find(&app.id).map(|app| app.webhooks.clone()).unwrap_or_default();
            if app.webhooks != webhooks {
                changes.needs_restart.push(format!("webhooks of app {:?}", app.id));
                app.webhooks = webhooks;
            }
            match find(&app.id) {
                None => changes.added.push(app.id.clone()),
                Some(before) if **before != *app => changes.changed.push(app.id.clone()),
                Some(_) => {}
            }
        }
        let is_gone = |gone: &&App| !apps.iter().any(|app| app.id == gone.id);
        changes.removed = before.iter().map(|app| &**app).filter(is_gone).map(|app| app.id.clone()).collect();
        if !(changes.added.is_empty() && changes.changed.is_empty() && changes.removed.is_empty()) {
            self.node.configure(Apps::new(apps));
        }
        changes
    }

    /// The sections that are not what they were at the start.
    fn differing(&self, config: &Config) -> Vec<String> {
        let started = &self.started;
        let sections = [
            ("server", started.server != config.server),
            ("tls", started.tls != config.tls),
            ("metrics", started.metrics != config.metrics),
            ("log", started.log.format != config.log.format),
            ("cluster", started.cluster != config.cluster),
            ("redis", started.redis != config.redis),
            ("nats", started.nats != config.nats),
            ("webhooks", started.webhooks != config.webhooks),
        ];
        sections.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| format!("[{name}]")).collect()
    }

    /// Whether apps are served that are not in `config`.
    pub fn loses_apps(&self, config: &Config) -> bool {
        self.node.apps().iter().any(|app| !config.apps.iter().any(|kept| kept.id == app.id))
    }

    /// Where more apps are configured, as it was at the start.
    pub fn apps(&self) -> Option<&Path> {
        self.started.server.apps.as_deref()
    }

    /// The files of the certificate, if the server speaks TLS.
    pub fn certificate_files(&self) -> Vec<PathBuf> {
        self.tls.iter().flat_map(|tls| tls.files()).map(Into::into).collect()
    }

    /// Reads the certificate again: clients that connect from now on are shown the new one. If it is of no use the old one
    /// stays, and the error says why.
    pub fn reload_certificate(&self) -> Result<(), String> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.reload())
    }
}
