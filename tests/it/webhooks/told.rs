//! What is told, and to whom.

use super::{say_at_once, subscribe, unsubscribe};
use crate::support::{DEBOUNCE_MS, Receiver, TestServer, auth, events, occupied, vacated};
use fanfare::app::{Endpoint, EventKind};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn an_endpoint_is_told_of_its_events_on_its_channels() {
    let receivers = [(); 5].map(|()| Receiver::start());
    let [listed, prefix, suffix, both, every] = &receivers;
    let occupations = |receiver: &Receiver, channel_prefix: &str, channel_suffix: &str| Endpoint {
        channel_prefix: channel_prefix.to_owned(),
        channel_suffix: channel_suffix.to_owned(),
        ..receiver.endpoint(&[EventKind::ChannelOccupied])
    };
    let server = TestServer::telling(
        &[
            listed.endpoint(&[EventKind::MemberAdded]),
            occupations(prefix, "private-", ""),
            occupations(suffix, "", "-eu"),
            occupations(both, "private-", "-eu"),
            occupations(every, "", ""),
        ],
        |_| {},
    );
    let mut client = server.connect().await;
    for channel in ["a", "private-a", "private-a-eu", "a-eu", "a-eu-a"] {
        client.subscribe(channel).await;
    }
    client.join("presence-eu", r#"{"user_id":"1"}"#).await;
    // Of this every one of them is told something.
    client.subscribe("private-last-eu").await;
    client.join("presence-last", r#"{"user_id":"1"}"#).await;
    let added = |channel: &str| json!({ "name": "member_added", "channel": channel, "user_id": "1" });
    assert_eq!(listed.hears(&added("presence-last")).await, [added("presence-eu"), added("presence-last")]);
    let last = occupied("private-last-eu");
    for (receiver, channels) in [
        (prefix, &["private-a", "private-a-eu"][..]),
        (suffix, &["private-a-eu", "a-eu", "presence-eu"]),
        (both, &["private-a-eu"]),
        (every, &["a", "private-a", "private-a-eu", "a-eu", "a-eu-a", "presence-eu"]),
    ] {
        let expect: Vec<_> = channels.iter().map(|channel| occupied(channel)).chain([last.clone()]).collect();
        assert_eq!(receiver.hears(&last).await[..expect.len()], expect);
    }
}

#[tokio::test]
async fn an_endpoint_gets_its_own_headers_besides_those_of_every_webhook() {
    let (receiver, other) = (Receiver::start(), Receiver::start());
    let headers = [("Authorization", "Bearer hunter2"), ("X-Team", "a b")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let server = TestServer::telling(
        &[
            Endpoint { headers, ..receiver.endpoint(&[EventKind::ChannelOccupied]) },
            other.endpoint(&[EventKind::ChannelOccupied]),
        ],
        |_| {},
    );
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let request = receiver.reaches(1).await.remove(0);
    assert_eq!([request.header("authorization"), request.header("x-team")], [Some("Bearer hunter2"), Some("a b")]);
    let plain = other.reaches(1).await.remove(0);
    assert_eq!([plain.header("authorization"), plain.header("x-team")], [None, None]);
    for name in ["content-type", "x-pusher-key", "x-pusher-signature", "user-agent"] {
        assert!(request.header(name).is_some() && request.header(name) == plain.header(name), "{name}: {request:?}");
    }
    let ids = [&request, &plain].map(|request| request.header("x-fanfare-delivery").expect("an id"));
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn what_happens_at_once_comes_in_bodies_of_up_to_fifty_where_it_may() {
    let (receiver, single) = (Receiver::start(), Receiver::start());
    let occupations = [EventKind::ChannelOccupied];
    let endpoints = [Endpoint { batch: true, ..receiver.endpoint(&occupations) }, single.endpoint(&occupations)];
    let server = TestServer::telling(&endpoints, |_| {});
    let mut client = server.connect().await;
    let channels: Vec<_> = (0..120).map(|n| format!("c{n}")).collect();
    say_at_once(&mut client, channels.iter().map(|channel| subscribe(channel))).await;
    for _ in &channels {
        assert_eq!(client.next().await["event"], "pusher_internal:subscription_succeeded");
    }
    let expect: Vec<_> = channels.iter().map(|channel| occupied(channel)).collect();
    let last = &expect[expect.len() - 1];
    assert_eq!(receiver.hears(last).await, expect);
    let sizes: Vec<_> = receiver.requests().iter().map(|request| request.events().len()).collect();
    assert!(sizes.iter().all(|size| *size <= 50) && sizes.contains(&50), "{sizes:?}");
    assert_eq!(single.hears(last).await, expect);
    assert_eq!(single.reaches(120).await.len(), 120);
    // One alone does not wait for others that never come.
    let before = Instant::now();
    client.subscribe("alone").await;
    receiver.hears(&occupied("alone")).await;
    let request = receiver.requests().pop().unwrap();
    assert_eq!(request.events(), [occupied("alone")]);
    assert!(request.at - before < Duration::from_secs(1), "{:?}", request.at - before);
}

/// Pages that change, and clients that come back at once, as often as they like.
#[tokio::test]
async fn ten_thousand_who_go_and_come_back_at_once_are_no_news() {
    let receiver = Receiver::start();
    let kinds = EventKind::ALL.into_iter().filter(|kind| *kind != EventKind::SubscriptionCount);
    let server = TestServer::telling(&[receiver.endpoint(&kinds.collect::<Vec<_>>())], |_| {});
    let mut restless = server.connect().await;
    let channel_data = r#"{"user_id":"1"}"#;
    restless.join("presence-a", channel_data).await;
    let auth = auth(&[&restless.socket_id, ":presence-a:", channel_data]);
    let data = json!({ "channel": "presence-a", "auth": auth, "channel_data": channel_data });
    let join = json!({ "event": "pusher:subscribe", "data": data });
    for _ in 0..10_000 / 50 {
        let turns = (0..50).flat_map(|_| [unsubscribe("presence-a"), join.clone()]);
        say_at_once(&mut restless, turns).await;
        for _ in 0..50 {
            assert_eq!(restless.next().await["event"], "pusher_internal:subscription_succeeded");
        }
    }
    for _ in 0..100 {
        let mut page = server.connect().await;
        page.subscribe("b").await;
        page.close().await;
    }
    // What all that led to would be told before this.
    receiver.hears(&vacated("b")).await;
    restless.subscribe("last").await;
    restless.unsubscribe("last").await;
    let told = receiver.hears(&vacated("last")).await;
    let member = |name: &str| json!({ "name": name, "channel": "presence-a", "user_id": "1" });
    let begin = [occupied("presence-a"), member("member_added"), occupied("b"), vacated("b")];
    assert_eq!(told, [&begin[..], &[occupied("last"), vacated("last")]].concat());
    restless.unsubscribe("presence-a").await;
    let told = receiver.hears(&vacated("presence-a")).await;
    assert_eq!(told[6..], [member("member_removed"), vacated("presence-a")]);
}

#[tokio::test]
async fn an_end_is_told_after_the_delay_and_only_if_it_lasts() {
    let receiver = Receiver::start();
    let kinds = [EventKind::ChannelOccupied, EventKind::ChannelVacated];
    let server = TestServer::telling(&[receiver.endpoint(&kinds)], |_| {});
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    for channel in ["a", "b"] {
        one.subscribe(channel).await;
    }
    receiver.reaches(2).await;
    let before = Instant::now();
    say_at_once(&mut one, ["a", "b"].map(unsubscribe)).await;
    two.subscribe("b").await;
    let requests = receiver.reaches(3).await;
    assert!(requests[2].at - before >= Duration::from_millis(DEBOUNCE_MS.into()));
    two.unsubscribe("b").await;
    assert_eq!(events(&receiver.reaches(4).await), [occupied("a"), occupied("b"), vacated("a"), vacated("b")]);
}

#[tokio::test]
async fn a_miss_is_told_again_once_there_was_something_in_between() {
    let receiver = Receiver::start();
    let server = TestServer::telling(&[receiver.endpoint(&[EventKind::CacheMiss])], |config| {
        config.apps[0].limits.cache_ttl_secs = 1;
    });
    let mut clients = Vec::new();
    let finds = async |clients: &mut Vec<_>| {
        let mut client = server.connect().await;
        client.subscribe("cache-a").await;
        let found = client.next().await["event"].as_str().unwrap().to_owned();
        clients.push(client);
        found
    };
    for _ in 0..3 {
        assert_eq!(finds(&mut clients).await, "pusher:cache_miss");
    }
    server.publish("cache-a", "e", "x").await;
    while finds(&mut clients).await != "pusher:cache_miss" {}
    finds(&mut clients).await;
    server.connect().await.subscribe("cache-last").await;
    let miss = |channel: &str| json!({ "name": "cache_miss", "channel": channel });
    let told = receiver.hears(&miss("cache-last")).await;
    assert_eq!(told, [miss("cache-a"), miss("cache-a"), miss("cache-last")]);
}

#[tokio::test]
async fn numbers_of_subscribers_are_the_business_of_apps_that_count_them() {
    let receiver = Receiver::start();
    let kinds = [EventKind::ChannelOccupied, EventKind::SubscriptionCount];
    let server = TestServer::telling(&[receiver.endpoint(&kinds)], |config| {
        config.apps[0].features.subscription_counts = false;
    });
    let mut client = server.connect().await;
    for channel in ["a", "b"] {
        client.subscribe(channel).await;
    }
    assert_eq!(receiver.hears(&occupied("b")).await, ["a", "b"].map(occupied));
}
