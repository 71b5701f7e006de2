//! The variables by which soketi is told to be one of several servers, over Redis or NATS.
//!
//! Must not know: how Redis and NATS are reached.

use crate::config::kind::switch;
use crate::config::lookup::{Lookup, Text, given, set as set_text};
use crate::config::merge::Layer;
use crate::config::notes::Notes;
use crate::config::scaling::redis;
use config::Value;
use serde_json::Value as Json;

const DRIVER: &str = "SOKETI_ADAPTER_DRIVER";

/// Variable and setting of each driver.
const REDIS: &[(&str, &str)] = &[
    ("SOKETI_ADAPTER_REDIS_PREFIX", "cluster.prefix"),
    ("SOKETI_ADAPTER_REDIS_CLUSTER_MODE", "redis.cluster"),
    ("SOKETI_DB_REDIS_SENTINEL_PASSWORD", "redis.sentinel_password"),
];
const NATS: &[(&str, &str)] = &[
    ("SOKETI_ADAPTER_NATS_PREFIX", "cluster.prefix"),
    ("SOKETI_ADAPTER_NATS_USER", "nats.username"),
    ("SOKETI_ADAPTER_NATS_PASSWORD", "nats.password"),
    ("SOKETI_ADAPTER_NATS_TOKEN", "nats.token"),
];

/// What is read with more care.
const MORE: &[&str] = &[
    DRIVER,
    "SOKETI_ADAPTER_NATS_SERVERS",
    "SOKETI_DB_REDIS_HOST",
    "SOKETI_DB_REDIS_PORT",
    "SOKETI_DB_REDIS_DB",
    "SOKETI_DB_REDIS_USERNAME",
    "SOKETI_DB_REDIS_PASSWORD",
    "SOKETI_DB_REDIS_SENTINELS",
    "SOKETI_DB_REDIS_INSTANCE_NAME",
    "SOKETI_DB_REDIS_CLUSTER_NODES",
];

/// Variables that change how soketi reaches its bus, and why they change nothing here.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("SOKETI_ADAPTER_NATS_CREDENTIALS", "name a file with nats.credentials_file"),
    ("SOKETI_ADAPTER_REDIS_PUB_OPTIONS", "the options of ioredis are not known here; see [redis]"),
    ("SOKETI_ADAPTER_REDIS_SUB_OPTIONS", "the options of ioredis are not known here; see [redis]"),
];

/// Times that need not be set, and what is so anyway.
pub(super) const OTHERS: &[&str] = &[
    "SOKETI_ADAPTER_CLUSTER_REQUESTS_TIMEOUT",
    "SOKETI_ADAPTER_NATS_REQUESTS_TIMEOUT",
    "SOKETI_ADAPTER_NATS_TIMEOUT",
    "SOKETI_ADAPTER_REDIS_REQUESTS_TIMEOUT",
    "SOKETI_ADAPTER_REDIS_SHARD_MODE",
    "SOKETI_DB_REDIS_KEY_PREFIX",
];

/// Every variable that has an effect, or a warning that it has none.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let settings = REDIS.iter().chain(NATS).chain(WITHOUT_EFFECT).map(|(name, _)| *name);
    settings.chain(MORE.iter().copied())
}

/// Sets the bus and how it is reached. Any other driver than these is refused as a bus that there is not: alone, each of
/// several servers would lose what is published to the others.
pub(super) fn set(lookup: &Lookup<'_>, layer: &mut Layer, notes: &mut Notes) {
    let Some((driver, origin)) = given(lookup, DRIVER).filter(|(driver, _)| driver != "local") else { return };
    set_text(layer, "cluster.bus", &driver, &origin);
    let variables = match driver.as_str() {
        "redis" => {
            let renamed = |name: &str| lookup(&name.replacen("REDIS_", "SOKETI_DB_REDIS_", 1));
            redis(&renamed, layer);
            several(lookup, layer);
            REDIS
        }
        "nats" => {
            servers(lookup, layer);
            NATS
        }
        _ => return,
    };
    for (name, key) in variables {
        if let Some((text, origin)) = given(lookup, name) {
            set_text(layer, key, &text, &origin);
        }
    }
    for (name, why) in WITHOUT_EFFECT {
        if let Some((_, origin)) = given(lookup, name) {
            notes.warn(format!("{origin} has no effect: {why}"));
        }
    }
}

/// Sentinels, or the nodes of a cluster, in place of one server.
fn several(lookup: &Lookup<'_>, layer: &mut Layer) {
    if let Some(sentinels) = given(lookup, "SOKETI_DB_REDIS_SENTINELS").filter(|(text, _)| text != "[]") {
        let name = given(lookup, "SOKETI_DB_REDIS_INSTANCE_NAME");
        let (name, origin) = name.unwrap_or_else(|| ("mymaster".to_owned(), sentinels.1.clone()));
        set_text(layer, "redis.sentinel_master", &name, &origin);
        layer.set("redis.urls", urls(&sentinels));
        return;
    }
    let cluster = given(lookup, "SOKETI_ADAPTER_REDIS_CLUSTER_MODE").and_then(|(text, _)| switch(&text));
    if let Some(nodes) = given(lookup, "SOKETI_DB_REDIS_CLUSTER_NODES").filter(|_| cluster == Some(true)) {
        layer.set("redis.urls", urls(&nodes));
    }
}

/// The URLs of `[{"host": "redis-1", "port": 6379}]`; any other text as it is, to be refused.
fn urls((text, origin): &Text) -> Value {
    let url = |node: &Json| {
        let (host, port) = (node["host"].as_str()?, node["port"].as_u64().unwrap_or(6379));
        Some(Value::new(Some(origin), format!("redis://{host}:{port}")))
    };
    let list = serde_json::from_str::<Vec<Json>>(text).ok();
    match list.and_then(|list| list.iter().map(url).collect::<Option<Vec<_>>>()) {
        Some(urls) => Value::new(Some(origin), urls),
        None => Value::new(Some(origin), text.as_str()),
    }
}

/// A list in JSON, or separated by commas.
fn servers(lookup: &Lookup<'_>, layer: &mut Layer) {
    if let Some((text, origin)) = given(lookup, "SOKETI_ADAPTER_NATS_SERVERS") {
        let list = serde_json::from_str::<Vec<String>>(&text).unwrap_or_else(|_| vec![text]);
        set_text(layer, "nats.servers", &list.join(","), &origin);
    }
}
