//! Every setting with its kind and its bounds, and the check of one layer against them.
//!
//! Must not know: which layer is being checked, and what the settings do.

use super::Error;
use super::error::origin;
use super::merge::{Layer, Table};
use super::rules::{self, Rule};
use config::{Value, ValueKind};

/// A table's keys.
pub(super) type Keys = &'static [(&'static str, Kind)];

/// What a setting holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A whole number between the two, both included.
    Number(i64, i64),
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    Text(Rule),
    /// Text that may be written as a number in TOML, as in `id = 123456`.
    Credential(Rule),
    /// At least one text.
    List(Rule),
    /// Texts, or none.
    Texts(Rule),
    /// At least one whole number between the two.
    Numbers(i64, i64),
    /// At least one of these words.
    Words(&'static [&'static str]),
    /// A table with keys of this kind, each with a text.
    Named(Rule, Rule),
    Table(Keys),
    Tables(Keys),
}

use Kind::{Choice, Credential, List, Named, Number, Numbers, Switch, Tables, Text, Texts, Words};

/// 16 MiB, the ceiling of `max_message_bytes`: one message is held in memory whole.
pub(super) const MOST_MESSAGE_BYTES: i64 = 16 * 1024 * 1024;

/// What a config file may hold.
pub(super) const FILE: Kind = Kind::Table(&[
    ("server", Kind::Table(SERVER)),
    ("tls", Kind::Table(TLS)),
    ("metrics", Kind::Table(METRICS)),
    ("log", Kind::Table(LOG)),
    ("cluster", Kind::Table(CLUSTER)),
    ("redis", Kind::Table(REDIS)),
    ("nats", Kind::Table(NATS)),
    ("features", Kind::Table(FEATURES)),
    ("limits", Kind::Table(LIMITS)),
    ("webhooks", Kind::Table(WEBHOOKS)),
    ("apps", Tables(APP)),
]);

/// What variables and flags may hold: `app` is the app of `REVERB_APP_*`.
pub(super) const GIVEN: Kind = Kind::Table(&[
    ("server", Kind::Table(SERVER)),
    ("tls", Kind::Table(TLS)),
    ("metrics", Kind::Table(METRICS)),
    ("log", Kind::Table(LOG)),
    ("cluster", Kind::Table(CLUSTER)),
    ("redis", Kind::Table(REDIS)),
    ("app", Kind::Table(APP)),
]);

const SERVER: Keys = &[
    ("host", Text(rules::host)),
    ("port", Number(0, 65_535)),
    ("unix_socket", Text(rules::some)),
    ("reuse_port", Switch),
    ("proxy_protocol", Switch),
    ("trusted_proxies", Texts(rules::network)),
    ("path", Text(rules::path)),
    ("hostname", Text(rules::shown)),
    ("debug", Switch),
    ("handshake_timeout_secs", Number(1, 3600)),
    ("header_timeout_secs", Number(1, 3600)),
    ("body_timeout_secs", Number(1, 3600)),
    ("api_origins", Texts(rules::page)),
    ("drain_delay_secs", Number(0, 3600)),
    ("drain_window_secs", Number(0, 3600)),
];

const TLS: Keys = &[("cert_file", Text(rules::some)), ("key_file", Text(rules::some))];
const METRICS: Keys = &[("host", Text(rules::host)), ("port", Number(0, 65_535))];

const LOG: Keys = &[("format", Choice(&["human", "json"])), ("level", Choice(&["error", "warn", "info", "debug"]))];

const CLUSTER: Keys = &[
    ("bus", Choice(&["none", "redis", "nats"])),
    ("prefix", Text(rules::prefix)),
    ("key", Credential(rules::cluster_key)),
    ("outage_secs", Number(1, 3600)),
    ("outage_bytes", Number(65_536, 64 * 1024 * MIB)),
    ("repeat_bytes", Number(0, 64 * 1024 * MIB)),
    ("inbox_bytes", Number(MIB, 64 * 1024 * MIB)),
];

