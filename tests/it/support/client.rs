//! What tests of this server expect of its answers.

use super::{Client, PATIENCE, auth, data};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

impl Client {
    /// Subscribes to a public or private channel.
    pub(crate) async fn subscribe(&mut self, channel: &str) {
        let auth = auth(&[&self.socket_id, ":", channel]);
        let frame =
            self.ask(&json!({ "event": "pusher:subscribe", "data": { "channel": channel, "auth": auth } })).await;
        assert_eq!(
            frame,
            json!({ "event": "pusher_internal:subscription_succeeded", "channel": channel, "data": "{}" })
        );
    }

    /// Joins a presence channel as the member in `channel_data` and returns the answer.
    pub(crate) async fn join(&mut self, channel: &str, channel_data: &str) -> Value {
        let auth = auth(&[&self.socket_id, ":", channel, ":", channel_data]);
        let data = json!({ "channel": channel, "auth": auth, "channel_data": channel_data });
        self.ask(&json!({ "event": "pusher:subscribe", "data": data })).await
    }

    /// Reads until the close frame, for longer than anything else may take, and returns its code.
    pub(crate) async fn closed_in_the_end(&mut self) -> u16 {
        let close = async {
            loop {
                if let Message::Close(Some(frame)) = self.socket.next().await.expect("closed").unwrap() {
                    break frame.code.into();
                }
            }
        };
        timeout(6 * PATIENCE, close).await.expect("it is not closed")
    }

    pub(crate) async fn unsubscribe(&mut self, channel: &str) {
        self.send(&json!({ "event": "pusher:unsubscribe", "data": { "channel": channel } })).await;
    }

    /// Proves that nothing waits for this client and that its connection works: the next frame is the pong.
    pub(crate) async fn hears_nothing(&mut self) {
        let frame = self.ask(&json!({ "event": "pusher:ping", "data": {} })).await;
        assert_eq!(frame, json!({ "event": "pusher:pong", "data": "{}" }));
    }

    /// The next frame, which must be a `pusher:error` without a code; its message.
    pub(crate) async fn error(&mut self) -> String {
        let frame = self.next().await;
        assert_eq!(frame["event"], "pusher:error", "{frame}");
        assert!(frame["data"]["code"].is_null() && frame.get("channel").is_none(), "{frame}");
        frame["data"]["message"].as_str().unwrap().to_owned()
    }

    /// The two frames of a refused subscription; the first one's data.
    pub(crate) async fn refused(&mut self, channel: &str) -> Value {
        let frame = self.next().await;
        assert_eq!((&frame["event"], &frame["channel"]), (&json!("pusher:subscription_error"), &json!(channel)));
        let refusal = data(&frame);
        assert_eq!(refusal["error"].as_str().unwrap(), self.error().await);
        refusal
    }
}
