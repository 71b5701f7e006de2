//! The variables by which a Laravel app tells Reverb to be one of several servers over its Redis.
//!
//! Must not know: files, and how Redis is reached.

use super::Error;
use super::error::Mistakes;
use super::kind;
use super::kind::Kind;
use super::lookup::{Lookup, Text, given, set};
use super::merge::Layer;
use config::{Value, ValueKind};

/// Where `REVERB_SCALING_ENABLED` is set: what bus a config file may name beside it, and all that the variables say.
/// `REDIS_*` are the app's own, and count only where it is true.
pub(super) fn layer(lookup: &Lookup<'_>, file: &Layer, mistakes: &mut Mistakes) -> Layer {
    let mut layer = Layer::default();
    let Some((enabled, switch)) = switch(lookup, "REVERB_SCALING_ENABLED", "scaling", mistakes) else { return layer };
    let named = file.get("cluster.bus").filter(|bus| bus.kind != ValueKind::String("none".to_owned()));
    let origin = switch.origin().unwrap_or_default().to_owned();
    match (enabled, named) {
        (true, None) => set(&mut layer, "cluster.bus", "redis", &origin),
        (false, Some(bus)) => {
            let mend = format!("a cluster.bus is named beside it: remove one of the two ({bus})");
            mistakes.note(Error::setting("scaling", &switch, &mend));
        }
        _ => {}
    }
    if enabled {
        if let Some((prefix, origin)) = given(lookup, "REVERB_SCALING_CHANNEL") {
            set(&mut layer, "cluster.prefix", &prefix, &origin);
        }
        redis(lookup, &mut layer);
    }
    layer
}

/// `REDIS_URL`, and the variables that name what it does not.
pub(super) fn redis(lookup: &Lookup<'_>, layer: &mut Layer) {
    let (host, port) = (given(lookup, "REDIS_HOST"), given(lookup, "REDIS_PORT"));
    let url = given(lookup, "REDIS_URL").or_else(|| located(host, port));
    let (has_user, has_password, has_database) = url.as_ref().map_or((false, false, false), |(url, _)| parts(url));
    if let Some((url, origin)) = &url {
        // A comma in a password separates nothing.
        layer.set("redis.urls", Value::new(Some(origin), vec![Value::new(Some(origin), url.as_str())]));
    }
    let rest = [
        ("REDIS_USERNAME", "redis.username", has_user),
        ("REDIS_PASSWORD", "redis.password", has_password),
        ("REDIS_DB", "redis.database", has_database),
    ];
    for (name, key, in_url) in rest {
        if let Some((text, origin)) = given(lookup, name).filter(|_| !in_url) {
            set(layer, key, &text, &origin);
        }
    }
}

/// The URL of host and port, as Laravel takes them apart: the host may come with a scheme.
fn located(host: Option<Text>, port: Option<Text>) -> Option<Text> {
    // What a mistake is told of.
    let is_number = port.as_ref().is_none_or(|(port, _)| port.parse::<u16>().is_ok());
    let origin = host.as_ref().filter(|_| is_number).or(port.as_ref())?.1.clone();
    let host = host.map_or_else(|| "127.0.0.1".to_owned(), |(host, _)| host);
    if host.starts_with('/') {
        return Some((format!("unix://{host}"), origin));
    }
    let (scheme, host) = host.split_once("://").unwrap_or(("redis", &host));
    let port = port.map_or_else(|| "6379".to_owned(), |(port, _)| port);
    let bare = host.contains(':') && !host.starts_with('[');
    let host = if bare { format!("[{host}]") } else { host.to_owned() };
    Some((format!("{scheme}://{host}:{port}"), origin))
}

/// Whether a URL names a user, a password and a database.
fn parts(url: &str) -> (bool, bool, bool) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let database = place.split_once('/').is_some_and(|(_, database)| !database.is_empty());
    (!user.is_empty(), !password.is_empty(), database)
}

/// A variable that is no setting of ours but decides about some; empty is unset.
pub(super) fn switch(lookup: &Lookup<'_>, name: &str, key: &str, mistakes: &mut Mistakes) -> Option<(bool, Value)> {
    let (text, origin) = given(lookup, name)?;
    let value = Kind::Switch.read(&text, &origin);
    Kind::Switch.check(key, &value, mistakes);
    Some((kind::switch(&text)?, value))
}

#[cfg(test)]
#[path = "scaling_tests.rs"]
mod tests;
