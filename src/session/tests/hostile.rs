//! Sessions that are sent anything at all.

use super::*;
use crate::protocol::tests::message;
use proptest::prelude::*;

proptest! {
    /// Nothing a client sends ends its session or yields a frame that clients could not read (CON-26, ERR-01).
    #[test]
    fn any_message_is_answered_or_ignored(messages in proptest::collection::vec(message(), 1..12), mode in 0..3_u8) {
        let node = node(|app| {
            app.features.watchlist = true;
            app.client_events = [ClientEvents::All, ClientEvents::Members, ClientEvents::Guarded][usize::from(mode)];
        });
        let mut client = Client::connect(&node, 7);
        client.sign_in(&json!({ "id": "1" }));
        for message in messages {
            prop_assert_eq!(client.0.receive(&message, Instant::now()).map(drop), Ok(()));
            for frame in client.frames() {
                prop_assert!(frame["event"].is_string(), "{}", frame);
                let error = frame["event"] == "pusher:error";
                prop_assert!(if error { frame["data"]["message"].is_string() } else { frame["data"].is_string() }, "{}", frame);
            }
        }
    }
}
