//! The webhooks of soketi's app, which one variable lists as JSON.
//!
//! Must not know: how webhooks are sent.

use crate::config::json;
use crate::config::kind::switch;
use crate::config::lookup::{Lookup, given, set as set_text};
use crate::config::merge::Layer;
use serde_json::{Map, Value as Json};

/// The variables that are read here.
pub(super) const NAMES: [&str; 2] = ["SOKETI_DEFAULT_APP_WEBHOOKS", "SOKETI_WEBHOOKS_BATCHING"];

/// Soketi's words and ours.
const WORDS: [(&str, &str); 5] = [
    ("/url", "url"),
    ("/event_types", "events"),
    ("/headers", "headers"),
    ("/filters/channel_name_starts_with", "channel_prefix"),
    ("/filters/channel_name_ends_with", "channel_suffix"),
];

/// Sets the endpoints; a text that is no list of them is left for the check to refuse.
pub(super) fn set(lookup: &Lookup<'_>, layer: &mut Layer) {
    let [webhooks, batching] = NAMES.map(|name| given(lookup, name));
    let Some((text, origin)) = webhooks else { return };
    let batch = batching.and_then(|(text, _)| switch(&text)).unwrap_or(false);
    match serde_json::from_str(&text) {
        Ok(Json::Array(list)) => {
            let endpoints = list.iter().map(|webhook| endpoint(webhook, batch)).collect();
            layer.set("app.webhooks", json::value(Json::Array(endpoints), &origin));
        }
        _ => set_text(layer, "app.webhooks", &text, &origin),
    }
}

fn endpoint(webhook: &Json, batch: bool) -> Json {
    let word = |(pointer, key): &(&str, &str)| {
        let found = webhook.pointer(pointer).filter(|value| !value.is_null())?;
        Some(((*key).to_owned(), found.clone()))
    };
    let mut endpoint: Map<_, _> = WORDS.iter().filter_map(word).collect();
    endpoint.insert("batch".to_owned(), batch.into());
    Json::Object(endpoint)
}
