//! The variables by which a Laravel app tells Reverb to be one of several servers over its Redis.
//!
//! Must not know: files, and how Redis is reached.

use super::Error;
use super::merge::Layer;
use super::schema::{GIVEN, Kind};
use super::variables::Variables;
use config::{Value, ValueKind};

/// Text and where it came from.
type Text = (String, String);

/// Where `REVERB_SCALING_ENABLED` is set: what bus a config file may name beside it, and all that the variables say.
/// `REDIS_*` are the app's own, and count only where it is true.
pub(super) fn layer(variables: &Variables<'_>, file: &Layer) -> Result<Layer, Error> {
    let mut layer = Layer::default();
    let Some((enabled, switch)) = switch(variables, "REVERB_SCALING_ENABLED", "scaling")? else { return Ok(layer) };
    let named = file.get("cluster.bus").filter(|bus| bus.kind != ValueKind::String("none".to_owned()));
    match (enabled, named) {
        (true, None) => set(&mut layer, "cluster.bus", "redis", &switch),
        (false, Some(bus)) => {
            let mend = "a cluster.bus is named beside it: remove one of the two";
            return Err(Error::setting("scaling", &switch, &format!("{mend} ({bus})")));
        }
        _ => {}
    }
    if !enabled {
        return Ok(layer);
    }
    if let Some((prefix, origin)) = given(variables, "REVERB_SCALING_CHANNEL") {
        layer.set("cluster.prefix", Value::new(Some(&origin), prefix));
    }
    redis(variables, &mut layer);
    Ok(layer)
}

/// `REDIS_URL`, and the variables that name what it does not.
fn redis(variables: &Variables<'_>, layer: &mut Layer) {
    let host = given(variables, "REDIS_HOST");
    let port = given(variables, "REDIS_PORT");
    let url = given(variables, "REDIS_URL").or_else(|| located(host, port));
    let (has_user, has_password, has_database) = url.as_ref().map_or((false, false, false), |(url, _)| parts(url));
    if let Some((url, origin)) = &url {
        layer.set("redis.urls", Value::new(Some(origin), vec![Value::new(Some(origin), url.as_str())]));
    }
    let rest = [
        ("REDIS_USERNAME", "redis.username", has_user),
        ("REDIS_PASSWORD", "redis.password", has_password),
        ("REDIS_DB", "redis.database", has_database),
    ];
    for (name, key, in_url) in rest {
        if let Some((text, origin)) = given(variables, name).filter(|_| !in_url) {
            let kind = GIVEN.of(key).expect("these are settings of the schema");
            layer.set(key, kind.read(&text, &origin));
        }
    }
}

/// The URL of host and port, as Laravel takes them apart: the host may come with a scheme.
fn located(host: Option<Text>, port: Option<Text>) -> Option<Text> {
    let origin = host.as_ref().or(port.as_ref())?.1.clone();
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

/// A variable that is set to more than nothing.
fn given(variables: &Variables<'_>, name: &str) -> Option<Text> {
    variables.get(name).filter(|(text, _)| !text.is_empty())
}

fn set(layer: &mut Layer, key: &str, word: &str, because: &Value) {
    let origin = because.origin().unwrap_or_default().to_owned();
    layer.set(key, Value::new(Some(&origin), word));
}

/// A variable that is no setting of ours but decides about some; empty is unset.
pub(super) fn switch(variables: &Variables<'_>, name: &str, key: &str) -> Result<Option<(bool, Value)>, Error> {
    let Some((text, origin)) = given(variables, name) else { return Ok(None) };
    let value = Kind::Switch.read(&text, &origin);
    Kind::Switch.check(key, &value)?;
    Ok(Some((value.kind == ValueKind::Boolean(true), value)))
}

#[cfg(test)]
#[path = "scaling_tests.rs"]
mod tests;
