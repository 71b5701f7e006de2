//! The contract, scenario by scenario. Each driver's file runs them all.

use super::bus::{Bus, Node};
use bytes::Bytes;
use fanfare::broker::{Error, LOG_ENTRIES, Link, Position, Topic};
use futures_util::future::try_join_all;
use std::time::Duration;

pub(crate) fn topic(name: &str) -> Topic {
    Topic::new(&["contract", name])
}

/// Two nodes whose links are up.
async fn two(bus: &impl Bus) -> (Node, Node) {
    let (mut one, mut two) = (bus.connect().await, bus.connect().await);
    one.link(Link::Up).await;
    two.link(Link::Up).await;
    (one, two)
}

pub(crate) async fn subscribers_get_it_as_it_was(bus: impl Bus) {
    let (mut one, mut two) = two(&bus).await;
    let (a, odd) = (topic("a"), topic("#server-to-user-{é}.*>"));
    let hostile: Vec<u8> = (0..=255).chain(*b"\r\n$5\r\nPUB x 3\r\n\0").collect();
    for topic in [&a, &odd] {
        one.broker.subscribe(topic).await.unwrap();
        two.broker.subscribe(topic).await.unwrap();
        for payload in [Bytes::new(), Bytes::from(hostile.clone()), Bytes::from(vec![7; 1 << 20])] {
            one.broker.publish(&[(topic.clone(), payload.clone())]).await.unwrap();
            assert_eq!(one.message().await, (topic.clone(), payload.clone()), "its publisher gets it too");
            assert_eq!(two.message().await, (topic.clone(), payload));
        }
    }
}

pub(crate) async fn only_what_is_subscribed_comes(bus: impl Bus) {
    let (one, mut two) = two(&bus).await;
    let (a, b) = (topic("a"), topic("b"));
    two.broker.subscribe(&b).await.unwrap();
    two.broker.subscribe(&b).await.unwrap();
    one.publish(&a, b"not subscribed").await;
    one.publish(&b, b"once").await;
    assert_eq!(two.message().await.1, "once");
    two.broker.subscribe(&a).await.unwrap();
    two.broker.unsubscribe(&b);
    // A subscription that is acknowledged comes after what was asked before it.
    two.broker.subscribe(&topic("c")).await.unwrap();
    one.publish(&b, b"unsubscribed").await;
    one.publish(&a, b"last").await;
    assert_eq!(two.message().await.1, "last");
}

pub(crate) async fn what_one_node_publishes_comes_in_order(bus: impl Bus) {
    let (one, mut two) = two(&bus).await;
    let topics = [topic("a"), topic("b"), topic("c")];
    for topic in &topics {
        two.broker.subscribe(topic).await.unwrap();
    }
    let sent = 3000_u32;
    let publish = async {
        for first in (0..sent).step_by(100) {
            let numbered = |n: u32| (topics[n as usize % 3].clone(), Bytes::copy_from_slice(&n.to_be_bytes()));
            let batch: Vec<_> = (first..first + 100).map(numbered).collect();
            one.broker.publish(&batch).await.unwrap();
        }
    };
    let receive = async {
        let mut seen = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..sent {
            let (topic, payload) = two.message().await;
            let at = topics.iter().position(|known| *known == topic).unwrap();
            seen[at].push(u32::from_be_bytes(payload[..].try_into().unwrap()));
        }
        for (at, numbers) in seen.iter().enumerate() {
            let expect: Vec<_> = (0..sent).skip(at).step_by(3).collect();
            assert_eq!(*numbers, expect);
        }
    };
    tokio::join!(publish, receive);
}

pub(crate) async fn subscriptions_outlive_the_link(mut bus: impl Bus) {
    let (one, mut two) = two(&bus).await;
    let (a, b) = (topic("a"), topic("b"));
    two.broker.subscribe(&a).await.unwrap();
    bus.cut(&two).await;
    two.link(Link::Down).await;
    // An error, unless another server has taken the first one's place already.
    let _ = two.broker.subscribe(&b).await;
    two.broker.unsubscribe(&topic("never subscribed"));
    bus.mend(&two).await;
    two.link(Link::Up).await;
    // The publisher's own link may take longer to come back.
    for (topic, payload) in [(&a, "old"), (&b, "new")] {
        one.publish_until_taken(topic, payload.as_bytes()).await;
    }
    // After an error a payload may have arrived all the same.
    let mut came = Vec::new();
    while came.last().is_none_or(|last| last != "new") {
        came.push(two.message().await.1);
    }
    came.dedup();
    assert_eq!(came, ["old", "new"]);
}

