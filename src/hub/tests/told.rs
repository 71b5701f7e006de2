//! Counts of subscribers, as subscribers are told them.

use super::*;
use crate::app::Features;
use std::time::Duration;

fn counting() -> Arc<Hub> {
    let features = Features { subscription_count_events: true, ..Features::default() };
    let app = App { features, ..App::new("1", "key", "secret") };
    Arc::new(Hub::new(app.into(), Arc::default(), Instant::now()))
}

/// The counts among what came.
fn counts(connection: &Registration) -> Vec<usize> {
    let frames: Vec<_> = take(connection).iter().map(text).collect();
    let count = |frame: &String| frame.split(r#"subscription_count\":"#).nth(1)?.split('}').next()?.parse().ok();
    frames.iter().filter_map(count).collect()
}

#[test]
fn everyone_is_told_of_each_change() {
    let (hub, channel, now) = (counting(), name("a"), Instant::now());
    let (one, two) = (hub.register(None, Instant::now()).unwrap(), hub.register(None, Instant::now()).unwrap());
    let _first = hub.subscribe(&channel, &one, None, now).unwrap().0;
    let second = hub.subscribe(&channel, &two, None, now).unwrap().0;
    assert_eq!((counts(&one), counts(&two)), (vec![1, 2], vec![2]));
    drop(second);
    assert_eq!((counts(&one), counts(&two)), (vec![1], vec![]));
}

#[test]
fn presence_channels_and_users_channels_are_told_nothing() {
    let (hub, now) = (counting(), Instant::now());
    for (channel, member) in [("presence-a", Some(member("1"))), ("#server-to-user-1", None)] {
        let connection = hub.register(None, Instant::now()).unwrap();
        let _subscription = hub.subscribe(&name(channel), &connection, member.as_ref(), now).unwrap().0;
        assert!(counts(&connection).is_empty(), "{channel}");
    }
}

#[test]
fn a_large_channel_is_told_when_its_pause_is_over() {
    let (hub, channel, start) = (counting(), name("a"), Instant::now());
    let at = |secs| start + Duration::from_secs(secs);
    let connections: Vec<_> = (0..105).map(|_| hub.register(None, Instant::now()).unwrap()).collect();
    let subscriptions: Vec<_> =
        connections.iter().map(|connection| hub.subscribe(&channel, connection, None, start).unwrap().0).collect();
    assert_eq!(counts(&connections[0]), (1..=100).collect::<Vec<_>>());
    hub.sweep(at(4));
    assert!(counts(&connections[0]).is_empty());
    hub.sweep(at(5));
    assert_eq!(counts(&connections[0]), [105]);
    hub.sweep(at(60));
    assert!(counts(&connections[0]).is_empty() && hub.tallies.lock().is_empty());
    drop(subscriptions);
    assert_eq!(hub.channels.len(), 0);
}
