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
    /// No app has the key.
    UnknownApp,
    /// The app is switched off.
    AppDisabled,
    /// The app is at its connection limit (1.9).
    OverQuota,
    /// A WebSocket on a path that is not `/app/{key}` (C6).
    PathNotFound,
    /// A protocol version this server does not speak (1.2).
    UnsupportedVersion,
    /// The page's origin may not connect (C3).
    OriginNotAllowed,
    /// Reverb's message rate limit, where it is set to end connections.
    RateLimited,
    /// The client does not take its frames fast enough (G6).
    OverCapacity,
    /// The server is stopping (E4).
    Reconnect,
    /// A probe went unanswered (P4).
    PongTimeout,
    /// A client too old to be probed was silent for a day (P5).
    Inactive,
}

impl CloseCode {
    /// The number in the close frame. Never 43xx, which clients take as final (E1).
    pub fn code(self) -> u16 {
        self.parts().0
    }

    /// The text in the close frame, at most 123 bytes (E2).
    pub fn reason(self) -> &'static str {
        self.parts().1
    }

    fn parts(self) -> (u16, &'static str) {
        match self {
            Self::ProtocolError => (1002, "WebSocket protocol violated"),
            Self::InvalidText => (1007, "Text is not UTF-8"),
            Self::TooBig => (1009, "Maximum message size exceeded"),
            Self::UnknownApp => (4001, "Application does not exist"),
            Self::AppDisabled => (4003, "Application disabled"),
            Self::OverQuota => (4004, "Application is over connection quota"),
            Self::PathNotFound => (4005, "Path not found"),
            Self::UnsupportedVersion => (4007, "Unsupported protocol version"),
            Self::OriginNotAllowed => (4009, "Origin not allowed"),
            Self::RateLimited => (4100, "Rate limit exceeded"),
            Self::OverCapacity => (4100, "Over capacity"),
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
        use CloseCode::*;
        for close in [
            ProtocolError,
            InvalidText,
            TooBig,
            UnknownApp,
            AppDisabled,
            OverQuota,
            PathNotFound,
            UnsupportedVersion,
            OriginNotAllowed,
            RateLimited,
            OverCapacity,
            Reconnect,
            PongTimeout,
            Inactive,
        ] {
            assert!(close.reason().len() <= 123);
            assert!(!(4300..4400).contains(&close.code()));
        }
    }
}
