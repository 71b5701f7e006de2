mod gauges;
mod kept;
mod shared;
mod told;

use super::*;
use crate::app::Limits;
use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};

fn hub(limits: Limits) -> Arc<Hub> {
    let app = App { limits, ..App::new("1", "key", "secret") };
    Arc::new(Hub::new(app.into(), Arc::default(), Instant::now()))
}

fn name(name: &str) -> ChannelName {
    ChannelName::parse(name, 164).unwrap()
}

fn member(id: &str) -> Member {
    Member::parse(&format!(r#"{{"user_id":"{id}"}}"#), 128, 1024).unwrap()
}

fn take(connection: &Registration) -> Vec<Frame> {
    match connection.outbox().poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => Vec::new(),
        Poll::Ready(()) => {
            let frames = connection.outbox().take().unwrap_or_default();
            connection.outbox().written();
            frames
        }
    }
}

fn text(frame: &Frame) -> String {
    String::from_utf8_lossy(frame.bytes()).into_owned()
}

#[test]
fn every_subscriber_shares_one_encoding() {
    let (hub, channel) = (hub(Limits::default()), name("a"));
    let connections: Vec<_> = (0..50).map(|_| hub.register(None, Instant::now()).unwrap()).collect();
    let subscriptions: Vec<_> =
        connections.iter().map(|c| hub.subscribe(&channel, c, None, Instant::now()).unwrap().0).collect();
    connections.iter().for_each(|connection| assert_eq!(take(connection).len(), 1));
    let mut encoded = 0;
    hub.publish(&channel, Some(connections[7].socket()), Instant::now(), || {
        encoded += 1;
        Frame::pong()
    });
    let frames: Vec<_> = connections.iter().map(take).collect();
    assert_eq!((encoded, hub.metrics.encodings_total.get(), hub.metrics.deliveries_total.get()), (1, 1, 49));
    assert!(frames[7].is_empty());
    let addresses: BTreeSet<_> = frames.iter().flatten().map(|frame| frame.bytes().as_ptr()).collect();
    assert_eq!(addresses.len(), 1);
    drop(subscriptions);
    hub.publish(&channel, None, Instant::now(), || panic!("nobody is there to encode for"));
}

#[test]
fn the_last_to_leave_takes_the_channel_along() {
    let (hub, channel) = (hub(Limits::default()), name("a"));
    let (one, two) = (hub.register(None, Instant::now()).unwrap(), hub.register(None, Instant::now()).unwrap());
    let first = hub.subscribe(&channel, &one, None, Instant::now()).unwrap().0;
    let second = hub.subscribe(&channel, &two, None, Instant::now()).unwrap().0;
    assert_eq!(hub.counts(&channel), Counts { subscriptions: 2, users: 0 });
    drop(first);
    assert_eq!((hub.channels.len(), hub.counts(&channel).subscriptions), (1, 1));
    drop(second);
    assert_eq!((hub.channels.len(), hub.counts(&channel)), (0, Counts::default()));
    drop((one, two));
    assert_eq!((hub.connections(), hub.outboxes().len()), (0, 0));
}

#[test]
fn a_place_is_free_again_once_its_connection_is_gone() {
    let hub = hub(Limits { max_connections: 1, ..Limits::default() });
    let first = hub.register(None, Instant::now()).unwrap();
    assert!(hub.register(None, Instant::now()).is_err());
    drop(first);
    assert!(hub.register(None, Instant::now()).is_ok());
}

#[test]
fn one_frame_too_many_is_counted_once() {
    let hub = hub(Limits { outbox_bytes: 300, ..Limits::default() });
    let (channel, slow, fast) =
        (name("a"), hub.register(None, Instant::now()).unwrap(), hub.register(None, Instant::now()).unwrap());
    let _subscriptions =
        [&slow, &fast].map(|connection| hub.subscribe(&channel, connection, None, Instant::now()).unwrap().0);
    let mut heard = take(&fast).len();
    for _ in 0..20 {
        hub.deliver(&channel, None, Frame::pong);
        heard += take(&fast).len();
    }
    assert_eq!(heard, 21);
    assert_eq!(hub.metrics.closed_over_bytes_total.get(), 1);
    assert!(slow.outbox().is_closed());
    assert!(!fast.outbox().is_closed());
}

/// Joins and leaves from many threads: what each connection was told adds up to who was there, and nothing is left.
#[test]
fn rosters_and_deltas_add_up_under_contention() {
    let (hub, channel) = (hub(Limits::default()), name("presence-a"));
    let watcher = hub.register(None, Instant::now()).unwrap();
    let seat = hub.subscribe(&channel, &watcher, Some(&member("watcher")), Instant::now()).unwrap().0;
    let stays: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let (hub, channel) = (&hub, &channel);
                scope.spawn(move || {
                    let connection = hub.register(None, Instant::now()).unwrap();
                    for round in 0..200 {
                        let who = member(&((n + round) % 5).to_string());
                        let subscription = hub.subscribe(channel, &connection, Some(&who), Instant::now()).unwrap().0;
                        take(&connection);
                        if round == 199 {
                            return (connection, subscription);
                        }
                    }
                    unreachable!("the last round returns")
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut present = BTreeSet::from(["watcher".to_owned()]);
    for frame in take(&watcher).iter().skip(1).map(text) {
        let id = frame.split(r#"\"user_id\":\""#).nth(1).unwrap().split('\\').next().unwrap().to_owned();
        let consistent = if frame.contains("member_added") { present.insert(id) } else { present.remove(&id) };
        assert!(consistent, "{frame}");
    }
    assert_eq!(hub.counts(&channel).users, present.len());
    drop((stays, seat));
    assert_eq!(hub.channels.len(), 0);
}

/// Channels that empty and fill at the same time are never lost to a subscriber.
#[test]
fn a_subscriber_of_a_dying_channel_gets_a_living_one() {
    let (hub, channel) = (hub(Limits::default()), name("a"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let connection = hub.register(None, Instant::now()).unwrap();
                for _ in 0..2000 {
                    let subscription = hub.subscribe(&channel, &connection, None, Instant::now()).unwrap().0;
                    assert!(hub.counts(&channel).subscriptions > 0);
                    hub.deliver(&channel, None, Frame::pong);
                    assert!(take(&connection).len() >= 2);
                    drop(subscription);
                }
            });
        }
    });
    assert_eq!(hub.channels.len(), 0);
}