const REDIS: Keys = &[
    ("urls", Texts(rules::redis_url)),
    ("username", Credential(rules::any)),
    ("password", Credential(rules::any)),
    ("database", Number(0, 1_000_000)),
    ("cluster", Switch),
    ("sentinel_master", Text(rules::some)),
    ("sentinel_username", Credential(rules::any)),
    ("sentinel_password", Credential(rules::any)),
    ("tls_ca_file", Text(rules::some)),
    ("tls_cert_file", Text(rules::some)),
    ("tls_key_file", Text(rules::some)),
];

const NATS: Keys = &[
    ("servers", Texts(rules::some)),
    ("username", Credential(rules::some)),
    ("password", Credential(rules::some)),
    ("token", Credential(rules::some)),
    ("nkey_seed", Credential(rules::some)),
    ("credentials_file", Text(rules::some)),
    ("tls", Switch),
    ("tls_ca_file", Text(rules::some)),
    ("tls_cert_file", Text(rules::some)),
    ("tls_key_file", Text(rules::some)),
];

const APP: Keys = &[
    ("id", Credential(rules::id)),
    ("key", Credential(rules::key)),
    ("secret", Credential(rules::secret)),
    ("enabled", Switch),
    ("client_events", Choice(&["none", "guarded", "members", "all"])),
    ("allowed_origins", List(rules::origin)),
    ("keys", Tables(KEY)),
    ("webhooks", Tables(ENDPOINT)),
    ("features", Kind::Table(FEATURES)),
    ("limits", Kind::Table(LIMITS)),
];

/// A younger key of an app.
const KEY: Keys = &[("key", Credential(rules::key)), ("secret", Credential(rules::secret))];

const WEBHOOKS: Keys = &[
    ("debounce_ms", Number(0, 60_000)),
    ("timeout_secs", Number(1, 300)),
    ("retry_after_secs", Numbers(1, 3600)),
    ("retry_for_secs", Number(0, DAY)),
    ("queue_bytes", Number(65_536, 1024 * MIB)),
    ("dead_letters", Number(0, 100_000)),
    ("journal", Text(rules::any)),
    ("tls_ca_file", Text(rules::some)),
    ("endpoints", Tables(ENDPOINT)),
];

/// An endpoint of webhooks.
const ENDPOINT: Keys = &[
    ("url", Text(rules::endpoint)),
    (
        "events",
        Words(&[
            "channel_occupied",
            "channel_vacated",
            "member_added",
            "member_removed",
            "client_event",
            "cache_miss",
            "subscription_count",
        ]),
    ),
    ("channel_prefix", Text(rules::any)),
    ("channel_suffix", Text(rules::any)),
    ("batch", Switch),
    ("headers", Named(rules::header, rules::header_value)),
];

const FEATURES: Keys = &[
    ("require_tls", Switch),
    ("strict_protocol", Switch),
    ("authorized_connections", Switch),
    ("watchlist", Switch),
    ("subscription_counts", Switch),
    ("subscription_count_events", Switch),
    ("private_webhook_targets", Switch),
];

const DAY: i64 = 86_400;
const MIB: i64 = 1024 * 1024;

/// Lower bounds keep clients working (an `activity_timeout` of 0 hangs pusher-js); upper ones catch slips of the pen.
pub(super) const LIMITS: Keys = &[
    ("activity_timeout_secs", Number(1, DAY)),
    ("ping_interval_secs", Number(1, DAY)),
    ("pong_timeout_secs", Number(1, 3600)),
    ("max_connections", Number(0, 100_000_000)),
    ("max_connections_per_address", Number(0, 100_000_000)),
    ("connections_per_second", Number(0, 1_000_000)),
    ("unused_timeout_secs", Number(0, DAY)),
    ("max_channels_per_connection", Number(1, 1_000_000)),
    ("max_message_bytes", Number(1024, MOST_MESSAGE_BYTES)),
    ("max_request_bytes", Number(1024, 64 * MIB)),
    ("max_channel_name_chars", Number(164, 200)),
    ("max_event_name_chars", Number(1, 1000)),
    ("max_event_data_bytes", Number(1, 64 * MIB)),
    ("max_channels_per_publish", Number(1, 10_000)),
    ("max_batch_events", Number(1, 10_000)),
    ("max_presence_members", Number(1, 100_000)),
    ("max_user_info_bytes", Number(1, MIB)),
    ("max_user_id_chars", Number(1, 148)),
    ("cache_ttl_secs", Number(1, 7 * DAY)),
    ("cache_bytes", Number(65_536, 64 * 1024 * MIB)),
    ("max_watchlist_users", Number(1, 10_000)),
    ("authorization_timeout_secs", Number(1, DAY)),
    ("client_events_per_second", Number(1, 100_000)),
    ("events_per_second", Number(0, 1_000_000)),
    ("reads_per_second", Number(0, 1_000_000)),
    ("message_rate", Kind::Table(MESSAGE_RATE)),
    ("outbox_bytes", Number(65_536, 1024 * MIB)),
    ("write_timeout_secs", Number(1, 3600)),
    ("auth_window_secs", Number(1, 366 * DAY)),
];

