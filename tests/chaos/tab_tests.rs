//! A client that notices nothing would let everything pass.

use super::tab::{Event, Heard, Subscription, Tab};
use super::world::Place;
use serde_json::{Value, json};
use std::time::Instant;

fn server(event: &str, channel: &str, data: &Value) -> Value {
    json!({ "event": event, "channel": channel, "data": data.to_string() })
}

fn member(event: &str, user: &str) -> Value {
    server(&format!("pusher_internal:member_{event}"), "presence-rare-0", &json!({ "user_id": user }))
}

fn news(channel: &str, stream: &str, id: u64, except: Option<&str>) -> Value {
    let event = Event { stream: stream.to_owned(), id, except: except.map(str::to_owned) };
    json!({ "event": "news", "channel": channel, "data": event.data(0) })
}

fn tab(ids: &[&str]) -> (Tab, Result<Heard, String>) {
    let mut tab = Tab::new("tab".to_owned(), "ann".to_owned());
    tab.connected(Place { node: 0, run: 0 }, "1.2");
    for channel in ["presence-rare-0", "rare-0"] {
        tab.subscriptions.insert(channel, Subscription::Asked);
    }
    let roster = json!({ "presence": { "ids": ids } });
    let succeeded = |channel, data: Value| server("pusher_internal:subscription_succeeded", channel, &data);
    assert!(tab.hear(&news("rare-0", "s", 1, None), Instant::now()).is_err(), "before the confirmation");
    tab.hear(&succeeded("rare-0", json!({})), Instant::now()).unwrap();
    let heard = tab.hear(&succeeded("presence-rare-0", roster), Instant::now());
    (tab, heard)
}

pub(crate) fn run() {
    assert!(tab(&["bob"]).1.is_err() && tab(&["ann", "ann"]).1.is_err());
    let (mut tab, heard) = tab(&["ann", "bob"]);
    assert_eq!(heard, Ok(Heard::Nothing));
    let mut hear = |frame: &Value| tab.hear(frame, Instant::now());
    let own = "tab/1";
    for (frame, expect) in [
        (member("added", "bob"), None),
        (member("removed", "bob"), Some(Heard::Gone)),
        (member("removed", "bob"), None),
        (member("added", "bob"), Some(Heard::Joined)),
        (news("rare-0", "s", 5, None), Some(Heard::Event)),
        (news("rare-0", "s", 5, None), None),
        (news("rare-0", "s", 4, None), None),
        (news("rare-0", "other", 3, None), Some(Heard::Event)),
        (news("presence-rare-0", "s", 5, None), Some(Heard::Event)),
        (news("rare-0", "s", 6, Some("1.2")), None),
        (news("rare-0", own, 7, None), None),
        (news("rare-1", "s", 8, None), None),
        (server("pusher_internal:subscription_succeeded", "rare-0", &json!({})), None),
        (json!({ "event": "pusher:error", "data": {} }), None),
        (json!({ "event": "pusher:ping", "data": {} }), Some(Heard::Ping)),
    ] {
        assert_eq!(hear(&frame).ok(), expect, "{frame}");
    }
    let mut cached = |frames: &[Value]| {
        tab.subscriptions.insert("cache-0", Subscription::Asked);
        let succeeded = server("pusher_internal:subscription_succeeded", "cache-0", &json!({}));
        tab.hear(&succeeded, Instant::now()).unwrap();
        frames.iter().map(|frame| tab.hear(frame, Instant::now()).ok()).collect::<Vec<_>>()
    };
    let (miss, event) = (server("pusher:cache_miss", "cache-0", &json!({})), |id| news("cache-0", "s", id, None));
    let [last, miss_heard, live] = [Some(Heard::Last), Some(Heard::Miss), Some(Heard::Event)];
    assert_eq!(cached(&[miss.clone(), miss.clone(), event(5)]), [miss_heard, None, live]);
    assert_eq!(cached(&[event(5), event(5)]), [last, None]);
    assert_eq!(cached(&[event(4)]), [None], "older than what it has seen");
    assert!(cached(&[]).is_empty());
    tab.leave("cache-0");
    assert!(tab.hear(&json!({ "event": "pusher:pong" }), Instant::now()).is_err(), "nothing came first");
    tab.leave("rare-0");
    let hear = |tab: &mut Tab, id| tab.hear(&news("rare-0", "s", id, None), Instant::now());
    assert_eq!(hear(&mut tab, 9), Ok(Heard::Event), "the server may not know yet");
    tab.hear(&json!({ "event": "pusher:pong" }), Instant::now()).unwrap();
    assert!(hear(&mut tab, 10).is_err());
}
