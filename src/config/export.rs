//! What `php artisan tinker --execute 'echo json_encode(config("reverb"));'` prints: the settings of Laravel Reverb after
//! its config file was evaluated. Each is read as the variable that it usually comes from.
//!
//! Must not know: files.

use super::error::Mistakes;
use super::lookup::{Credentials, Text, set};
use super::merge::{Layer, merge};
use super::notes::Notes;
use super::schema::{GIVEN, ONE_APP};
use super::written::{Listed, Written};
use super::{Error, reverb, scaling};
use serde_json::Value as Json;

/// Where the variables' settings stand below `servers.reverb`.
const SERVER: &[(&str, &str)] = &[
    ("REVERB_SERVER_HOST", "host"),
    ("REVERB_SERVER_PORT", "port"),
    ("REVERB_SERVER_PATH", "path"),
    ("REVERB_HOST", "hostname"),
    ("REVERB_MAX_REQUEST_SIZE", "max_request_size"),
    ("REVERB_SCALING_ENABLED", "scaling.enabled"),
    ("REVERB_SCALING_CHANNEL", "scaling.channel"),
    ("REDIS_URL", "scaling.server.url"),
    ("REDIS_HOST", "scaling.server.host"),
    ("REDIS_PORT", "scaling.server.port"),
    ("REDIS_USERNAME", "scaling.server.username"),
    ("REDIS_PASSWORD", "scaling.server.password"),
    ("REDIS_DB", "scaling.server.database"),
];

/// Where they stand in each of `apps.apps`.
const APP: &[(&str, &str)] = &[
    ("REVERB_APP_ID", "app_id"),
    ("REVERB_APP_KEY", "key"),
    ("REVERB_APP_SECRET", "secret"),
    ("REVERB_APP_PING_INTERVAL", "ping_interval"),
    ("REVERB_APP_ACTIVITY_TIMEOUT", "activity_timeout"),
    ("REVERB_APP_MAX_CONNECTIONS", "max_connections"),
    ("REVERB_APP_MAX_MESSAGE_SIZE", "max_message_size"),
    ("REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM", "accept_client_events_from"),
    ("REVERB_APP_RATE_LIMITING_ENABLED", "rate_limiting.enabled"),
    ("REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS", "rate_limiting.max_attempts"),
    ("REVERB_APP_RATE_LIMIT_DECAY_SECONDS", "rate_limiting.decay_seconds"),
    ("REVERB_APP_RATE_LIMIT_TERMINATE", "rate_limiting.terminate_on_limit"),
    ("REVERB_APP_ALLOWED_ORIGINS", "allowed_origins"),
];

/// What Reverb takes for a setting that is not there, where that is not what it takes for an unset variable.
const MISSING: &[(&str, &str)] =
    &[("REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM", "all"), ("REVERB_APP_RATE_LIMIT_DECAY_SECONDS", "1")];

/// The settings with the file that they stand in.
pub(super) struct Export {
    root: Json,
    file: String,
}

impl Export {
    /// Whether this is such an export, and not a config file of ours.
    pub(super) fn is(root: &Json) -> bool {
        root["servers"].is_object() || root["apps"].is_object()
    }

    pub(super) fn new(root: Json, file: String) -> Self {
        Self { root, file }
    }

    /// The settings of the server, and every app.
    pub(super) fn read(&self, mistakes: &mut Mistakes, notes: &mut Notes) -> Written {
        let lookup = |name: &str| self.find(SERVER, name, "servers.reverb", &self.root["servers"]["reverb"]);
        let server = Layer::table(merge(&[&reverb::layer(&lookup, Credentials::Not, mistakes)]).get("server"));
        let server = if server.is_empty() { server } else { server.within("server") };
        let settings = merge(&[&server, &self.tls(notes), &scaling::layer(&lookup, &Layer::default(), mistakes)]);
        GIVEN.check_layer("", &settings, mistakes);
        let (found, broken): (Vec<(String, &Json)>, bool) = match &self.root["apps"]["apps"] {
            Json::Array(list) => {
                (list.iter().enumerate().map(|(at, app)| (format!("apps.apps[{at}]"), app)).collect(), false)
            }
            // PHP has no lists that are not tables too: who names apps by keys exports this.
            Json::Object(table) => (table.iter().map(|(key, app)| (format!("apps.apps.{key}"), app)).collect(), false),
            Json::Null => (Vec::new(), false),
            _ => {
                mistakes.note(Error::new(&format!("{} apps.apps is not a list: export it once more", self.file)));
                (Vec::new(), true)
            }
        };
        let apps = found.iter().enumerate().map(|(at, (place, app))| self.app(at, place, app, mistakes)).collect();
        Written { settings, apps, broken }
    }

    /// The certificate among PHP's options for TLS. Others are for clients' certificates, which nobody is asked for here.
    fn tls(&self, notes: &mut Notes) -> Layer {
        let options = &self.root["servers"]["reverb"]["options"]["tls"];
        let mut layer = Layer::default();
        for (option, key) in [("local_cert", "tls.cert_file"), ("local_pk", "tls.key_file")] {
            if let Some(path) = text(&options[option]) {
                set(&mut layer, key, &path, &format!("{} servers.reverb.options.tls.{option}", self.file));
            }
        }
        if text(&options["passphrase"]).is_some() {
            let place = format!("{} servers.reverb.options.tls.passphrase", self.file);
            notes.warn(format!("{place} has no effect: private keys are read without a passphrase"));
        }
        merge(&[&layer])
    }

    fn app(&self, at: usize, place: &str, found: &Json, mistakes: &mut Mistakes) -> Listed {
        let lookup = |name: &str| match name {
            "REVERB_MAX_REQUEST_SIZE" => self.find(SERVER, name, "servers.reverb", &self.root["servers"]["reverb"]),
            // PHP compares it with `true` alone.
            "REVERB_APP_RATE_LIMITING_ENABLED" => {
                let (_, origin) = self.find(APP, name, place, found)?;
                Some(((found["rate_limiting"]["enabled"] == true).to_string(), origin))
            }
            _ => self.find(APP, name, place, found),
        };
        let table = Layer::table(merge(&[&reverb::layer(&lookup, Credentials::All, mistakes)]).get("app"));
        ONE_APP.check_layer(&format!("apps[{at}]"), &table, mistakes);
        Listed { place: format!("apps[{at}]"), table, origin: format!("{} {place}", self.file), reverb: true }
    }

    /// The text of the variable `name`, which `table` finds in `found`; that stands at `place`.
    fn find(&self, table: &[(&str, &str)], name: &str, place: &str, found: &Json) -> Option<Text> {
        let (_, path) = table.iter().find(|(variable, _)| *variable == name)?;
        let origin = format!("{} {place}.{path}", self.file);
        let value = path.split('.').fold(found, |value, key| &value[key]);
        let missing = MISSING.iter().find(|(variable, _)| *variable == name).map(|(_, text)| (*text).to_owned());
        Some((text(value).or(missing)?, origin))
    }
}

/// A value as it would stand in a variable; `None` for `null`.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        Json::Array(list) => Some(list.iter().filter_map(text).collect::<Vec<_>>().join(",")),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
