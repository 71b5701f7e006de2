//! All that was read, for a person to look at: every setting with its origin, what is odd and what is wrong.
//!
//! Must not know: how it is printed.

use super::apps::DEFAULT;
use super::error::origin;
use super::kind::Kind;
use super::merge::Layer;
use super::read::Read;
use super::schema::{FILE, ONE_APP};
use super::{Config, Error, Sources, json};
use config::{Value, ValueKind};
use serde::Serialize;
use serde_json::Value as Json;

/// What a configuration comes to.
#[derive(Debug)]
pub struct Report {
    /// Every setting that counts, as it counts, in the order of the config file; each app's after all others.
    pub settings: Vec<Setting>,
    /// What is accepted and may not do what was meant; one line each.
    pub warnings: Vec<String>,
    /// Variables of other servers that are set and say nothing to this one, with their origins.
    pub ignored: Vec<String>,
    /// The configuration, or everything that is wrong with it.
    pub config: Result<Config, Error>,
}

/// One setting.
#[derive(Debug, Serialize)]
pub struct Setting {
    /// Its dotted key, such as `server.port` or `apps[0].id`.
    pub key: String,
    /// What it holds; `***` in place of secrets.
    pub value: Json,
    /// Where that was said, such as `--port`; `default` if nowhere.
    pub source: String,
}

impl Report {
    /// Reads all sources, to the end whatever is wrong with one.
    pub fn of(sources: &Sources) -> Self {
        let read = Read::all(sources);
        let mut settings = Vec::new();
        list("", FILE, &read.settings, &mut settings);
        for (at, app) in read.apps.iter().enumerate() {
            list(&format!("apps[{at}]"), ONE_APP, &app.table, &mut settings);
        }
        let config = Config::typed(&read);
        let config = read.mistakes.end().and(config);
        Self { settings, warnings: read.notes.warnings, ignored: read.notes.ignored, config }
    }
}

/// The settings of `kind` in `layer`, which stands at `place`. A table that is not there is listed as one setting.
fn list(place: &str, kind: Kind, layer: &Layer, settings: &mut Vec<Setting>) {
    let Kind::Table(keys) = kind else { return };
    for (key, kind) in keys {
        let name = if place.is_empty() { (*key).to_owned() } else { format!("{place}.{key}") };
        let value = layer.get(key);
        match (kind, value.map(|value| &value.kind)) {
            // Apps are listed each for itself.
            (Kind::Tables(_), _) if name == "apps" => {}
            (Kind::Table(_), Some(ValueKind::Table(_))) => list(&name, *kind, &Layer::table(value), settings),
            _ => settings.push(Setting {
                value: value.map_or(Json::Null, |value| shown(&name, *kind, value)),
                source: value.map_or_else(|| DEFAULT.to_owned(), |value| origin(value).to_string()),
                key: name,
            }),
        }
    }
}

/// A value without secrets. What stands in a list of tables under a name that is none is not shown: it may be a secret under
/// a mistyped one.
fn shown(name: &str, kind: Kind, value: &Value) -> Json {
    let (Kind::Tables(keys), ValueKind::Array(list)) = (kind, &value.kind) else { return json::write(name, value) };
    let hidden = || Json::String("***".to_owned());
    let entry = |place: &str, key: &str, value: &Value| match keys.iter().find(|(known, _)| *known == key) {
        Some((_, kind)) => shown(&format!("{place}.{key}"), *kind, value),
        None => hidden(),
    };
    let table = |(at, value): (usize, &Value)| match &value.kind {
        ValueKind::Table(table) => {
            let place = format!("{name}[{at}]");
            Json::Object(table.iter().map(|(key, value)| (key.clone(), entry(&place, key, value))).collect())
        }
        _ => hidden(),
    };
    Json::Array(list.iter().enumerate().map(table).collect())
}