pub(crate) async fn nothing_is_taken_while_the_link_is_down(mut bus: impl Bus) {
    let (mut one, _two) = two(&bus).await;
    bus.cut(&one).await;
    one.link(Link::Down).await;
    let batch = [(topic("a"), Bytes::from_static(b"x"))];
    assert_eq!(one.broker.publish(&batch).await, Err(Error::Down));
    assert_eq!(one.broker.subscribe(&topic("a")).await, Err(Error::Down));
    assert_eq!(one.broker.recall(&topic("a")).await, Err(Error::Down));
    bus.mend(&one).await;
    one.link(Link::Up).await;
    one.broker.publish(&batch).await.unwrap();
}

pub(crate) async fn a_link_that_is_reset_comes_back(bus: impl Bus) {
    let (one, mut two) = two(&bus).await;
    let a = topic("a");
    two.broker.subscribe(&a).await.unwrap();
    two.broker.reset();
    two.link(Link::Down).await;
    two.link(Link::Up).await;
    one.publish(&a, b"x").await;
    assert_eq!(two.message().await.1, "x");
}

pub(crate) async fn what_is_remembered_is_recalled_for_a_time(bus: impl Bus) {
    let (one, two) = two(&bus).await;
    let (key, other) = (topic("kept"), topic("other"));
    assert_eq!(two.broker.recall(&key).await, Ok(None));
    for value in ["first", "second"] {
        let value = Bytes::from_static(value.as_bytes());
        one.broker.remember(&key, &value, Duration::from_secs(60)).await.unwrap();
        assert_eq!(two.broker.recall(&key).await, Ok(Some(value)));
    }
    assert_eq!(two.broker.recall(&other).await, Ok(None));
    one.broker.remember(&other, &Bytes::from_static(b"x"), Duration::from_secs(1)).await.unwrap();
    let gone = async { while two.broker.recall(&other).await != Ok(None) {} };
    tokio::time::timeout(super::bus::PATIENCE, gone).await.expect("it is never forgotten");
    assert_eq!(two.broker.recall(&key).await, Ok(Some(Bytes::from_static(b"second"))));
}

pub(crate) async fn what_is_remembered_last_counts(bus: impl Bus) {
    let (one, two) = two(&bus).await;
    let key = topic("kept");
    for (value, secs) in [("long", 60), ("short", 1)] {
        one.broker.remember(&key, &Bytes::from_static(value.as_bytes()), Duration::from_secs(secs)).await.unwrap();
    }
    let gone = async {
        while let Some(value) = two.broker.recall(&key).await.unwrap() {
            assert_eq!(value, "short", "what was kept before has come back");
        }
    };
    tokio::time::timeout(super::bus::PATIENCE, gone).await.expect("it is never forgotten");
}

pub(crate) async fn every_node_reads_the_same_log(bus: impl Bus) {
    let (one, two) = two(&bus).await;
    let (log, other) = (topic("log"), topic("#other-log-{é}.*>"));
    for node in [&one, &two] {
        assert_eq!(node.broker.read(&log, Position::default(), 10).await, Ok(Vec::new()));
    }
    let append = async |node: &Node, name: &str| {
        for n in 0..100 {
            node.broker.append(&log, &format!("{name}{n}").into()).await.unwrap();
        }
    };
    tokio::join!(append(&one, "a"), append(&two, "b"));
    let entries = one.entries(&log, Position::default()).await;
    assert_eq!(two.entries(&log, Position::default()).await, entries);
    assert!(entries.is_sorted_by_key(|(at, _)| *at), "{entries:?}");
    for name in ["a", "b"] {
        let of = entries.iter().map(|(_, entry)| entry).filter(|entry| entry.starts_with(name.as_bytes()));
        assert!(of.eq((0..100).map(|n| format!("{name}{n}")).collect::<Vec<_>>().iter()), "{entries:?}");
    }
    assert_eq!(entries.len(), 200);
    let odd = [Bytes::new(), (0..=255).chain(*b"\r\n$5\r\nPUB x 3\r\n\0").collect(), vec![7; 100_000].into()];
    for entry in &odd {
        two.broker.append(&other, entry).await.unwrap();
    }
    let came = one.entries(&other, Position::default()).await;
    assert_eq!(came.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), odd);
}

