//! Webhooks, on receivers that do all that receivers do.

mod failing;
mod following;
mod killed;
mod outliving;
mod told;

use crate::support::Client;
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::Message;

fn subscribe(channel: &str) -> Value {
    json!({ "event": "pusher:subscribe", "data": { "channel": channel } })
}

fn unsubscribe(channel: &str) -> Value {
    json!({ "event": "pusher:unsubscribe", "data": { "channel": channel } })
}

/// Says all of it before the server has answered any.
async fn say_at_once(client: &mut Client, frames: impl IntoIterator<Item = Value>) {
    for frame in frames {
        client.socket.feed(Message::text(frame.to_string())).await.unwrap();
    }
    client.socket.flush().await.unwrap();
}
