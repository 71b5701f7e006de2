//! What newcomers of cache channels get first: the last event, wherever they come in and wherever it was published.

use super::api::{KEY, auth};
use super::channels::CACHE;
use super::loss;
use super::publish::Published;
use super::tab::Event;
use super::world::State;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

const PATIENCE: Duration = Duration::from_secs(4);

/// What a newcomer got first, by channel; nothing if the server said that there is none.
pub(crate) type First = BTreeMap<&'static str, Option<u64>>;

/// Comes to all cache channels of a node, and goes again.
pub(crate) async fn newcomer(port: u16) -> Result<First> {
    timeout(PATIENCE, first(port)).await?
}

async fn first(port: u16) -> Result<First> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let url = format!("ws://localhost/app/{KEY}?protocol=7&client=js&version=8.6.0&flash=false");
    let (mut socket, _) = client_async(url, stream).await.map_err(Error::other)?;
    let (mut first, mut confirmed) = (First::new(), Vec::new());
    while first.len() < CACHE.len() {
        let message = socket.next().await.ok_or_else(|| Error::other("closed"))?.map_err(Error::other)?;
        let Message::Text(text) = message else { continue };
        let frame: Value = serde_json::from_str(&text)?;
        let channel = CACHE.into_iter().find(|name| frame["channel"] == **name);
        match (frame["event"].as_str().unwrap_or_default(), channel) {
            ("pusher:connection_established", _) => {
                let data: Value = serde_json::from_str(frame["data"].as_str().unwrap_or_default())?;
                for channel in CACHE {
                    let auth = auth(&[data["socket_id"].as_str().unwrap_or_default(), ":", channel]);
                    let ask = json!({ "event": "pusher:subscribe", "data": { "channel": channel, "auth": auth } });
                    socket.send(Message::text(ask.to_string())).await.map_err(Error::other)?;
                }
            }
            ("pusher_internal:subscription_succeeded", Some(channel)) => confirmed.push(channel),
            ("pusher:cache_miss", Some(channel)) if confirmed.contains(&channel) => {
                first.insert(channel, None);
            }
            (_, Some(channel)) if confirmed.contains(&channel) => {
                let event = Event::of(&frame).ok_or_else(|| Error::other(format!("nobody published {text}")))?;
                first.entry(channel).or_insert(Some(event.id));
            }
            _ => return Err(Error::other(format!("a newcomer got {text}"))),
        }
    }
    let _ = socket.close(None).await;
    Ok(first)
}

/// What is wrong with that.
pub(crate) fn wrong(state: &State, first: &First) -> Vec<String> {
    let mut wrong = Vec::new();
    for (channel, got) in first {
        let events = state.kept.get(channel).map_or(&[][..], Vec::as_slice);
        let right = events.iter().filter(|event| !is_followed(state, event, events));
        let right: Vec<_> = right.map(|event| event.id).collect();
        let any = !events.iter().any(|event| is_kept(state, event));
        if !any && !got.is_some_and(|got| right.contains(&got)) {
            wrong.push(format!("{channel} begins with {got:?}, not with one of {right:?}"));
        }
    }
    wrong
}

/// Forgets what no newcomer may get any more.
pub(crate) fn forget(state: &mut State) {
    let mut all = std::mem::take(&mut state.kept);
    for events in all.values_mut() {
        let old: Vec<_> = events.iter().filter(|old| is_followed(state, old, events)).map(|event| event.id).collect();
        events.retain(|event| !old.contains(&event.id));
    }
    state.kept = all;
}

/// Whether the bus must have it, unless it has a later one.
fn is_kept(state: &State, event: &Published) -> bool {
    event.is_answered
        && state.store_lost.is_none_or(|lost| event.begun > lost)
        && loss::handed_over(state, event, None).is_some()
}

/// Whether another one was certainly published later. Of different nodes none is later before the first has been handed
/// over.
fn is_followed(state: &State, event: &Published, by: &[Published]) -> bool {
    let over = loss::handed_over(state, event, None);
    by.iter().filter(|later| is_kept(state, later)).any(|later| {
        let at_once = event.is_answered && later.place == event.place && later.begun > event.accepted;
        // What is gone with its process was handed over before or never.
        let over = over.or_else(|| state.ended(event.place));
        at_once || over.is_some_and(|over| later.begun > over)
    })
}
