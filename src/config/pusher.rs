//! The variables that a Laravel app has for Pusher, for soketi in its place, or for laravel-websockets.
//!
//! Must not know: files, and which other servers there are.

use super::lookup::{Family, Lookup, Text, given, set};
use super::merge::Layer;
use super::notes::Notes;

/// The id, key and secret of the app.
const CREDENTIALS: &[(&str, &str)] =
    &[("PUSHER_APP_ID", "app.id"), ("PUSHER_APP_KEY", "app.key"), ("PUSHER_APP_SECRET", "app.secret")];

/// Where the server is. A later line wins over an earlier one for the same setting.
const SERVER: &[(&str, &str)] = &[
    ("PUSHER_HOST", "server.hostname"),
    ("PUSHER_APP_PATH", "server.path"),
    ("LARAVEL_WEBSOCKETS_PORT", "server.port"),
    ("LARAVEL_WEBSOCKETS_SSL_LOCAL_CERT", "tls.cert_file"),
    ("LARAVEL_WEBSOCKETS_SSL_LOCAL_PK", "tls.key_file"),
];

/// Variables that change what laravel-websockets does, and why they change nothing here.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("LARAVEL_WEBSOCKETS_SSL_PASSPHRASE", "private keys are read without a passphrase"),
    ("LARAVEL_WEBSOCKETS_SSL_CA", "clients are not asked for certificates"),
];

/// Variables of its dashboard, and those by which people tell the app and the page where it is.
pub(super) const OTHERS: &[&str] = &[
    "LARAVEL_WEBSOCKETS_DOMAIN",
    "LARAVEL_WEBSOCKETS_ENABLED",
    "LARAVEL_WEBSOCKETS_HOST",
    "LARAVEL_WEBSOCKETS_PATH",
    "LARAVEL_WEBSOCKETS_SCHEME",
];

/// Every variable that has an effect, or a warning that it has none.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CREDENTIALS.iter().chain(SERVER).chain(WITHOUT_EFFECT).map(|(name, _)| *name).chain(["PUSHER_PORT"])
}

/// What they say, still unchecked.
pub(super) fn layer(lookup: &Lookup<'_>, family: Option<Family>, notes: &mut Notes) -> Layer {
    let mut layer = Layer::default();
    if family == Some(Family::Pusher) {
        for (name, key) in CREDENTIALS {
            if let Some((text, origin)) = lookup(name) {
                set(&mut layer, key, &text, &origin);
            }
        }
        if let Some((port, origin)) = listened(given(lookup, "PUSHER_PORT"), given(lookup, "PUSHER_HOST")) {
            set(&mut layer, "server.port", &port, &origin);
        }
    }
    for (name, key) in SERVER {
        let Some((text, origin)) = given(lookup, name) else { continue };
        if *name == "PUSHER_HOST" && is_pushers_own(&text) {
            continue;
        }
        set(&mut layer, key, &text, &origin);
    }
    for (name, why) in WITHOUT_EFFECT {
        if let Some((_, origin)) = given(lookup, name) {
            notes.warn(format!("{origin} has no effect: {why}"));
        }
    }
    layer
}

/// What soketi and laravel-websockets do where nobody says otherwise.
pub(super) fn defaults(family: Option<Family>) -> Layer {
    let mut layer = Layer::default();
    if matches!(family, Some(Family::Soketi | Family::Pusher)) {
        set(&mut layer, "server.port", "6001", &"default of soketi and laravel-websockets".to_owned());
    }
    layer
}

/// `PUSHER_PORT` where it is a port to listen on. It is the one that the app and the page connect to: below 1024 that is
/// Pusher's, or a proxy's in front; with a host of Pusher's it is no server of ours at all.
fn listened(port: Option<Text>, host: Option<Text>) -> Option<Text> {
    let ours = !host.is_some_and(|(host, _)| is_pushers_own(&host));
    port.filter(|(port, _)| ours && port.parse::<u16>().is_ok_and(|port| port >= 1024))
}

/// Whether a host is one of Pusher's: `api-eu.pusher.com`.
fn is_pushers_own(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    ["pusher.com", "pusherapp.com"].iter().any(|own| host == *own || host.ends_with(&format!(".{own}")))
}