const MESSAGE_RATE: Keys =
    &[("max_attempts", Number(1, 1_000_000)), ("decay_secs", Number(1, DAY)), ("terminate", Switch)];

/// Whether everything in `layer` is a setting of `kind`, and within its bounds.
pub(super) fn check(layer: &Layer, kind: Kind) -> Result<(), Error> {
    kind.check("", &layer.value())
}

impl Kind {
    /// The value that the text of a variable or flag stands for. A text that does not fit stays text: `check` refuses
    /// it, and so each kind has one message.
    pub(super) fn read(self, text: &str, origin: &String) -> Value {
        let kind = match self {
            Number(..) => number(text).map(ValueKind::I64),
            Switch => switch(text).map(ValueKind::Boolean),
            List(_) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Some(ValueKind::Array(parts.map(|part| Value::new(Some(origin), part)).collect()))
            }
            _ => None,
        };
        Value::new(Some(origin), kind.unwrap_or_else(|| text.into()))
    }

    /// The kind of the setting with the dotted key `path` within this table.
    pub(super) fn of(self, path: &str) -> Option<Self> {
        path.split('.').try_fold(self, |kind, name| match kind {
            Self::Table(keys) => keys.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind),
            _ => None,
        })
    }

    /// Whether `value`, the setting named `path`, is of this kind.
    pub(super) fn check(self, path: &str, value: &Value) -> Result<(), Error> {
        let wrong = |mend: &str| Err(Error::setting(path, value, mend));
        let rule = |rule: Rule, text: &str| rule(text).or_else(wrong);
        match (self, &value.kind) {
            (Self::Table(keys), ValueKind::Table(table)) => check_table(path, table, keys),
            (Number(min, max), ValueKind::I64(n)) if (min..=max).contains(n) => Ok(()),
            (Switch, ValueKind::Boolean(_)) => Ok(()),
            (Choice(words), ValueKind::String(text)) if words.contains(&text.as_str()) => Ok(()),
            (Text(good) | Credential(good), ValueKind::String(text)) => rule(good, text),
            (Credential(good), ValueKind::I64(number)) => rule(good, &number.to_string()),
            (List(good), ValueKind::Array(list)) if !list.is_empty() => check_each(path, list, Text(good)),
            (Texts(good), ValueKind::Array(list)) => check_each(path, list, Text(good)),
            (Numbers(min, max), ValueKind::Array(list)) if !list.is_empty() => check_each(path, list, Number(min, max)),
            (Words(words), ValueKind::Array(list)) if !list.is_empty() => check_each(path, list, Choice(words)),
            (Named(name, text), ValueKind::Table(table)) => check_named(path, table, name, text),
            (Tables(keys), ValueKind::Array(list)) => check_each(path, list, Self::Table(keys)),
            _ => wrong(&self.expected(path)),
        }
    }

    fn expected(self, path: &str) -> String {
        match self {
            Number(min, max) => format!("must be a whole number from {min} to {max}"),
            Switch => "must be true or false".to_owned(),
            Choice(words) => format!("must be one of {}", words.join(", ")),
            Text(_) | Credential(_) => "must be text in quotes".to_owned(),
            List(_) => "must list at least one origin, or * for any".to_owned(),
            Texts(_) => "must be a list in brackets, empty or not".to_owned(),
            Numbers(..) => "must list at least one number".to_owned(),
            Words(words) => format!("must list at least one of {}", words.join(", ")),
            Self::Table(_) | Named(..) => format!("must be a table: [{path}]"),
            Tables(_) => format!("must be written as [[{path}]]"),
        }
    }
}

