//! What a hub counts, and how long frames take through it.

use super::*;
use crate::metrics::BOUNDS;
use std::time::Duration;

#[test]
fn events_say_when_they_were_published_and_nothing_else_does() {
    let (hub, channel, now) = (hub(Limits::default()), name("cache-a"), Instant::now());
    let connect = || {
        let connection = hub.register(None, now).unwrap();
        let subscription = hub.subscribe(&channel, &connection, None, now).unwrap().0;
        (connection, subscription)
    };
    let is_stamped =
        |connection: &Registration| take(connection).iter().map(|f| f.stamp().is_some()).collect::<Vec<_>>();
    let first = connect();
    assert_eq!(is_stamped(&first.0), [false, false], "a confirmation and a cache miss");
    hub.publish(&channel, None, now, Frame::pong);
    hub.relay(&channel, None, now, Frame::pong);
    hub.arrive(&channel, None, true, &Frame::pong(), now);
    assert_eq!(is_stamped(&first.0), [true; 3]);
    // What was kept may be old: that is not how long its delivery took.
    let newcomer = connect();
    assert_eq!(is_stamped(&newcomer.0), [false, false]);
}

#[test]
fn the_time_from_publishing_to_writing_is_counted() {
    let (hub, channel, now) = (hub(Limits::default()), name("a"), Instant::now() + Duration::from_secs(7));
    let connection = hub.register(None, now).unwrap();
    let _subscription = hub.subscribe(&channel, &connection, None, now).unwrap().0;
    take(&connection);
    hub.publish(&channel, None, now, Frame::pong);
    let stamp = take(&connection)[0].stamp().unwrap();
    hub.written(stamp, now + Duration::from_millis(3));
    let read = hub.metrics().latency.read();
    let at = BOUNDS.iter().position(|bound| *bound == 5_000_000).unwrap();
    assert_eq!((read.counts[at], read.counts.iter().sum(), read.sum), (1, 1, Duration::from_millis(3)));
}

#[test]
fn gauges_follow_who_is_there() {
    let (hub, now) = (hub(Limits::default()), Instant::now());
    let (room, user) = (name("presence-a"), name("#server-to-user-1"));
    let connections: Vec<_> = (0..3).map(|_| hub.register(None, now).unwrap()).collect();
    let members = ["1", "1", "2"].map(member);
    let joined: Vec<_> = connections.iter().zip(&members).collect();
    let join = |(connection, member): &(&Registration, &Member)| {
        hub.subscribe(&room, connection, Some(member), now).unwrap().0
    };
    let mut subscriptions: Vec<_> = joined.iter().map(join).collect();
    let own = hub.subscribe(&user, &connections[0], None, now).unwrap().0;
    let gauges = |subscriptions, channels, members| Gauges {
        connections: 3,
        subscriptions,
        channels,
        members,
        waiting_bytes: 0,
    };
    let now_there = || {
        assert!(hub.gauges().waiting_bytes > 0, "confirmations wait");
        Gauges { waiting_bytes: 0, ..hub.gauges() }
    };
    assert_eq!(now_there(), gauges(3, 1, 2));
    subscriptions.remove(0);
    assert_eq!(now_there(), gauges(2, 1, 2));
    subscriptions.remove(0);
    assert_eq!(now_there(), gauges(1, 1, 1));
    drop((subscriptions, own));
    connections.iter().for_each(|connection| drop(take(connection)));
    assert_eq!(hub.gauges(), gauges(0, 0, 0));
}

#[test]
fn ends_are_counted_by_their_reason() {
    let (hub, now) = (hub(Limits::default()), Instant::now());
    let end = |close: Option<CloseCode>, how: &dyn Fn(&Registration)| {
        let connection = hub.register(None, now).unwrap();
        close.iter().for_each(|close| connection.outbox().close(*close));
        how(&connection);
    };
    end(None, &|connection| connection.ended(None));
    end(None, &|connection| connection.ended(Some(CloseCode::PongTimeout)));
    end(None, &|connection| connection.gave_up());
    // Whatever became of it then, it was closing.
    end(Some(CloseCode::Terminated), &|connection| connection.ended(None));
    end(Some(CloseCode::OverCapacity), &|connection| connection.gave_up());
    let metrics = hub.metrics();
    assert_eq!((metrics.gone_total.get(), metrics.closed_over_deadline_total.get()), (1, 1));
    let closed: Vec<_> = metrics.closed.all().filter(|(_, n)| *n > 0).collect();
    assert_eq!(closed, [("terminated", 1), ("over_capacity", 1), ("pong_timeout", 1)]);
}
