//! Settings that contradict each other, or have no effect beside others: accepted, and worth a word.
//!
//! Must not know: where settings are written.

use super::apps::{DEFAULT, number};
use super::error::{masked, origin};
use super::merge::Layer;
use super::notes::Notes;
use super::written::Listed;
use super::{Cluster, Nats, Redis, json, pages};
use config::{Value, ValueKind};

/// Two limits of which the first should not be less than the second, and what follows if it is.
const AT_LEAST: &[(&str, &str, &str)] = &[
    ("max_request_bytes", "max_event_data_bytes", "no request can hold so large an event"),
    ("max_message_bytes", "max_event_data_bytes", "no client can send so large an event"),
    ("cache_bytes", "max_event_data_bytes", "a cache channel cannot keep so large an event"),
    ("ping_interval_secs", "activity_timeout_secs", "the server asks before a client does"),
];

/// What may happen at once, and a rate that is less than it.
const AT_ONCE: [&str; 2] = ["max_channels_per_publish", "max_batch_events"];

/// Notes all of them.
pub(super) fn find(settings: &Layer, apps: &[Listed], notes: &mut Notes) {
    for app in apps {
        contradictions(app, notes);
        origins(app, notes);
    }
    let enabled = |app: &Listed| app.table.get("enabled").is_none_or(|on| on.kind != ValueKind::Boolean(false));
    if !apps.is_empty() && !apps.iter().any(enabled) {
        notes.warn("every app is disabled: all connections and requests are refused".to_owned());
    }
    idle(settings, notes);
    let sizes = ["cluster.repeat_bytes", "cluster.outage_bytes"].map(|key| number(settings, key));
    if let ([Some(repeat), Some(outage)], true) = (sizes, has_bus(settings))
        && repeat < outage
    {
        notes.warn(format!(
            "cluster.repeat_bytes is {repeat}, less than outage_bytes, {outage}: a server that comes back late may lose some"
        ));
    }
}

/// A pair counts where somebody has set one of the two; of Reverb's apps only where that is the second, for its own
/// defaults are such pairs.
fn contradictions(app: &Listed, notes: &mut Notes) {
    let set = |key: &str| !origin_of(&app.table, key).starts_with(DEFAULT);
    let rate = number(&app.table, "limits.events_per_second").filter(|rate| *rate > 0);
    let most = AT_ONCE.into_iter().filter_map(|key| Some((number(&app.table, &format!("limits.{key}"))?, key))).max();
    if let (Some(rate), Some((most, key))) = (rate, most)
        && rate < most
    {
        let (name, first) = (app.name("limits.events_per_second"), origin_of(&app.table, "limits.events_per_second"));
        notes
            .warn(format!("{name} is {rate} ({first}), less than {key}, {most}: so large a publish is always refused"));
    }
    for (less, more, then) in AT_LEAST {
        let keys = [less, more].map(|key| format!("limits.{key}"));
        let [Some(low), Some(high)] = keys.each_ref().map(|key| number(&app.table, key)) else { continue };
        if low < high && (set(&keys[1]) || set(&keys[0]) && !app.reverb) {
            let [first, second] = keys.each_ref().map(|key| origin_of(&app.table, key));
            let name = app.name(&keys[0]);
            notes.warn(format!("{name} is {low} ({first}), less than {more}, {high} ({second}): {then}"));
        }
    }
}

/// Origins that no page has: those who connect from there are refused all the same.
fn origins(app: &Listed, notes: &mut Notes) {
    let Some(ValueKind::Array(list)) = app.table.get("allowed_origins").map(|list| &list.kind) else { return };
    let text = |value: &Value| value.clone().into_string().unwrap_or_default();
    if list.iter().any(|value| text(value).trim() == "*") {
        return;
    }
    for (at, value) in list.iter().enumerate() {
        if let Some(instead) = pages::instead(&text(value)) {
            let name = app.name("allowed_origins");
            notes.warn(format!(
                "{name}[{at}] is {:?} ({}): no page has such an origin; write {instead}",
                masked(&text(value)),
                origin(value)
            ));
        }
    }
}

/// Sections that say how a bus is reached, or used, which is not the one in use.
fn idle(settings: &Layer, notes: &mut Notes) {
    let bus = match settings.get("cluster.bus").map(|bus| &bus.kind) {
        Some(ValueKind::String(bus)) => bus.as_str(),
        _ => return,
    };
    let sections = [
        ("cluster", Layer::of(&Cluster::default(), DEFAULT), bus == "none"),
        ("redis", Layer::of(&Redis::default(), DEFAULT), bus != "redis"),
        ("nats", Layer::of(&Nats::default(), DEFAULT), bus != "nats"),
    ];
    for (section, defaults, idle) in sections {
        let found = Layer::table(settings.get(section));
        // A list of the same texts is another value only by its origins.
        let shown = |value: &Value| json::write("", value);
        let mut other: Vec<_> =
            found.entries().filter(|(key, value)| defaults.get(key).map(shown) != Some(shown(value))).collect();
        other.sort_unstable_by_key(|(key, _)| *key);
        if let Some((key, value)) = other.first().filter(|_| idle) {
            notes.warn(format!("{section}.{key} has no effect ({}): cluster.bus is {bus}", origin(value)));
        }
    }
}

fn origin_of(layer: &Layer, key: &str) -> String {
    layer.get(key).map(|value| origin(value).to_string()).unwrap_or_default()
}

fn has_bus(settings: &Layer) -> bool {
    settings.get("cluster.bus").is_some_and(|bus| bus.kind != ValueKind::String("none".to_owned()))
}
