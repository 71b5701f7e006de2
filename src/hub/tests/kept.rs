//! The last events of cache channels.

use super::*;
use crate::protocol::json::quote;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn event(channel: &ChannelName, data: &str) -> Frame {
    Frame::event(channel, "e", &quote(data), None)
}

/// The payloads of what came, without the confirmation, which must be first.
fn heard(connection: &Registration) -> Vec<String> {
    let frames: Vec<_> = take(connection).iter().map(text).collect();
    assert!(frames[0].contains("subscription_succeeded"), "{frames:?}");
    frames[1..].to_vec()
}

#[test]
fn newcomers_get_the_last_event_or_are_told_that_there_is_none() {
    let (hub, channel, start) =
        (hub(Limits { cache_ttl_secs: 2, ..Limits::default() }), name("cache-a"), Instant::now());
    let at = |secs| start + Duration::from_secs(secs);
    let newcomer = |now| {
        let connection = hub.register(None, Instant::now()).unwrap();
        let _subscription = hub.subscribe(&channel, &connection, None, now).unwrap().0;
        heard(&connection)
    };
    let miss = [text(&Frame::cache_miss(&channel))];
    assert_eq!(newcomer(at(0)), miss);
    for data in ["one", "two"] {
        hub.publish(&channel, None, at(0), || event(&channel, data));
    }
    assert_eq!(newcomer(at(1)), [text(&event(&channel, "two"))]);
    assert_eq!(hub.cached(&channel, at(1)), Some(Cached { data: "two".to_owned(), ttl_secs: 1 }));
    hub.relay(&channel, None, at(1), || event(&channel, "a client's"));
    assert_eq!(newcomer(at(1)), [text(&event(&channel, "two"))]);
    assert_eq!((newcomer(at(2)), hub.cached(&channel, at(2))), (miss.to_vec(), None));
    assert_eq!(hub.channels.len(), 0);
}

#[test]
fn what_does_not_fit_is_counted_and_the_newest_stays() {
    let (hub, now) = (hub(Limits { cache_bytes: 1000, ..Limits::default() }), Instant::now());
    let names: Vec<_> = (0..10).map(|n| name(&format!("cache-{n}"))).collect();
    for channel in &names {
        hub.publish(channel, None, now, || event(channel, &"x".repeat(100)));
    }
    let kept = names.iter().filter(|channel| hub.cached(channel, now).is_some()).count();
    assert!(hub.cached(&names[9], now).is_some() && hub.cached(&names[0], now).is_none());
    assert_eq!(hub.metrics.cache_forgotten_total.get(), 10 - kept as u64);
}

/// Subscribing while events are published: each newcomer gets one kept event and then every later one, none twice.
#[test]
fn a_newcomer_misses_nothing_and_hears_nothing_twice() {
    let (hub, channel, now) =
        (hub(Limits { outbox_bytes: 1 << 30, ..Limits::default() }), name("cache-a"), Instant::now());
    hub.publish(&channel, None, now, || event(&channel, "0"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..5000 {
                hub.publish(&channel, None, now, || event(&channel, &n.to_string()));
            }
            done.store(true, Ordering::Relaxed);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let connection = hub.register(None, Instant::now()).unwrap();
                    let subscription = hub.subscribe(&channel, &connection, None, now).unwrap().0;
                    std::thread::yield_now();
                    drop(subscription);
                    let number = |frame: &String| -> u64 {
                        frame.split(r#""data":""#).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
                    };
                    let numbers: Vec<_> = heard(&connection).iter().map(number).collect();
                    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
                    assert!(!numbers.is_empty());
                }
            });
        }
    });
    assert_eq!(hub.cached(&channel, now).unwrap().data, "4999");
}