fn check_each(path: &str, list: &[Value], kind: Kind) -> Result<(), Error> {
    list.iter().enumerate().try_for_each(|(at, value)| kind.check(&format!("{path}[{at}]"), value))
}

fn check_named(path: &str, table: &Table, name: Rule, text: Rule) -> Result<(), Error> {
    let mut keys: Vec<_> = table.keys().collect();
    keys.sort_unstable();
    keys.into_iter().try_for_each(|key| {
        let (path, value) = (format!("{path}.{key}"), &table[key]);
        name(key).map_err(|mend| Error::setting(&path, value, mend))?;
        Text(text).check(&path, value)
    })
}

fn check_table(path: &str, table: &Table, keys: Keys) -> Result<(), Error> {
    let full = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let unknown = table.keys().filter(|name| keys.iter().all(|(known, _)| known != name)).min();
    if let Some(name) = unknown {
        let mend = match nearest(name, keys) {
            Some(known) => format!("did you mean {}?", full(known)),
            None => format!("known here are {}", keys.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ")),
        };
        return Err(Error::new(&format!("{} is not a setting ({}): {mend}", full(name), origin(&table[name]))));
    }
    for (name, kind) in keys {
        if let Some(value) = table.get(*name).filter(|value| value.kind != ValueKind::Nil) {
            kind.check(&full(name), value)?;
        }
    }
    Ok(())
}

/// `10_000` and `-1`, but not `_1` or `1__0`.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if plain { text.replace('_', "").parse().ok() } else { None }
}

/// What people write for yes and no.
fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" => Some(true),
        "0" | "false" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// The known key that is at most two slips away.
fn nearest(name: &str, keys: Keys) -> Option<&'static str> {
    let far = |known: &str| distance(name, known);
    keys.iter()
        .map(|(known, _)| *known)
        .filter(|known| far(known) <= 2 && far(known) < known.len())
        .min_by_key(|k| far(k))
}

/// Letters to insert, delete or replace to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::super::{Cluster, Log, Metrics, Nats, Redis, Tls};
    use super::*;
    use crate::app::{Features, Limits};

    fn same_keys(keys: Keys, of: &impl serde::Serialize) {
        let struct_keys = config::Config::try_from(of).unwrap().cache.into_table().unwrap();
        let mut struct_keys: Vec<_> = struct_keys.into_keys().collect();
        let mut keys: Vec<_> = keys.iter().map(|(name, _)| (*name).to_owned()).collect();
        struct_keys.sort();
        keys.sort();
        assert_eq!(keys, struct_keys);
    }

    #[test]
    fn settings_are_those_of_the_structs() {
        same_keys(METRICS, &Metrics { port: Some(0), ..Metrics::default() });
        same_keys(LOG, &Log::default());
        same_keys(CLUSTER, &Cluster::default());
        same_keys(TLS, &Tls::default());
        same_keys(REDIS, &Redis::default());
        same_keys(NATS, &Nats::default());
        same_keys(LIMITS, &Limits::default());
        same_keys(FEATURES, &Features::default());
    }

    #[test]
    fn numbers_may_have_underscores_between_digits() {
        for (text, expect) in [("10_000", Some(10_000)), ("-1", Some(-1)), ("007", Some(7)), ("1_2_3", Some(123))] {
            assert_eq!(number(text), expect, "{text:?}");
        }
        for text in ["", "_1", "1_", "1__0", "1.0", "1e3", "0x1", " 1", "+1", "-", "99999999999999999999"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_nearest_key_is_suggested() {
        for (name, expect) in [("prot", Some("port")), ("hots", Some("host")), ("Path", Some("path")), ("x", None)] {
            assert_eq!(nearest(name, SERVER), expect, "{name:?}");
        }
    }
}
