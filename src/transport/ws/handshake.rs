//! The WebSocket handshake (RFC 6455 section 4.2) and what the client says of itself in it (spec 1.1, 1.2).

use crate::protocol::CloseCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Assumed of a client that names no version (spec 1.2).
const DEFAULT_VERSION: u8 = 7;

/// A well-formed handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    accept: String,
    subprotocol: Option<HeaderValue>,
    origin: Option<Box<str>>,
    version: Version,
    secure: bool,
}

/// What the query says of the protocol version (spec 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// A number from 0 to 255, spoken here or not.
    Named(u8),
    /// No such number.
    Nonsense,
    /// Nothing, with a library version that is one, or none either.
    Absent,
    /// Nothing, with a library version that is none.
    AbsentAndMalformed,
}

impl Handshake {
    /// Whether the client wants a WebSocket at all.
    pub(super) fn is_asked(headers: &HeaderMap) -> bool {
        has_token(headers, &header::UPGRADE, "websocket")
    }

    /// Reads the handshake, or says what is wrong with it.
    pub(super) fn read(method: &Method, headers: &HeaderMap, query: Option<&str>) -> Result<Self, Box<Response>> {
        if !Self::is_asked(headers) {
            let text = "This address is for WebSocket clients: send an Upgrade to websocket\n";
            return Err(Box::new(
                (StatusCode::UPGRADE_REQUIRED, [(header::UPGRADE, "websocket")], text).into_response(),
            ));
        }
        let bad = |text: &'static str| Box::new((StatusCode::BAD_REQUEST, text).into_response());
        if method != Method::GET {
            return Err(bad("A WebSocket handshake must be a GET\n"));
        }
        if !has_token(headers, &header::CONNECTION, "upgrade") {
            return Err(bad(
                "A WebSocket handshake needs the header Connection: Upgrade; a proxy may have dropped it\n",
            ));
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            let text = "Only WebSocket version 13 is supported\n";
            let version = [(header::SEC_WEBSOCKET_VERSION, "13")];
            return Err(Box::new((StatusCode::UPGRADE_REQUIRED, version, text).into_response()));
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or_else(|| bad("Sec-WebSocket-Key is missing\n"))?;
        Ok(Self {
            accept: derive_accept_key(key.as_bytes()),
            subprotocol: subprotocol(headers),
            origin: headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).map(Into::into),
            version: version(query),
            secure: tokens(headers, &FORWARDED_PROTO).next().is_some_and(is_secure),
        })
    }

    /// The 101.
    pub(super) fn response(&self) -> Response {
        let accept = HeaderValue::from_str(&self.accept).expect("base64 is a legal header value");
        let mut headers = HeaderMap::from_iter([
            (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
        ]);
        if let Some(subprotocol) = &self.subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol.clone());
        }
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    }

    /// The page's origin, if the client is a browser.
    pub(super) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Whether the proxy in front says that the client came over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    /// The protocol version to speak, which for one that is not a version is the newest.
    pub(super) fn version(&self) -> u8 {
        if let Version::Named(version) = self.version { version } else { DEFAULT_VERSION }
    }

    /// Refuses a version that this server does not speak and, if `strict`, a client that names none.
    pub(super) fn check_version(&self, strict: bool) -> Result<(), CloseCode> {
        match self.version {
            Version::Named(4..=7) => Ok(()),
            Version::Named(_) | Version::Nonsense => Err(CloseCode::UnsupportedVersion),
            Version::Absent if strict => Err(CloseCode::NoVersion),
            Version::AbsentAndMalformed if strict => Err(CloseCode::InvalidVersion),
            Version::Absent | Version::AbsentAndMalformed => Ok(()),
        }
    }
}

/// Reads `protocol` and, where it is absent, `version`, the library's own.
fn version(query: Option<&str>) -> Version {
    let find = |wanted| form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(name, _)| name == wanted);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match find("protocol") {
        Some((_, text)) => match text.parse() {
            Ok(version) if digits(&text) => Version::Named(version),
            _ => Version::Nonsense,
        },
        // 8.6.0, or 7.0.0-beta.1: numbers, and perhaps something said about them.
        None => match find("version") {
            Some((_, text)) if !text.split(['-', '+']).next().unwrap_or_default().split('.').all(digits) => {
                Version::AbsentAndMalformed
            }
            _ => Version::Absent,
        },
    }
}

fn is_secure(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

/// The first offered subprotocol that is one of ours, to be echoed (C2).
fn subprotocol(headers: &HeaderMap) -> Option<HeaderValue> {
    tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL)
        .find(|offered| offered.starts_with("pusher-channels-protocol-"))
        .and_then(|offered| HeaderValue::from_str(offered).ok())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|t| t.eq_ignore_ascii_case(token))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_or_nothing() {
        use Version::{Absent, AbsentAndMalformed, Named, Nonsense};
        for (query, expect) in [
            (None, Absent),
            (Some("client=js&flash=false"), Absent),
            (Some("client=js&protocol=5"), Named(5)),
            (Some("version=x&protocol=5"), Named(5)),
            (Some("protocol=0"), Named(0)),
            (Some("protocol=256"), Nonsense),
            (Some("protocol=-1"), Nonsense),
            (Some("protocol=%2B7"), Nonsense),
            (Some("protocol=abc"), Nonsense),
            (Some("protocol="), Nonsense),
            (Some("version=8.6.0"), Absent),
            (Some("version=7.0.0-beta.1"), Absent),
            (Some("version=latest"), AbsentAndMalformed),
            (Some("version=8..0"), AbsentAndMalformed),
            (Some("version="), AbsentAndMalformed),
        ] {
            assert_eq!(version(query), expect, "{query:?}");
        }
    }

    #[test]
    fn only_strict_apps_mind_an_absent_version() {
        let check = |query, strict| {
            let header =
                [(header::UPGRADE, "websocket"), (header::CONNECTION, "upgrade"), (header::SEC_WEBSOCKET_KEY, "x")];
            let mut headers = HeaderMap::from_iter(header.map(|(name, value)| (name, HeaderValue::from_static(value))));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            Handshake::read(&Method::GET, &headers, Some(query)).expect("a good handshake").check_version(strict)
        };
        for (query, lenient, strict) in [
            ("protocol=7", Ok(()), Ok(())),
            ("protocol=8", Err(CloseCode::UnsupportedVersion), Err(CloseCode::UnsupportedVersion)),
            ("version=8.6.0", Ok(()), Err(CloseCode::NoVersion)),
            ("version=latest", Ok(()), Err(CloseCode::InvalidVersion)),
        ] {
            assert_eq!((check(query, false), check(query, true)), (lenient, strict), "{query}");
        }
    }

    #[test]
    fn the_first_subprotocol_of_ours_is_echoed() {
        let mut headers = HeaderMap::new();
        assert_eq!(subprotocol(&headers), None);
        headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("chat, pusher-channels-protocol-7"));
        headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("pusher-channels-protocol-8"));
        assert_eq!(subprotocol(&headers), Some(HeaderValue::from_static("pusher-channels-protocol-7")));
    }
}
