//! The `SOKETI_*` variables of soketi 1.x, as one app, the server's settings and the bus.
//!
//! Must not know: files, and what the settings mean beyond soketi's own words for them.

mod bus;
mod hooks;

use crate::config::kind::{self, Kind};
use crate::config::lookup::{Credentials, Lookup, given, set};
use crate::config::merge::Layer;
use crate::config::notes::Notes;
use crate::config::schema::GIVEN;
use As::{ClientEvents, Credential, Millis, Plain, Times, Unlimited};

/// How a variable's text is understood; empty is unset.
#[derive(Clone, Copy)]
enum As {
    /// As it is.
    Plain,
    /// Id, key or secret.
    Credential,
    /// A size in units of so many bytes, and their name.
    Times(f64, &'static str),
    /// Milliseconds, as whole seconds.
    Millis,
    /// A number of which less than 0 means no limit; here that is this one.
    Unlimited(&'static str),
    /// Whether clients may send events to the other subscribers of a channel, whatever its kind.
    ClientEvents,
}

const KB: As = Times(1024.0, "KB");
const MB: As = Times(1024.0 * 1024.0, "MB");

/// Variable, setting, reading.
const VARIABLES: &[(&str, &str, As)] = &[
    ("SOKETI_HOST", "server.host", Plain),
    ("SOKETI_PORT", "server.port", Plain),
    ("SOKETI_PATH_PREFIX", "server.path", Plain),
    ("SOKETI_DEBUG", "server.debug", Plain),
    ("SOKETI_SHUTDOWN_GRACE_PERIOD", "server.drain_window_secs", Millis),
    ("SOKETI_SSL_CERT", "tls.cert_file", Plain),
    ("SOKETI_SSL_KEY", "tls.key_file", Plain),
    ("SOKETI_METRICS_HOST", "metrics.host", Plain),
    ("SOKETI_METRICS_SERVER_PORT", "metrics.port", Plain),
    ("SOKETI_DEFAULT_APP_ID", "app.id", Credential),
    ("SOKETI_DEFAULT_APP_KEY", "app.key", Credential),
    ("SOKETI_DEFAULT_APP_SECRET", "app.secret", Credential),
    ("SOKETI_DEFAULT_APP_ENABLED", "app.enabled", Plain),
    ("SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES", "app.client_events", ClientEvents),
    ("SOKETI_DEFAULT_APP_USER_AUTHENTICATION", "app.features.authorized_connections", Plain),
    ("SOKETI_DEFAULT_APP_MAX_CONNS", "app.limits.max_connections", Unlimited("0")),
    ("SOKETI_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SEC", "app.limits.events_per_second", Unlimited("0")),
    ("SOKETI_DEFAULT_APP_MAX_READ_REQ_PER_SEC", "app.limits.reads_per_second", Unlimited("0")),
    ("SOKETI_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC", "app.limits.client_events_per_second", Unlimited("100000")),
    ("SOKETI_USER_AUTHENTICATION_TIMEOUT", "app.limits.authorization_timeout_secs", Millis),
    ("SOKETI_CHANNEL_LIMITS_MAX_NAME_LENGTH", "app.limits.max_channel_name_chars", Plain),
    ("SOKETI_CHANNEL_CACHE_TTL", "app.limits.cache_ttl_secs", Plain),
    ("SOKETI_EVENT_MAX_BATCH_SIZE", "app.limits.max_batch_events", Plain),
    ("SOKETI_EVENT_MAX_CHANNELS_AT_ONCE", "app.limits.max_channels_per_publish", Plain),
    ("SOKETI_EVENT_MAX_NAME_LENGTH", "app.limits.max_event_name_chars", Plain),
    ("SOKETI_EVENT_MAX_SIZE_IN_KB", "app.limits.max_event_data_bytes", KB),
    ("SOKETI_HTTP_MAX_REQUEST_SIZE", "app.limits.max_request_bytes", MB),
    ("SOKETI_PRESENCE_MAX_MEMBERS", "app.limits.max_presence_members", Plain),
    ("SOKETI_PRESENCE_MAX_MEMBER_SIZE", "app.limits.max_user_info_bytes", KB),
];

/// Variables that change what soketi does, what of them is no change, and why they have no effect here.
const WITHOUT_EFFECT: &[(&str, &[&str], &str)] = &[
    ("SOKETI_APP_MANAGER_DRIVER", &["array"], "apps are read from no database; name files of apps with --apps"),
    ("SOKETI_HTTP_ACCEPT_TRAFFIC_MEMORY_THRESHOLD", &[], "connections are accepted whatever memory is used"),
    ("SOKETI_METRICS_DRIVER", &["prometheus"], "metrics are those of Prometheus"),
    ("SOKETI_METRICS_PROMETHEUS_PREFIX", &[], "the names of metrics begin with fanfare_"),
    ("SOKETI_MODE", &["full"], "every server does everything"),
    ("SOKETI_SSL_PASS", &[], "private keys are read without a passphrase"),
    ("SOKETI_SSL_CA", &[], "clients are not asked for certificates"),
    ("SOKETI_WEBHOOKS_BATCHING_DURATION", &["100"], "a batch holds what happens within 100 ms"),
];

/// What is done in another way here, or not at all because nothing needs it. Those of databases, queues, caches and UDP
/// clusters are told by what they begin with.
const OTHERS: &[&str] = &[
    "SOKETI_APP_MANAGER_",
    "SOKETI_CACHE_",
    "SOKETI_CLUSTER_",
    "SOKETI_CORS_",
    "SOKETI_DB_MYSQL_",
    "SOKETI_DB_POOLING_",
    "SOKETI_DB_POSTGRES_",
    "SOKETI_QUEUE_",
    "SOKETI_RATE_LIMITER_",
];

/// Every variable that has an effect, or a warning that it has none.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let own = VARIABLES
        .iter()
        .map(|(name, ..)| *name)
        .chain(["SOKETI_METRICS_ENABLED"])
        .chain(WITHOUT_EFFECT.iter().map(|(name, ..)| *name));
    own.chain(hooks::NAMES).chain(bus::names())
}

/// Every variable that has none and needs none; one that ends with `_` is what many begin with.
pub(super) fn others() -> impl Iterator<Item = &'static str> {
    OTHERS.iter().chain(bus::OTHERS).copied()
}

