//! The WebSocket handshake (RFC 6455 section 4.2) and what the client says of itself in it (spec 1.1, 1.2).

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Assumed of a client that names no version (spec 1.2).
const DEFAULT_VERSION: u8 = 7;

/// A well-formed handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    accept: String,
    subprotocol: Option<HeaderValue>,
    origin: Option<Box<str>>,
    version: Option<u8>,
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

    /// The protocol version to speak, which for one that is not a version is the newest.
    pub(super) fn version(&self) -> u8 {
        self.version.unwrap_or(DEFAULT_VERSION)
    }

    /// Whether the version the client named is one this server speaks.
    pub(super) fn is_supported(&self) -> bool {
        matches!(self.version, Some(4..=7))
    }
}

/// The `protocol` of the query: absent is the default, and what is no number from 0 to 255 is `None`.
fn version(query: Option<&str>) -> Option<u8> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(name, _)| name == "protocol").map_or(Some(DEFAULT_VERSION), |(_, version)| {
        version.bytes().all(|b| b.is_ascii_digit()).then(|| version.parse().ok()).flatten()
    })
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
        for (query, expect) in [
            (None, Some(7)),
            (Some("client=js&flash=false"), Some(7)),
            (Some("client=js&protocol=5"), Some(5)),
            (Some("protocol=0"), Some(0)),
            (Some("protocol=256"), None),
            (Some("protocol=-1"), None),
            (Some("protocol=%2B7"), None),
            (Some("protocol=abc"), None),
            (Some("protocol="), None),
        ] {
            assert_eq!(version(query), expect, "{query:?}");
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
