//! The variables of a Laravel app's `.env` that Laravel Reverb reads, as one app and the server's settings.
//!
//! Must not know: files, and what the settings mean beyond Reverb's own words for them.

use super::error::Mistakes;
use super::lookup::{Credentials, Lookup, set};
use super::merge::Layer;
use super::scaling::switch;
use super::schema::MOST_MESSAGE_BYTES;
use crate::app::Limits;
use As::{Credential, Events, Number, Origins, Rate, Size, Word};
use config::{Map, ValueKind};

/// How a variable's text is understood.
#[derive(Clone, Copy)]
enum As {
    /// Text or word; empty is unset.
    Word,
    /// A whole number or a switch; empty is unset.
    Number,
    /// Part of `message_rate`, which counts only where `REVERB_APP_RATE_LIMITING_ENABLED` is true.
    Rate,
    /// Opaque text; empty is refused.
    Credential,
    /// A size of which Reverb's 0 means "no limit"; here that is the most there can be.
    Size,
    /// Reverb's `members` and `all`; any other word is nobody.
    Events,
    /// Separated by commas; an empty list is refused.
    Origins,
}

/// Variable, setting, reading. A later line wins over an earlier one for the same setting.
const VARIABLES: &[(&str, &str, As)] = &[
    ("REVERB_SERVER_HOST", "server.host", Word),
    ("REVERB_SERVER_PORT", "server.port", Number),
    ("REVERB_SERVER_PATH", "server.path", Word),
    ("REVERB_HOST", "server.hostname", Word),
    ("REVERB_SERVER_TLS_CERT", "tls.cert_file", Word),
    ("REVERB_SERVER_TLS_KEY", "tls.key_file", Word),
    ("REVERB_SSL_LOCAL_CERT", "tls.cert_file", Word),
    ("REVERB_SSL_LOCAL_PK", "tls.key_file", Word),
    ("REVERB_SSL_CERT", "tls.cert_file", Word),
    ("REVERB_SSL_KEY", "tls.key_file", Word),
    ("REVERB_APP_ID", "app.id", Credential),
    ("REVERB_APP_KEY", "app.key", Credential),
    ("REVERB_APP_SECRET", "app.secret", Credential),
    ("REVERB_MAX_REQUEST_SIZE", "app.limits.max_request_bytes", Number),
    ("REVERB_APP_PING_INTERVAL", "app.limits.ping_interval_secs", Number),
    ("REVERB_APP_ACTIVITY_TIMEOUT", "app.limits.activity_timeout_secs", Number),
    ("REVERB_APP_MAX_CONNECTIONS", "app.limits.max_connections", Number),
    ("REVERB_APP_MAX_MESSAGE_SIZE", "app.limits.max_message_bytes", Size),
    ("REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM", "app.client_events", Events),
    ("REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS", "app.limits.message_rate.max_attempts", Rate),
    ("REVERB_APP_RATE_LIMIT_DECAY_SECONDS", "app.limits.message_rate.decay_secs", Rate),
    ("REVERB_APP_RATE_LIMIT_TERMINATE", "app.limits.message_rate.terminate", Rate),
    ("REVERB_ALLOWED_ORIGINS", "app.allowed_origins", Origins),
    ("REVERB_APP_ALLOWED_ORIGINS", "app.allowed_origins", Origins),
];

/// Variables of the Laravel app, of its page and of Reverb's other parts, which say nothing to a server.
pub(super) const OTHERS: &[&str] = &[
    "REVERB_SERVER",
    "REVERB_PORT",
    "REVERB_SCHEME",
    "REVERB_PULSE_INGEST_INTERVAL",
    "REVERB_TELESCOPE_INGEST_INTERVAL",
];

/// Every variable that has an effect, beside those of Redis.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let rest = ["REVERB_APP_RATE_LIMITING_ENABLED", "REVERB_SCALING_ENABLED", "REVERB_SCALING_CHANNEL"];
    VARIABLES.iter().map(|(name, ..)| *name).chain(rest)
}

/// What an app has that comes from `REVERB_APP_*`, where neither a file nor a variable says otherwise.
pub(super) fn defaults() -> Limits {
    Limits {
        ping_interval_secs: 60,
        activity_timeout_secs: 30,
        max_message_bytes: 10_000,
        max_request_bytes: 10_000,
        ..Limits::default()
    }
}

/// Everything that the variables say, still unchecked.
pub(super) fn layer(lookup: &Lookup<'_>, credentials: Credentials, mistakes: &mut Mistakes) -> Layer {
    let mut layer = Layer::default();
    let rate = switch(lookup, "REVERB_APP_RATE_LIMITING_ENABLED", "app.limits.message_rate", mistakes);
    let limited = matches!(rate, Some((true, _)));
    if let Some((on, mut value)) = rate {
        // An empty table, which the defaults fill; or nothing, so that a config file's rate does not count.
        value.kind = if on { ValueKind::Table(Map::new()) } else { ValueKind::Nil };
        layer.set("app.limits.message_rate", value);
    }
    for &(name, key, reading) in VARIABLES {
        let Some((text, origin)) = lookup(name) else { continue };
        let text = match reading {
            Word | Number | Size if text.is_empty() => continue,
            Rate if text.is_empty() || !limited => continue,
            Credential if credentials == Credentials::Not => continue,
            Size if text == "0" => MOST_MESSAGE_BYTES.to_string(),
            Events if text != "members" && text != "all" => "none".to_owned(),
            _ => text,
        };
        set(&mut layer, key, &text, &origin);
    }
    layer
}

#[cfg(test)]
#[path = "reverb_tests.rs"]
mod tests;
