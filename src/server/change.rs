//! What of a running server follows its configuration: apps, their webhooks, and the certificate. The rest takes a restart,
//! and is named.
//!
//! Must not know: where the configuration comes from, and when it is read again.

use super::telling::{Start, without_endpoints};
use super::tls::Tls;
use crate::app::{App, Apps, Endpoints};
use crate::config::{self, Config};
use crate::node::Node;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// A handle on a running server. Clones are the same.
#[derive(Clone, Debug)]
pub struct Running {
    node: Arc<Node>,
    tls: Option<Arc<Tls>>,
    /// How it was started, without its apps and webhooks.
    started: Arc<Config>,
    /// Held while it is changed.
    webhooks: Arc<Mutex<Start>>,
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
    /// The settings that are configured in another way and stay as they were.
    pub needs_restart: Vec<String>,
    /// Why no webhooks are sent that are configured now, if so.
    pub no_webhooks: Option<String>,
}

impl Running {
    pub(super) fn new(node: &Arc<Node>, tls: Option<&Arc<Tls>>, start: Start, started: Config) -> Self {
        let webhooks = Arc::new(Mutex::new(start));
        Self { node: node.clone(), tls: tls.cloned(), started: Arc::new(started), webhooks }
    }

    /// Serves the apps of `config` from now on. Nobody is disconnected but from apps that are gone or disabled.
    pub async fn configure(&self, config: Config) -> Changes {
        let mut webhooks = self.webhooks.lock().await;
        let needs_restart = self.differing(&config, webhooks.settings());
        let mut changes = Changes { needs_restart, ..Changes::default() };
        let mut apps = config.apps;
        if apps.iter().any(|app| !app.webhooks.is_empty()) {
            // Apps that are new have nowhere yet where it is told what happens in them.
            changes.no_webhooks = webhooks.start(&self.node, &config.webhooks, Vec::new()).err();
        }
        if changes.no_webhooks.is_some() {
            apps.iter_mut().for_each(|app| app.webhooks = Endpoints::default());
        }
        let before = self.node.apps();
        let find = |id: &str| before.iter().find(|app| app.id == id);
        let mut ask = Vec::new();
        for app in &apps {
            match find(&app.id) {
                None => changes.added.push(app.id.clone()),
                Some(before) if **before != *app => changes.changed.push(app.id.clone()),
                Some(_) => continue,
            }
            // What else is configured changes nothing of what back ends are told.
            let of = |app: &App| (app.webhooks.clone(), app.features.subscription_counts);
            if !app.webhooks.is_empty() && find(&app.id).is_none_or(|before| of(before) != of(app)) {
                ask.push(app.id.clone());
            }
        }
        let is_gone = |gone: &&App| !apps.iter().any(|app| app.id == gone.id);
        changes.removed = before.iter().map(|app| &**app).filter(is_gone).map(|app| app.id.clone()).collect();
        if !(changes.added.is_empty() && changes.changed.is_empty() && changes.removed.is_empty()) {
            self.node.configure(Apps::new(apps));
            webhooks.configure(&self.node, &ask).await;
        }
        changes
    }

    /// The settings that are not what they were at the start, and do not follow; `webhooks` are theirs.
    fn differing(&self, config: &Config, webhooks: Option<&config::Webhooks>) -> Vec<String> {
        let started = &self.started;
        // These two do.
        let server = config::Server { apps: started.server.apps.clone(), ..config.server.clone() };
        let log = config::Log { level: started.log.level, ..config.log };
        let webhooks = webhooks.map(|before| differing("webhooks", before, &without_endpoints(&config.webhooks)));
        let sections = [
            differing("server", &started.server, &server),
            differing("tls", &started.tls, &config.tls),
            differing("metrics", &started.metrics, &config.metrics),
            differing("log", &started.log, &log),
            differing("cluster", &started.cluster, &config.cluster),
            differing("redis", &started.redis, &config.redis),
            differing("nats", &started.nats, &config.nats),
            webhooks.unwrap_or_default(),
        ];
        sections.concat()
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

/// The settings of a section whose values differ. Only their names are told: among the values are secrets.
fn differing(section: &str, before: &impl Serialize, now: &impl Serialize) -> Vec<String> {
    let [before, now] = [serde_json::to_value(before), serde_json::to_value(now)]
        .map(|section| section.expect("settings are numbers, texts and lists"));
    let keys = now.as_object().into_iter().flat_map(|settings| settings.keys());
    keys.filter(|key| before[*key] != now[*key]).map(|key| format!("{section}.{key}")).collect()
}
