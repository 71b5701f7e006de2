//! Every setting with its kind and its bounds.
//!
//! Must not know: where settings are written, and what they do.

use super::kind::Keys;
use super::kind::Kind::{self, Choice, Credential, List, Named, Number, Numbers, Switch, Tables, Text, Texts, Words};
use super::rules;

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

/// What variables and flags may hold: `app` is the app of the environment.
pub(super) const GIVEN: Kind = Kind::Table(&[
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
    ("app", Kind::Table(APP)),
]);

/// What a file of apps may hold.
pub(super) const APPS: Kind = Kind::Table(&[("apps", Tables(APP))]);

/// What a file may hold that is one app.
pub(super) const ONE_APP: Kind = Kind::Table(APP);

const SERVER: Keys = &[
    ("host", Text(rules::host)),
    ("port", Number(0, 65_535)),
    ("unix_socket", Text(rules::socket)),
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
    ("apps", Text(rules::some)),
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

/// Room for a ping, and for a subscription to a public channel; what is less is a slip of the pen. Reverb takes any size.
const LEAST_BYTES: i64 = 100;

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
    ("max_message_bytes", Number(LEAST_BYTES, MOST_MESSAGE_BYTES)),
    ("max_request_bytes", Number(LEAST_BYTES, 64 * MIB)),
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

#[cfg(test)]
mod tests {
    use super::super::merge::Layer;
    use super::super::{Cluster, Log, Metrics, Nats, Redis, Server, Tls, Webhooks};
    use super::*;
    use crate::app::{Features, Limits};

    fn same_keys(keys: Keys, of: &impl serde::Serialize) {
        let mut struct_keys: Vec<_> = Layer::of(of, "here").entries().map(|(key, _)| key.clone()).collect();
        let mut keys: Vec<_> = keys.iter().map(|(name, _)| (*name).to_owned()).collect();
        struct_keys.sort();
        keys.sort();
        assert_eq!(keys, struct_keys);
    }

    #[test]
    fn settings_are_those_of_the_structs() {
        same_keys(METRICS, &Metrics { port: Some(0), ..Metrics::default() });
        same_keys(LOG, &Log::default());
        same_keys(SERVER, &Server::default());
        same_keys(WEBHOOKS, &Webhooks::default());
        same_keys(CLUSTER, &Cluster::default());
        same_keys(TLS, &Tls::default());
        same_keys(REDIS, &Redis::default());
        same_keys(NATS, &Nats::default());
        same_keys(LIMITS, &Limits::default());
        same_keys(FEATURES, &Features::default());
    }
}