pub(crate) async fn a_log_is_read_from_where_one_likes(bus: impl Bus) {
    let (one, two) = two(&bus).await;
    let log = topic("log");
    for n in 0..50 {
        one.broker.append(&log, &n.to_string().into()).await.unwrap();
    }
    let all = two.entries(&log, Position::default()).await;
    assert_eq!(all.len(), 50);
    let read = async |from: Position, most: usize| two.broker.read(&log, from, most).await.unwrap();
    assert_eq!(read(all[20].0, 5).await, all[20..25], "the entry itself comes first");
    assert_eq!(read(all[20].0.next(), 5).await, all[21..26]);
    assert_eq!(read(all[20].0, 1).await, all[20..21]);
    assert_eq!(read(all[20].0, 0).await, []);
    assert_eq!(read(all[49].0, 10).await, all[49..]);
    assert_eq!(read(all[49].0.next(), 10).await, []);
    assert_eq!(read(Position(u64::MAX, u64::MAX), 10).await, []);
}

pub(crate) async fn a_log_outlives_the_link(mut bus: impl Bus) {
    let (mut one, _two) = two(&bus).await;
    let log = topic("log");
    one.broker.append(&log, &"old".into()).await.unwrap();
    bus.cut(&one).await;
    one.link(Link::Down).await;
    assert_eq!(one.broker.append(&log, &"x".into()).await, Err(Error::Down));
    assert_eq!(one.broker.read(&log, Position::default(), 1).await, Err(Error::Down));
    bus.mend(&one).await;
    one.link(Link::Up).await;
    one.broker.append(&log, &"new".into()).await.unwrap();
    let came = one.entries(&log, Position::default()).await;
    assert_eq!(came.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), ["old", "new"]);
}

pub(crate) async fn a_long_log_loses_its_oldest(bus: impl Bus) {
    let (one, two) = two(&bus).await;
    let log = topic("log");
    one.broker.append(&log, &"first".into()).await.unwrap();
    let first = two.broker.read(&log, Position::default(), 1).await.unwrap()[0].0;
    let more = LOG_ENTRIES + 1000;
    for begin in (0..more).step_by(200) {
        let numbers: Vec<Bytes> = (begin..begin + 200).map(|n| n.to_string().into()).collect();
        try_join_all(numbers.iter().map(|entry| one.broker.append(&log, entry))).await.unwrap();
    }
    for from in [Position::default(), first] {
        let entries = two.entries(&log, from).await;
        assert!((LOG_ENTRIES..LOG_ENTRIES + 500).contains(&entries.len()), "{}", entries.len());
        assert!(entries[0].0 > first && entries.iter().all(|(_, entry)| entry != "first"));
        assert!(entries[entries.len() - 200..].iter().any(|(_, entry)| *entry == (more - 1).to_string()));
    }
}

/// Runs scenarios on a bus that `$start` makes: those that are named, or all but what takes long.
macro_rules! on {
    ($start:expr) => {
        $crate::scenarios::on!($start,
            subscribers_get_it_as_it_was, only_what_is_subscribed_comes, what_one_node_publishes_comes_in_order,
            subscriptions_outlive_the_link, nothing_is_taken_while_the_link_is_down, a_link_that_is_reset_comes_back,
            what_is_remembered_is_recalled_for_a_time, what_is_remembered_last_counts, every_node_reads_the_same_log,
            a_log_is_read_from_where_one_likes, a_log_outlives_the_link);
    };
    ($start:expr, $($scenario:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $scenario() {
            $crate::scenarios::$scenario($start.await).await;
        })*
    };
}
pub(crate) use on;
