//! CAC: cache channels.

use crate::support::Needs::{App, Nothing};
use crate::support::{Client, Target, data, statements, unique};
use serde_json::{Value, json};

const MISS: &str = "pusher:cache_miss";

/// Subscribes to a channel of any kind and returns what comes until now, the confirmation first.
async fn arrives(target: &Target, channel: &str) -> (Client, Vec<Value>) {
    let mut client = target.connect().await;
    let wish = match channel.starts_with("presence-") {
        true => client.wish_with(channel, r#"{"user_id":"1"}"#),
        false => client.wish(channel),
    };
    let mut frames = vec![client.granted(&wish).await];
    frames.extend(client.drain().await);
    (client, frames)
}

/// The names of the events after the confirmation.
async fn hears(target: &Target, channel: &str) -> Vec<String> {
    let (_, frames) = arrives(target, channel).await;
    frames[1..].iter().map(|frame| frame["event"].as_str().unwrap().to_owned()).collect()
}

statements! {
    "CAC-01" "a newcomer of an empty channel is told so" Nothing, |t| {
        let channel = unique("cache-");
        let (_, frames) = arrives(&t, &channel).await;
        let [_, miss] = &frames[..] else { panic!("expected a confirmation and a cache_miss, got {frames:?}") };
        assert_eq!((&miss["event"], &miss["channel"]), (&json!(MISS), &json!(channel)));
        assert!(miss["data"].is_string(), "{miss}");
    }
    "CAC-02" "a newcomer gets the last event and only that" Nothing, |t| {
        let channel = unique("cache-");
        t.publish(&channel, "e1", "x").await;
        t.publish(&channel, "e2", "x").await;
        assert_eq!(hears(&t, &channel).await, ["e2"]);
    }
    "CAC-03" "the kept event is as it was" Nothing, |t| {
        let channel = unique("cache-");
        let (mut early, _) = arrives(&t, &channel).await;
        t.publish(&channel, "e", r#"{"p": "é\/"}"#).await;
        let live = early.hears("e").await;
        assert_eq!(arrives(&t, &channel).await.1[1], live);
    }
    "CAC-04" "others do not get it again" Nothing, |t| {
        let channel = unique("cache-");
        let (mut early, _) = arrives(&t, &channel).await;
        t.publish(&channel, "e", "x").await;
        early.hears("e").await;
        arrives(&t, &channel).await;
        early.hears_nothing().await;
    }
    "CAC-05" "an event that nobody heard is kept" Nothing, |t| {
        let channel = unique("cache-");
        t.publish(&channel, "e", "x").await;
        assert_eq!(hears(&t, &channel).await, ["e"]);
    }
    "CAC-06" "an event is kept for its time"
        App { why: "needs an app whose cache lives 1 s", config: "limits = { cache_ttl_secs = 1 }" }, |t| {
        let channel = unique("cache-");
        t.publish(&channel, "e", "x").await;
        assert_eq!(hears(&t, &channel).await, ["e"]);
        crate::support::eventually("a cache miss", || async { hears(&t, &channel).await == [MISS] }).await;
    }
    "CAC-07" "a client event is delivered and not kept" Nothing, |t| {
        let channel = unique("private-cache-");
        let ((mut one, _), (mut two, _)) = (arrives(&t, &channel).await, arrives(&t, &channel).await);
        one.send(&json!({ "event": "client-x", "channel": channel, "data": {} })).await;
        two.hears("client-x").await;
        assert_eq!(hears(&t, &channel).await, [MISS]);
    }
    "CAC-08" "guarded cache channels keep too, and stay guarded" Nothing, |t| {
        for prefix in ["private-cache-", "private-encrypted-cache-", "presence-cache-"] {
            let channel = unique(prefix);
            t.connect().await.refused(&json!({ "channel": channel, "auth": "" })).await;
            let (mut early, frames) = arrives(&t, &channel).await;
            assert_eq!(frames[1]["event"], MISS, "{channel}");
            t.publish(&channel, "e1", "x").await;
            t.publish(&channel, "e2", "x").await;
            let live = [early.hears("e1").await, early.hears("e2").await];
            assert_eq!(arrives(&t, &channel).await.1[1..], live[1..], "{channel}");
        }
    }
    "CAC-09" "cache elsewhere in a name means nothing" Nothing, |t| {
        for prefix in ["my-cache-", "private-foo-cache-", "cachefoo"] {
            let channel = unique(prefix);
            t.publish(&channel, "e", "x").await;
            assert!(hears(&t, &channel).await.is_empty(), "{channel}");
        }
    }
    "CAC-10" "an event that excludes a connection is kept" Nothing, |t| {
        let channel = unique("cache-");
        let (mut early, _) = arrives(&t, &channel).await;
        let event = json!({ "name": "e", "channel": channel, "data": "x", "socket_id": early.socket_id });
        t.trigger(&event).await.ok();
        early.hears_nothing().await;
        assert_eq!(hears(&t, &channel).await, ["e"]);
    }
    "CAC-11" "an event outlives its channel's subscribers" Nothing, |t| {
        let channel = unique("cache-");
        let (early, _) = arrives(&t, &channel).await;
        t.publish(&channel, "e", "x").await;
        early.close().await;
        assert_eq!(hears(&t, &channel).await, ["e"]);
    }
    "CAC-12" "on presence channels the roster comes first" Nothing, |t| {
        let channel = unique("presence-cache-");
        let (_, frames) = arrives(&t, &channel).await;
        assert_eq!(data(&frames[0])["presence"]["count"], 1);
        assert_eq!(frames[1]["event"], MISS);
        t.publish(&channel, "e", "x").await;
        let (_, frames) = arrives(&t, &channel).await;
        assert_eq!((&data(&frames[0])["presence"]["count"], &frames[1]["event"]), (&json!(1), &json!("e")));
    }
}