/// Everything that the variables say, still unchecked.
pub(super) fn layer(lookup: &Lookup<'_>, credentials: Credentials, notes: &mut Notes) -> Layer {
    let mut layer = Layer::default();
    let has_metrics = metrics(lookup, &mut layer, notes);
    for &(name, key, reading) in VARIABLES {
        let Some((text, origin)) = given(lookup, name) else { continue };
        // Kubernetes names a service of this name so.
        if matches!(reading, Credential) && credentials == Credentials::Not || text.starts_with("tcp://") {
            continue;
        }
        // Whether there are metrics at all is another variable's business.
        if name.starts_with("SOKETI_METRICS_") && !has_metrics {
            continue;
        }
        let text = match reading.most(key, &text) {
            Some((most, size, unit)) => {
                let less = format!("{origin} is {text} {unit}, more than this server takes: {size} {unit} count");
                notes.warn(less);
                most
            }
            None => reading.text(text),
        };
        set(&mut layer, key, &text, &origin);
    }
    hooks::set(lookup, &mut layer);
    bus::set(lookup, &mut layer, notes);
    for (name, same, why) in WITHOUT_EFFECT {
        if let Some((_, origin)) = given(lookup, name).filter(|(text, _)| !same.contains(&text.as_str())) {
            notes.warn(format!("{origin} has no effect: {why}"));
        }
    }
    layer
}

/// Whether there is a listener for metrics: then it is where soketi's is, unless something else is said.
fn metrics(lookup: &Lookup<'_>, layer: &mut Layer, notes: &mut Notes) -> bool {
    let Some((text, origin)) = given(lookup, "SOKETI_METRICS_ENABLED") else { return false };
    let Some(on) = kind::switch(&text) else {
        notes.warn(format!("{origin} has no effect: must be true or false"));
        return false;
    };
    if on {
        set(layer, "metrics.host", "0.0.0.0", &origin);
        set(layer, "metrics.port", "9601", &origin);
    }
    on
}

impl As {
    /// The most that the setting `key` may be, in its own unit and in that of the variable, if `text` is more than that.
    /// soketi's own defaults are, so such a size keeps no server from starting.
    fn most(self, key: &str, text: &str) -> Option<(String, f64, &'static str)> {
        let (Times(bytes, unit), Some(Kind::Number(_, most))) = (self, GIVEN.of(key)) else { return None };
        let size = text.parse::<f64>().ok().filter(|size| size.is_finite())?;
        (size * bytes > most as f64).then(|| (most.to_string(), most as f64 / bytes, unit))
    }

    /// The same in the words and units of our settings. What cannot be understood stays as it is, to be refused.
    fn text(self, text: String) -> String {
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        let other = match self {
            Plain | Credential => None,
            Times(bytes, _) => number().map(|number| (number * bytes).floor().to_string()),
            Millis => number().map(|number| (number / 1000.0).ceil().to_string()),
            Unlimited(most) => number().filter(|number| *number < 0.0).map(|_| most.to_owned()),
            ClientEvents => kind::switch(&text).map(|on| if on { "members" } else { "none" }.to_owned()),
        };
        other.unwrap_or(text)
    }
}
