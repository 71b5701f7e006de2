//! The apps of files and of the environment, each with all that holds for it, and what is wrong with them.
//!
//! Must not know: files and variables.

use super::error::{Mistakes, origin};
use super::merge::{Layer, merge};
use super::schema::ONE_APP;
use super::written::Listed;
use super::{Error, reverb, rules};
use crate::app::{self, App, ClientEvents, Endpoint, Endpoints, Features, Limits, MessageRate, Origins};
use config::{ConfigError, Value, ValueKind};
use serde::Deserialize;

/// What an app is told apart by.
pub(super) const CREDENTIALS: [&str; 3] = ["id", "key", "secret"];

/// Where a value comes from that nobody has set.
pub(super) const DEFAULT: &str = "default";

/// An app as it is written, with every default filled in.
#[derive(Deserialize)]
struct Written {
    id: String,
    key: String,
    secret: String,
    enabled: bool,
    client_events: ClientEvents,
    allowed_origins: Vec<String>,
    #[serde(default)]
    keys: Vec<Key>,
    #[serde(default)]
    webhooks: Vec<Endpoint>,
    features: Features,
    limits: Limits,
}

/// A younger key as it is written.
#[derive(Deserialize)]
struct Key {
    key: String,
    secret: String,
}

/// Every app with all that holds for it: defaults, then what `shared` says for every app, then its own.
pub(super) fn complete(listed: Vec<Listed>, shared: &Layer, mistakes: &mut Mistakes) -> Vec<Listed> {
    for app in &listed {
        named(app, mistakes);
    }
    distinct(&listed, mistakes);
    let complete = |app: Listed| Listed { table: effective(&app, shared), ..app };
    let apps: Vec<_> = listed.into_iter().map(complete).collect();
    for app in &apps {
        roomy(app, mistakes);
        reachable(app, shared, mistakes);
    }
    apps
}

/// The app with its types; an error here is one that no check has found.
pub(super) fn typed(app: &Listed, shared: &[Endpoint]) -> Result<App, ConfigError> {
    let written: Written = app.table.typed()?;
    let mut app = App::new(&written.id, &written.key, &written.secret);
    for Key { key, secret } in &written.keys {
        app.keys.add(key, secret);
    }
    app.enabled = written.enabled;
    app.client_events = written.client_events;
    app.allowed_origins = Origins::new(written.allowed_origins.iter().map(String::as_str));
    (app.features, app.limits) = (written.features, written.limits);
    app.webhooks = Endpoints::new(shared.iter().cloned().chain(written.webhooks));
    Ok(app)
}

fn effective(app: &Listed, shared: &Layer) -> Layer {
    let table = |layer: &Layer, key: &str| match Layer::table(layer.get(key)) {
        none if none.is_empty() => none,
        some => some.within(key),
    };
    let set = merge(&[&table(shared, "features"), &table(shared, "limits"), &app.table]);
    let mut base = Limits::default();
    let mut origin = DEFAULT;
    if app.reverb {
        (base, origin) = (reverb::defaults(), "default of Laravel Reverb");
        // Reverb caps an event by its request alone: who raises that does it to send larger events, and they must fit
        // into the readers' outboxes, escaped.
        let raised = number(&app.table, "limits.max_request_bytes").unwrap_or(0);
        base.max_event_data_bytes = base.max_event_data_bytes.max(raised);
        base.outbox_bytes = base.outbox_bytes.max(2 * base.max_event_data_bytes);
    }
    // A rate that is set in part is Reverb's for the rest.
    if let Some(ValueKind::Table(_)) = set.get("limits.message_rate").map(|rate| &rate.kind) {
        base.message_rate = Some(MessageRate { max_attempts: 60, decay_secs: 60, terminate: false });
    }
    let mut limits = Layer::of(&Limits::default(), DEFAULT);
    for (key, value) in Layer::of(&base, origin).entries() {
        if limits.get(key).is_none_or(|ours| ours.kind != value.kind) {
            limits.set(key, value.clone());
        }
    }
    let mut defaults = Layer::default();
    let switched = Layer::of(&Features::default(), DEFAULT);
    let everyone: ValueKind = vec!["*"].into();
    let events: ValueKind = "guarded".into();
    for (key, kind) in [("enabled", true.into()), ("client_events", events), ("allowed_origins", everyone)] {
        defaults.set(key, Value::new(Some(&DEFAULT.to_owned()), kind));
    }
    merge(&[&defaults, &switched.within("features"), &limits.within("limits"), &set])
}

/// A size or count, if it is one.
pub(super) fn number(layer: &Layer, key: &str) -> Option<usize> {
    match layer.get(key)?.kind {
        ValueKind::I64(number) => usize::try_from(number).ok(),
        ValueKind::U64(number) => usize::try_from(number).ok(),
        _ => None,
    }
}

/// Whether somebody has set the setting.
fn is_set(layer: &Layer, key: &str) -> bool {
    layer.get(key).is_some_and(|value| !value.origin().is_some_and(|origin| origin.starts_with(DEFAULT)))
}

