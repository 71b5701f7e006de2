//! The WebSocket handshake (RFC 6455 section 4.2) and what the client says of itself in it (spec 1.1, 1.2).

use crate::node::Visitor;
use crate::protocol::CloseCode;
use crate::transport::peer::{Peer, Proxies};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
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
    client: Option<IpAddr>,
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
            client: None,
        })
    }

    /// The handshake as one that `peer` sent, which may be a proxy of ours.
    pub(super) fn from(self, peer: Peer, proxies: &Proxies, headers: &HeaderMap) -> Self {
        let secure = peer.tls || self.secure && proxies.trust(peer);
        Self { secure, client: proxies.client(peer, headers), ..self }
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

    /// Who wants to connect.
    pub(super) fn visitor(&self) -> Visitor<'_> {
        Visitor { origin: self.origin.as_deref(), address: self.client }
    }

    /// Whether the client came over TLS, or the proxy in front says so.
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
    use proptest::prelude::*;

    /// Headers of a good handshake.
    fn headers() -> HeaderMap {
        let header = [
            (header::UPGRADE, "websocket"),
            (header::CONNECTION, "upgrade"),
            (header::SEC_WEBSOCKET_KEY, "x"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
        ];
        HeaderMap::from_iter(header.map(|(name, value)| (name, HeaderValue::from_static(value))))
    }

    /// A handshake in which nothing but the query could be wrong.
    fn good(query: &str) -> Handshake {
        Handshake::read(&Method::GET, &headers(), Some(query)).expect("a good handshake")
    }

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
        let check = |query, strict| good(query).check_version(strict);
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

    /// What clients say of themselves, and what is nearly that.
    fn query() -> impl Strategy<Value = String> {
        let name = prop_oneof![Just("protocol"), Just("version"), Just("client"), Just("%70rotocol"), Just("")];
        let value = prop_oneof![
            "[0-9]{0,4}",
            "[0-9]{1,2}([.][0-9]{0,2}){0,3}(-[a-z.]{0,5})?",
            "[+%0-9a-fA-F.-]{0,6}",
            ".{0,6}"
        ];
        let pairs = proptest::collection::vec((name, "=?", value), 0..4);
        let pairs = pairs.prop_map(|pairs| {
            pairs.iter().map(|(name, is, value)| format!("{name}{is}{value}")).collect::<Vec<_>>().join("&")
        });
        prop_oneof![4 => pairs, 1 => ".{0,30}"]
    }

    proptest! {
        /// Whatever the query is, the connection speaks a version that this server knows, or is closed with a code that
        /// says why not.
        #[test]
        fn a_query_names_a_version_or_is_refused(query in query(), strict in any::<bool>()) {
            let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
            let first = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| &**value);
            let handshake = good(&query);
            match (first("protocol"), handshake.check_version(strict)) {
                (Some(text), Ok(())) => {
                    prop_assert!(["4", "5", "6", "7"].contains(&text.trim_start_matches('0')), "{}", query);
                    prop_assert_eq!(handshake.version().to_string(), text.trim_start_matches('0'));
                }
                (Some(_), Err(code)) => prop_assert_eq!(code, CloseCode::UnsupportedVersion),
                (None, Ok(())) => prop_assert!(!strict && handshake.version() == DEFAULT_VERSION),
                (None, Err(CloseCode::NoVersion)) => prop_assert!(strict),
                (None, Err(code)) => {
                    prop_assert_eq!(code, CloseCode::InvalidVersion);
                    prop_assert!(strict && first("version").is_some());
                }
            }
        }

        /// Whatever the headers are, the handshake is answered, and with a subprotocol only if it was offered.
        #[test]
        fn headers_are_read_or_refused(
            complete in any::<bool>(),
            headers in proptest::collection::vec((
                prop_oneof![
                    Just(header::UPGRADE), Just(header::CONNECTION), Just(header::SEC_WEBSOCKET_VERSION),
                    Just(header::SEC_WEBSOCKET_KEY), Just(header::SEC_WEBSOCKET_PROTOCOL), Just(header::ORIGIN),
                    Just(FORWARDED_PROTO),
                ],
                prop_oneof![
                    "(websocket|upgrade|, ?){1,3}", "1[34]", "https?|wss?", ".{0,12}",
                    "(pusher-channels-protocol-[0-9]|chat|, ?){1,4}",
                ].prop_map(String::into_bytes),
            ), 0..12),
            bytes in proptest::collection::vec(any::<u8>(), 0..12),
        ) {
            let mut sent = if complete { self::headers() } else { HeaderMap::new() };
            for (name, value) in headers.into_iter().chain([(header::SEC_WEBSOCKET_PROTOCOL, bytes)]) {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    sent.append(name, value);
                }
            }
            match Handshake::read(&Method::GET, &sent, None) {
                Ok(handshake) => {
                    let response = handshake.response();
                    prop_assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
                    if let Some(chosen) = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL) {
                        prop_assert!(tokens(&sent, &header::SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == chosen));
                    }
                }
                Err(refused) => prop_assert!(!complete && [400, 426].contains(&refused.status().as_u16())),
            }
        }
    }
}
