//! CNT: subscribers hear how many they are.

use crate::support::Needs::{App, One};
use crate::support::{COUNT, Client, Needs, Target, data, statements, unique};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

const ON: Needs = App {
    why: "needs an app with subscription_count events",
    config: "features = { subscription_count_events = true }",
};
/// A hundred joins would each wait for the numbers that nodes tell four times a second.
const SLOW: Needs = One {
    why: "needs an app with subscription_count events",
    config: "features = { subscription_count_events = true }",
};
const OFF: Needs = App {
    why: "needs an app without subscription_count events",
    config: "features = { subscription_count_events = false }",
};

/// A client that hears counts.
async fn listener(target: &Target) -> Client {
    let mut client = target.connect().await;
    client.skips = None;
    client
}

/// A new subscriber, and what came after its confirmation.
async fn subscriber(target: &Target, channel: &str) -> (Client, Vec<Value>) {
    let mut client = listener(target).await;
    client.subscribe(channel).await;
    let frames = client.drain().await;
    (client, frames)
}

fn count(frame: &Value) -> Value {
    assert_eq!(frame["event"], COUNT, "{frame}");
    data(frame)
}

statements! {
    "CNT-01" "the first subscriber is told 1 after the confirmation" ON, |t| {
        let channel = unique("c");
        let (_, frames) = subscriber(&t, &channel).await;
        assert_eq!(frames.len(), 1, "{frames:?}");
        assert_eq!((count(&frames[0]), &frames[0]["channel"]), (json!({ "subscription_count": 1 }), &json!(channel)));
    }
    "CNT-02" "both are told of the second" ON, |t| {
        let channel = unique("private-");
        let (mut one, _) = subscriber(&t, &channel).await;
        let (_, frames) = subscriber(&t, &channel).await;
        let expect = json!({ "subscription_count": 2 });
        assert_eq!((count(&frames[0]), count(&one.next().await)), (expect.clone(), expect));
    }
    "CNT-03" "who stays is told when one leaves" ON, |t| {
        let channel = unique("c");
        let (mut one, _) = subscriber(&t, &channel).await;
        let (mut two, _) = subscriber(&t, &channel).await;
        one.hears(COUNT).await;
        two.unsubscribe(&channel).await;
        assert_eq!(count(&one.next().await), json!({ "subscription_count": 1 }));
    }
    "CNT-04" "presence channels are told nothing" ON, |t| {
        let (channel, mut one, mut two) = (unique("presence-"), listener(&t).await, listener(&t).await);
        one.join(&channel, r#"{"user_id":"1"}"#).await;
        one.hears_nothing().await;
        two.join(&channel, r#"{"user_id":"2"}"#).await;
        two.hears_nothing().await;
        two.unsubscribe(&channel).await;
        two.hears_nothing().await;
        for event in ["pusher_internal:member_added", "pusher_internal:member_removed"] {
            one.hears(event).await;
        }
        one.hears_nothing().await;
    }
    "CNT-05" "nothing is told where the feature is off" OFF, |t| {
        let (_, frames) = subscriber(&t, &unique("c")).await;
        assert!(frames.is_empty(), "{frames:?}");
    }
    "CNT-06" "above 100 subscribers there is one event in 5 s, and none without a change" SLOW, |t| {
        let channel = unique("c");
        let mut first = subscriber(&t, &channel).await.0;
        let (mut clients, mut told) = (Vec::new(), Instant::now());
        for _ in 2..=101 {
            // Before what it is told of, so that no delay on our side makes a pause look shorter than it was.
            let before = Instant::now();
            clients.push(subscriber(&t, &channel).await.0);
            if !first.drain().await.is_empty() {
                told = before;
            }
        }
        clients.push(subscriber(&t, &channel).await.0);
        clients.push(subscriber(&t, &channel).await.0);
        assert_eq!(count(&first.next().await), json!({ "subscription_count": 103 }));
        // Timers of servers may be a little early.
        assert!(told.elapsed() > Duration::from_millis(4900), "after only {:?}", told.elapsed());
        let quiet = tokio::time::timeout(Duration::from_secs(6), first.raw()).await;
        assert!(quiet.is_err(), "{quiet:?}");
    }
}
