//! How connections end (spec 1.5).

/// Why the server ends a connection. The number tells client libraries whether and when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// The client broke RFC 6455 (section 7.4.1).
    ProtocolError,
    /// A text message that is not UTF-8 (RFC 6455, section 7.4.1).
    InvalidText,
    /// A message over the app's limit (G5).
    TooBig,
    /// The app takes connections over TLS only.
    TlsRequired,
    /// No app has the key.
    UnknownApp,
    /// The app is switched off.
    AppDisabled,
    /// The app is at its connection limit (1.9).
    OverQuota,
    /// A WebSocket on a path that is not `/app/{key}` (C6).
    PathNotFound,
    /// No protocol version, and a library version that is none either, where the app wants one (1.2).
    InvalidVersion,
    /// A protocol version this server does not speak (1.2).
    UnsupportedVersion,
    /// No protocol version, where the app wants one (1.2).
    NoVersion,
    /// The page's origin may not connect (C3).
    OriginNotAllowed,
    /// Neither signed in nor in a guarded channel in time (1.8).
    Unauthorized,
    /// The app has ended the user's connections (4.4).
    Terminated,
    /// Reverb's message rate limit, where it is set to end connections.
    RateLimited,
    /// The client does not take its frames fast enough (G6).
    OverCapacity,
    /// There are as many connections from the client's address as there may be.
    TooManyFromAddress,
    /// The app takes no more newcomers in this second.
    TooManyAtOnce,
    /// The server is stopping (E4).
    Reconnect,
    /// A probe went unanswered (P4).
    PongTimeout,
    /// A client too old to be probed was silent for a day (P5), or one has not subscribed or signed in for long.
    Inactive,
}

impl CloseCode {
    /// Every one there is.
    pub const ALL: [Self; 21] = [
        Self::ProtocolError,
        Self::InvalidText,
        Self::TooBig,
        Self::TlsRequired,
        Self::UnknownApp,
        Self::AppDisabled,
        Self::OverQuota,
        Self::PathNotFound,
        Self::InvalidVersion,
        Self::UnsupportedVersion,
        Self::NoVersion,
        Self::OriginNotAllowed,
        Self::Unauthorized,
        Self::Terminated,
        Self::RateLimited,
        Self::OverCapacity,
        Self::TooManyFromAddress,
        Self::TooManyAtOnce,
        Self::Reconnect,
        Self::PongTimeout,
        Self::Inactive,
    ];

    /// The number in the close frame. Never 43xx, which clients take as final (E1).
    pub fn code(self) -> u16 {
        self.parts().0
    }

    /// The text in the close frame, at most 123 bytes (E2).
    pub fn reason(self) -> &'static str {
        self.parts().1
    }

    /// What the reason is called in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::ProtocolError => "protocol_error",
            Self::InvalidText => "invalid_text",
            Self::TooBig => "too_big",
            Self::TlsRequired => "tls_required",
            Self::UnknownApp => "unknown_app",
            Self::AppDisabled => "app_disabled",
            Self::OverQuota => "over_quota",
            Self::PathNotFound => "path_not_found",
            Self::InvalidVersion => "invalid_version",
            Self::UnsupportedVersion => "unsupported_version",
            Self::NoVersion => "no_version",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::Unauthorized => "unauthorized",
            Self::Terminated => "terminated",
            Self::RateLimited => "rate_limited",
            Self::OverCapacity => "over_capacity",
            Self::TooManyFromAddress => "too_many_from_address",
            Self::TooManyAtOnce => "too_many_at_once",
            Self::Reconnect => "reconnect",
            Self::PongTimeout => "pong_timeout",
            Self::Inactive => "inactive",
        }
    }

    fn parts(self) -> (u16, &'static str) {
        match self {
            Self::ProtocolError => (1002, "WebSocket protocol violated"),
            Self::InvalidText => (1007, "Text is not UTF-8"),
            Self::TooBig => (1009, "Maximum message size exceeded"),
            Self::TlsRequired => (4000, "Application only accepts SSL connections, reconnect using wss://"),
            Self::UnknownApp => (4001, "Application does not exist"),
            Self::AppDisabled => (4003, "Application disabled"),
            Self::OverQuota => (4004, "Application is over connection quota"),
            Self::PathNotFound => (4005, "Path not found"),
            Self::InvalidVersion => (4006, "Invalid version string format"),
            Self::UnsupportedVersion => (4007, "Unsupported protocol version"),
            Self::NoVersion => (4008, "No protocol version supplied"),
            Self::OriginNotAllowed => (4009, "Origin not allowed"),
            Self::Unauthorized => (4009, "Connection not authorized within timeout"),
            Self::Terminated => (4009, "You got disconnected by the app."),
            Self::RateLimited => (4100, "Rate limit exceeded"),
            Self::OverCapacity => (4100, "Over capacity"),
            Self::TooManyFromAddress => (4100, "Too many connections from this address"),
            Self::TooManyAtOnce => (4100, "Too many new connections at once"),
            Self::Reconnect => (4200, "Generic reconnect immediately"),
            Self::PongTimeout => (4201, "Pong reply not received"),
            Self::Inactive => (4202, "Closed after inactivity"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_into_a_close_frame_and_codes_are_legal() {
        for close in CloseCode::ALL {
            assert!(close.reason().len() <= 123);
            assert!(!(4300..4400).contains(&close.code()));
        }
    }
}