/// Refuses an app without id, key or secret, a younger key without its secret, and a secret without its key.
fn named(app: &Listed, mistakes: &mut Mistakes) {
    for name in CREDENTIALS.into_iter().filter(|name| !has(&app.table, name)) {
        mistakes.missing(&app.name(name), &app.origin, &format!("{name} = \"...\""));
    }
    for (place, key) in younger(app) {
        let table = Layer::table(Some(key));
        for name in ["key", "secret"].into_iter().filter(|name| !has(&table, name)) {
            mistakes.missing(&format!("{place}.{name}"), origin(key), &format!("{name} = \"...\""));
        }
    }
}

/// Whether a setting is set, to more than nothing.
pub(super) fn has(table: &Layer, key: &str) -> bool {
    table.get(key).is_some_and(|value| value.kind != ValueKind::Nil)
}

/// The tables of `[[apps.keys]]`, each with its place.
fn younger(app: &Listed) -> Vec<(String, &Value)> {
    match app.table.get("keys").map(|keys| &keys.kind) {
        Some(ValueKind::Array(list)) => {
            list.iter().enumerate().map(|(at, key)| (app.name(&format!("keys[{at}]")), key)).collect()
        }
        _ => Vec::new(),
    }
}

/// An app's id, or all its keys, each with its full name.
fn names(app: &Listed, name: &str) -> Vec<(String, Value)> {
    let own = app.table.get(name).map(|value| (app.name(name), value.clone()));
    let tables = if name == "key" { younger(app) } else { Vec::new() };
    let key = |(place, key)| Some((format!("{place}.{name}"), Layer::table(Some(key)).get(name)?.clone()));
    own.into_iter().chain(tables.into_iter().filter_map(key)).collect()
}

/// Refuses two apps with one id, and one key twice: requests name an app by nothing else.
fn distinct(apps: &[Listed], mistakes: &mut Mistakes) {
    let text = |value: &Value| value.clone().into_string().ok();
    for name in ["id", "key"] {
        let mut all: Vec<(String, Value)> = Vec::new();
        for (place, value) in apps.iter().flat_map(|app| names(app, name)) {
            match all.iter().find(|(_, earlier)| text(earlier).is_some() && text(earlier) == text(&value)) {
                Some((other, same)) => {
                    let mend = format!("{other} ({}) is the same; every app needs its own", origin(same));
                    mistakes.note(Error::setting(&place, &value, &mend));
                }
                None => all.push((place, value)),
            }
        }
    }
}

/// Refuses an outbox that one event would fill.
fn roomy(app: &Listed, mistakes: &mut Mistakes) {
    let sizes = ["limits.outbox_bytes", "limits.max_event_data_bytes"];
    // What is out of its own bounds is refused for that already.
    let good = |key: &str| {
        let mut wrong = Mistakes::default();
        ONE_APP.of(key)?.check(key, app.table.get(key)?, &mut wrong);
        number(&app.table, key).filter(|_| wrong.end().is_ok())
    };
    let [Some(outbox), Some(data)] = sizes.map(good) else { return };
    if outbox >= data {
        return;
    }
    let (key, need) = if is_set(&app.table, sizes[0]) {
        (sizes[0], format!("must be at least max_event_data_bytes, {data}"))
    } else {
        (sizes[1], format!("must be at most outbox_bytes, {outbox}"))
    };
    if let Some(value) = app.table.get(key) {
        let mend = format!("{need}, or one event would disconnect its readers");
        mistakes.note(Error::setting(&app.name(key), value, &mend));
    }
}

/// Refuses endpoints without a URL, and those at an address that the app's webhooks may not go to.
fn reachable(app: &Listed, shared: &Layer, mistakes: &mut Mistakes) {
    let private = app.table.get("features.private_webhook_targets").map(|value| &value.kind);
    let allowed = private == Some(&ValueKind::Boolean(true));
    let lists = [
        ("webhooks.endpoints".to_owned(), shared.get("webhooks.endpoints")),
        (app.name("webhooks"), app.table.get("webhooks")),
    ];
    for (place, list) in lists {
        let Some(ValueKind::Array(list)) = list.map(|list| &list.kind) else { continue };
        for (at, endpoint) in list.iter().enumerate() {
            let table = Layer::table(Some(endpoint));
            let Some(url) = table.get("url") else {
                let example = "url = \"https://app.example/pusher/webhooks\"";
                mistakes.missing(&format!("{place}[{at}].url"), origin(endpoint), example);
                continue;
            };
            let address = url.clone().into_string().ok().and_then(|url| rules::address(&url));
            if !allowed && address.is_some_and(|address| !app::is_public(address)) {
                let id = app.table.get("id").and_then(|id| id.clone().into_string().ok()).unwrap_or_default();
                let mend = format!(
                    "is not an address of the public internet; set features.private_webhook_targets = true if app {id:?} \
                     may send webhooks there"
                );
                mistakes.note(Error::setting(&format!("{place}[{at}].url"), url, &mend));
            }
        }
    }
}
