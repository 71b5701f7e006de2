//! The apps that the merged layers describe, with the limits that hold for each.
//!
//! Must not know: files and variables.

use super::error::origin;
use super::merge::{Layer, merge};
use super::{Error, reverb, rules};
use crate::app::{self, App, ClientEvents, Endpoint, Endpoints, Features, Limits, MessageRate, Origins};
use config::{Config, ConfigError, Value, ValueKind};
use serde::Deserialize;

/// An app as it is written.
#[derive(Deserialize)]
struct Written {
    id: String,
    key: String,
    secret: String,
    enabled: Option<bool>,
    #[serde(default)]
    client_events: ClientEvents,
    allowed_origins: Option<Vec<String>>,
    #[serde(default)]
    keys: Vec<Key>,
    #[serde(default)]
    webhooks: Vec<Endpoint>,
}

/// What is the same for every app.
#[derive(Deserialize)]
struct Shared {
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

/// A younger key as it is written.
#[derive(Deserialize)]
struct Key {
    key: String,
    secret: String,
}

/// All apps: first that of `REVERB_APP_*` in `given`, then those of the config file.
pub(super) fn apps(file: &Layer, given: &Layer) -> Result<Vec<App>, Error> {
    let mut found = Vec::new();
    let set = reverb::CREDENTIALS.iter().find_map(|(name, _)| given.get(&format!("app.{name}")));
    if let Some(set) = set {
        let app = Layer::table(given.get("app"));
        if let Some((_, variable)) = reverb::CREDENTIALS.iter().find(|(name, _)| app.get(name).is_none()) {
            let mend = "an app has id, key and secret; set all three or none";
            return Err(Error::new(&format!("{variable} is not set, unlike {}: {mend}", origin(set))));
        }
        found.push(("app".to_owned(), app, reverb::defaults()));
    }
    let listed = match file.get("apps").map(|apps| &apps.kind) {
        Some(ValueKind::Array(list)) => list.as_slice(),
        _ => &[],
    };
    for (at, table) in listed.iter().enumerate() {
        let app = Layer::table(Some(table));
        if let Some(name) = ["id", "key", "secret"].into_iter().find(|name| app.get(name).is_none()) {
            return Err(Error::new(&format!("apps[{at}].{name} is not set ({}): add {name} = \"...\"", origin(table))));
        }
        found.push((format!("apps[{at}]"), app, Limits::default()));
    }
    complete(&found)?;
    distinct(&found)?;
    found.iter().map(|(place, table, base)| app(place, table, base, file)).collect()
}

/// The tables of `[[apps.keys]]`, each with its place.
fn younger<'a>(place: &str, table: &'a Layer) -> Vec<(String, &'a Value)> {
    match table.get("keys").map(|keys| &keys.kind) {
        Some(ValueKind::Array(list)) => {
            list.iter().enumerate().map(|(at, key)| (format!("{place}.keys[{at}]"), key)).collect()
        }
        _ => Vec::new(),
    }
}

/// Refuses a younger key without its secret, or a secret without its key.
fn complete(found: &[(String, Layer, Limits)]) -> Result<(), Error> {
    for (place, key) in found.iter().flat_map(|(place, table, _)| younger(place, table)) {
        let table = Layer::table(Some(key));
        if let Some(name) = ["key", "secret"].into_iter().find(|name| table.get(name).is_none()) {
            return Err(Error::new(&format!("{place}.{name} is not set ({}): add {name} = \"...\"", origin(key))));
        }
    }
    Ok(())
}

/// An app's id, or all its keys, each with its place.
fn names(place: &str, table: &Layer, name: &str) -> Vec<(String, Value)> {
    let tables = if name == "key" { younger(place, table) } else { Vec::new() };
    let own = (place.to_owned(), table.value());
    let all = std::iter::once(own).chain(tables.into_iter().map(|(place, key)| (place, key.clone())));
    all.filter_map(|(place, table)| Some((format!("{place}.{name}"), Layer::table(Some(&table)).get(name)?.clone())))
        .collect()
}

/// Refuses two apps with one id, and one key twice: requests name an app by nothing else.
fn distinct(found: &[(String, Layer, Limits)]) -> Result<(), Error> {
    let text = |value: &Value| value.clone().into_string().ok();
    for name in ["id", "key"] {
        let mut all: Vec<(String, Value)> = Vec::new();
        for (place, value) in found.iter().flat_map(|(place, table, _)| names(place, table, name)) {
            if let Some((other, same)) = all.iter().find(|(_, earlier)| text(earlier) == text(&value)) {
                let mend = format!("{other} ({}) is the same; every app needs its own", origin(same));
                return Err(Error::setting(&place, &value, &mend));
            }
            all.push((place, value));
        }
    }
    Ok(())
}

