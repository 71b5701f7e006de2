//! What statements do with a client and expect of any server.

use super::{Client, auth, data};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// What apps with `subscription_count_events` tell on every channel. Statements that do not ask for it never see it.
pub(crate) const COUNT: &str = "pusher_internal:subscription_count";

impl Client {
    /// What a client asks for when it subscribes, signed where the channel is guarded.
    pub(crate) fn wish(&self, channel: &str) -> Value {
        let guarded = channel.starts_with("private-") || channel.starts_with("presence-");
        let auth = if guarded { auth(&[&self.socket_id, ":", channel]) } else { String::new() };
        json!({ "channel": channel, "auth": auth })
    }

    /// The same with `channel_data`.
    pub(crate) fn wish_with(&self, channel: &str, channel_data: &str) -> Value {
        let auth = auth(&[&self.socket_id, ":", channel, ":", channel_data]);
        json!({ "channel": channel, "auth": auth, "channel_data": channel_data })
    }

    /// Subscribes and returns the confirmation.
    pub(crate) async fn subscribe(&mut self, channel: &str) -> Value {
        let wish = self.wish(channel);
        self.granted(&wish).await
    }

    /// Joins a presence channel and returns the roster.
    pub(crate) async fn join(&mut self, channel: &str, channel_data: &str) -> Value {
        let wish = self.wish_with(channel, channel_data);
        presence(&self.granted(&wish).await)
    }

    /// Sends a wish that must be granted; the confirmation.
    pub(crate) async fn granted(&mut self, wish: &Value) -> Value {
        let frame = self.ask(&json!({ "event": "pusher:subscribe", "data": wish })).await;
        let expect = (&json!("pusher_internal:subscription_succeeded"), &wish["channel"]);
        assert_eq!((&frame["event"], &frame["channel"]), expect, "expected a confirmation, got {frame}");
        frame
    }

    /// Sends a wish that must be refused with the connection left open; all that was answered.
    pub(crate) async fn refused(&mut self, wish: &Value) -> Vec<Value> {
        self.send(&json!({ "event": "pusher:subscribe", "data": wish })).await;
        let frames = self.drain().await;
        let told = |frame: &Value| frame["event"] == "pusher:error" || frame["event"] == "pusher:subscription_error";
        assert!(frames.iter().any(told), "no refusal of {wish}, but {frames:?}");
        assert!(frames.iter().all(told), "expected only a refusal of {wish}, got {frames:?}");
        frames
    }

    /// All that has come until now: what comes before the answer to a ping. The connection must be open.
    pub(crate) async fn drain(&mut self) -> Vec<Value> {
        self.send(&json!({ "event": "pusher:ping", "data": {} })).await;
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                pong if pong["event"] == "pusher:pong" => return frames,
                frame => frames.push(frame),
            }
        }
    }

    /// Proves that nothing has come and that the connection is open.
    pub(crate) async fn hears_nothing(&mut self) {
        let frames = self.drain().await;
        assert!(frames.is_empty(), "expected nothing, got {frames:?}");
    }

    /// The next frame, which must be this event.
    pub(crate) async fn hears(&mut self, event: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["event"], event, "{frame}");
        frame
    }

    /// The connection is open, and there is a `pusher:error` without a code, or silence where that is allowed.
    pub(crate) async fn complains(&mut self, silence_will_do: bool) -> Option<String> {
        let frames = self.drain().await;
        let [error] = &frames[..] else {
            assert!(silence_will_do && frames.is_empty(), "expected a pusher:error, got {frames:?}");
            return None;
        };
        assert_eq!(error["event"], "pusher:error", "{error}");
        assert!(error["data"]["code"].is_null(), "{error}");
        Some(error["data"]["message"].as_str().expect("a message").to_owned())
    }

    pub(crate) async fn unsubscribe(&mut self, channel: &str) {
        self.send(&json!({ "event": "pusher:unsubscribe", "data": { "channel": channel } })).await;
    }

    /// Signs in and returns the next frame.
    pub(crate) async fn sign_in(&mut self, user_data: &str) -> Value {
        let auth = auth(&[&self.socket_id, "::user::", user_data]);
        self.ask(&json!({ "event": "pusher:signin", "data": { "auth": auth, "user_data": user_data } })).await
    }

    /// Signs in, which must succeed.
    pub(crate) async fn signed_in(mut self, user_data: &str) -> Self {
        let frame = self.sign_in(user_data).await;
        assert_eq!(frame["event"], "pusher:signin_success", "{frame}");
        self
    }

    /// The next frame of any kind.
    pub(crate) async fn raw(&mut self) -> Message {
        self.message().await
    }
}

/// The roster in a confirmation.
pub(crate) fn presence(confirmation: &Value) -> Value {
    data(confirmation)["presence"].clone()
}
