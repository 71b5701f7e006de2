//! What an app may switch on or off, with its defaults (spec section 14).

use serde::{Deserialize, Serialize};

/// Switches of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Features {
    /// Whether connections without TLS are closed with 4000. The proxy in front says `https` or `wss` in
    /// `X-Forwarded-Proto`.
    pub require_tls: bool,
    /// Whether a client must name its protocol version; one that does not is closed with 4008, or with 4006 if its
    /// `version` is malformed too.
    pub strict_protocol: bool,
    /// Whether a connection must sign in, or subscribe to a private or presence channel, within
    /// `authorization_timeout_secs`; it is closed with 4009 otherwise, and counts as a connection only from then on.
    pub authorized_connections: bool,
    /// Whether signed-in clients hear of their watchlist's users coming online and going offline.
    pub watchlist: bool,
    /// Whether the HTTP API tells how many connections a channel has (`subscription_count`).
    pub subscription_counts: bool,
    /// Whether subscribers are told how many connections their channel has: after each change up to 100 of them, and
    /// above that at most every 5 seconds (Q2, Q3).
    pub subscription_count_events: bool,
    /// Whether webhooks may go to loopback, link-local and private addresses, which are refused otherwise: whoever may
    /// change an app's endpoints could reach what is only meant for this network.
    pub private_webhook_targets: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            require_tls: false,
            strict_protocol: false,
            authorized_connections: false,
            watchlist: false,
            subscription_counts: true,
            subscription_count_events: false,
            private_webhook_targets: false,
        }
    }
}
