//! Requests to the API of the app of every test, and what its answers must be.

use super::http::{Answer, Http, path, signed_target};
use serde_json::Value;

impl Http {
    /// The same with an `Idempotency-Key`.
    pub(crate) async fn keyed(&mut self, key: &str, path: &str, query: &str, body: &str) -> Answer {
        let target = signed_target("POST", path, query, body.as_bytes());
        self.send("POST", &target, &format!("Idempotency-Key: {key}\r\n"), body.as_bytes()).await
    }

    pub(crate) async fn trigger(&mut self, body: &Value) -> Answer {
        self.signed("POST", &path("/events"), &body.to_string()).await
    }

    /// Asks for a WebSocket; the answer, if it is none.
    pub(crate) async fn upgrade(&mut self, target: &str) -> Answer {
        let headers = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        self.send("GET", target, headers, b"").await
    }

    pub(crate) async fn batch(&mut self, body: &Value) -> Answer {
        self.signed("POST", &path("/batch_events"), &body.to_string()).await
    }
}

impl Answer {
    /// Exactly this status and body; a 200 is JSON, and every refusal is a line of plain text (API-19).
    #[track_caller]
    pub(crate) fn expect(&self, status: u16, body: &str) {
        assert_eq!((self.status, &*self.body), (status, body));
        if status == 200 {
            assert!(self.head.contains("\r\ncontent-type: application/json\r\n"), "{}", self.head);
        } else {
            self.expect_error(status, body);
        }
    }

    /// This status and a line of plain text with `part` in it.
    #[track_caller]
    pub(crate) fn expect_error(&self, status: u16, part: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.body.contains(part), "{:?} has no {part:?}", self.body);
        assert!(self.body.ends_with('\n') && self.body.lines().count() == 1, "{:?}", self.body);
        assert!(self.head.contains("\r\ncontent-type: text/plain"), "{}", self.head);
    }
}