fn app(place: &str, table: &Layer, base: &Limits, file: &Layer) -> Result<App, Error> {
    let (shared, own) = (&Layer::table(file.get("limits")), Layer::table(table.get("limits")));
    let mut limits = limits(base, shared, &own)?;
    let features = [file, table].map(|layer| Layer::table(layer.get("features")));
    // Reverb caps an event by its request alone: who raises that variable does it to send larger events, and they
    // must fit into the readers' outboxes, escaped.
    let raised = place == "app" && own.get("max_request_bytes").is_some();
    if raised && limits.max_request_bytes > limits.max_event_data_bytes {
        if shared.get("max_event_data_bytes").is_none() {
            limits.max_event_data_bytes = limits.max_request_bytes;
        }
        if shared.get("outbox_bytes").is_none() {
            limits.outbox_bytes = limits.outbox_bytes.max(2 * limits.max_event_data_bytes);
        }
    }
    if limits.outbox_bytes < limits.max_event_data_bytes {
        let names = ["outbox_bytes", "max_event_data_bytes"];
        let set = names.iter().find_map(|name| Some((name, own.get(name).or_else(|| shared.get(name))?)));
        let (name, value) = set.expect("the defaults fit, so one of the two is set");
        let (outbox, data) = (limits.outbox_bytes, limits.max_event_data_bytes);
        let need = match *name {
            "outbox_bytes" => format!("must be at least max_event_data_bytes, {data}"),
            _ => format!("must be at most outbox_bytes, {outbox}"),
        };
        let mend = format!("{need}, or one event would disconnect its readers");
        return Err(Error::setting(&format!("{place}.limits.{name}"), value, &mend));
    }
    let written: Written = merge([table])?.try_deserialize()?;
    let mut app = App::new(&written.id, &written.key, &written.secret);
    for Key { key, secret } in &written.keys {
        app.keys.add(key, secret);
    }
    (app.client_events, app.limits) = (written.client_events, limits);
    app.features = merge([&features[0], &features[1]])?.try_deserialize::<Features>()?;
    let shared: Shared = merge([&Layer::table(file.get("webhooks"))])?.try_deserialize()?;
    let endpoints = [
        ("webhooks.endpoints".to_owned(), file.get("webhooks.endpoints")),
        (format!("{place}.webhooks"), table.get("webhooks")),
    ];
    endpoints.iter().try_for_each(|(place, list)| reachable(place, *list, &written.id, &app.features))?;
    app.webhooks = Endpoints::new(shared.endpoints.into_iter().chain(written.webhooks));
    if let Some(enabled) = written.enabled {
        app.enabled = enabled;
    }
    if let Some(list) = written.allowed_origins {
        app.allowed_origins = Origins::new(list.iter().map(String::as_str));
    }
    Ok(app)
}

/// Refuses endpoints without a URL, and those at an address that the app's webhooks may not go to.
fn reachable(place: &str, list: Option<&Value>, app: &str, features: &Features) -> Result<(), Error> {
    let Some(ValueKind::Array(list)) = list.map(|list| &list.kind) else { return Ok(()) };
    for (at, endpoint) in list.iter().enumerate() {
        let table = Layer::table(Some(endpoint));
        let Some(url) = table.get("url") else {
            let example = "url = \"https://app.example/pusher/webhooks\"";
            return Err(Error::new(&format!("{place}[{at}].url is not set ({}): add {example}", origin(endpoint))));
        };
        let address = url.clone().into_string().ok().and_then(|url| rules::address(&url));
        if !features.private_webhook_targets && address.is_some_and(|address| !app::is_public(address)) {
            let mend = format!(
                "is not an address of the public internet; set features.private_webhook_targets = true if app {app:?} may \
                 send webhooks there"
            );
            return Err(Error::setting(&format!("{place}[{at}].url"), url, &mend));
        }
    }
    Ok(())
}

/// `base`, then the limits for every app, then the app's own. A rate that is set in part is Reverb's for the rest.
fn limits(base: &Limits, shared: &Layer, own: &Layer) -> Result<Limits, ConfigError> {
    let mut base = base.clone();
    let merged = Layer::try_from(merge([shared, own])?)?;
    if let Some(ValueKind::Table(_)) = merged.get("message_rate").map(|rate| &rate.kind) {
        base.message_rate = Some(MessageRate { max_attempts: 60, decay_secs: 60, terminate: false });
    }
    Config::builder().add_source(Config::try_from(&base)?).add_source(merged).build()?.try_deserialize()
}
