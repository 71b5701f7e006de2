//! What one request carries. Made anew for the same events it is the same, unless the app's keys have changed (spec 6.1).

use super::event::{Event, EventId};
use crate::app::{App, Endpoint};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// The same for every attempt, also by another node, and for nothing else.
    pub(super) delivery: String,
    pub(super) events: Vec<EventId>,
    pub(super) body: Bytes,
    /// The app's oldest key, and what it signs the body with (X2).
    pub(super) key: String,
    pub(super) signature: String,
}

/// The body (X3, X4).
#[derive(Serialize)]
struct Body<'a> {
    time_ms: u64,
    events: Vec<&'a RawValue>,
}

impl Request {
    /// The request that tells the endpoint with this id of `events`, of which there is at least one.
    pub(super) fn new(app: &App, endpoint: &str, events: &[Arc<Event>]) -> Self {
        let time_ms = events.iter().map(|event| event.time_ms).max().unwrap_or_default();
        let body = Body { time_ms, events: events.iter().map(|event| &*event.body).collect() };
        let body = serde_json::to_string(&body).expect("numbers and JSON make JSON");
        let key = app.keys.iter().next().expect("every app has a key").to_owned();
        let signature = app.keys.secret(&key).expect("every key has a secret").sign(&[&body]);
        let mut digest = Sha256::new_with_prefix(endpoint);
        events.iter().for_each(|event| digest.update(format!(" {}", event.id)));
        let delivery = hex::encode(&digest.finalize()[..16]);
        Self { delivery, events: events.iter().map(|event| event.id).collect(), body: body.into(), key, signature }
    }

    /// Every header that goes with it, but for those of HTTP itself. `Content-Type` is compared by receivers as a whole
    /// (X1).
    pub(super) fn headers<'a>(&'a self, endpoint: &'a Endpoint) -> impl Iterator<Item = (&'a str, &'a str)> {
        let extra = endpoint.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let own = [
            ("Content-Type", "application/json"),
            ("X-Pusher-Key", &self.key),
            ("X-Pusher-Signature", &self.signature),
            ("X-Fanfare-Delivery", &self.delivery),
        ];
        own.into_iter().chain(extra)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Matter;
    use super::*;
    use crate::app::EventKind;

    fn event(number: u64, time_ms: u64) -> Arc<Event> {
        let id = EventId { node: 1, number };
        Matter::Plain(EventKind::ChannelOccupied).event(id, "1", "my-channel", time_ms).into()
    }

    /// The vector of spec section 13.
    #[test]
    fn the_vector_is_made_byte_by_byte() {
        let app = App::new("1", "278d425bdf160c739803", "7ad3773142a6692b25b8");
        let request = Request::new(&app, "e", &[event(1, 1_327_078_148_132)]);
        let body = r#"{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"my-channel"}]}"#;
        assert_eq!(request.body, body);
        assert_eq!(request.signature, "c19001ae3963ccb13bf618e5b16ba9848e7e74df0993aa0689168e341c6833cf");
        let endpoint = Endpoint { headers: vec![("X-Team".to_owned(), "a".to_owned())], ..Endpoint::default() };
        let headers: Vec<_> = request.headers(&endpoint).collect();
        assert_eq!(headers[..2], [("Content-Type", "application/json"), ("X-Pusher-Key", "278d425bdf160c739803")]);
        assert_eq!(headers[4..], [("X-Team", "a")]);
    }

    #[test]
    fn the_oldest_key_signs() {
        let mut app = App::new("1", "old", "old-secret");
        app.keys.add("new", "new-secret");
        assert_eq!(Request::new(&app, "e", &[event(1, 5)]).key, "old");
    }

    #[test]
    fn a_delivery_is_known_by_what_is_in_it_and_to_whom_it_goes() {
        let app = App::new("1", "key", "secret");
        let id = |endpoint: &str, events: &[Arc<Event>]| Request::new(&app, endpoint, events).delivery;
        let (one, two) = (event(1, 5), event(2, 6));
        assert_eq!(id("e", std::slice::from_ref(&one)), id("e", std::slice::from_ref(&one)));
        let others = [
            id("f", std::slice::from_ref(&one)),
            id("e", std::slice::from_ref(&two)),
            id("e", &[one.clone(), two.clone()]),
        ];
        assert!(!others.contains(&id("e", std::slice::from_ref(&one))));
        let batch = Request::new(&app, "e", &[one, two]);
        assert!(batch.body.starts_with(br#"{"time_ms":6,"events":[{"#), "{:?}", batch.body);
    }
}
