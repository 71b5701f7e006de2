//! The contract, scenario by scenario. Each driver's file runs them all.

use super::bus::{Bus, Node};
use bytes::Bytes;
use fanfare::broker::{Error, Link, Topic};
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

/// Runs every scenario on a bus that `$start` makes.
macro_rules! on {
    ($start:expr) => {
        $crate::scenarios::on!($start,
            subscribers_get_it_as_it_was, only_what_is_subscribed_comes, what_one_node_publishes_comes_in_order,
            subscriptions_outlive_the_link, nothing_is_taken_while_the_link_is_down, a_link_that_is_reset_comes_back,
            what_is_remembered_is_recalled_for_a_time, what_is_remembered_last_counts);
    };
    ($start:expr, $($scenario:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $scenario() {
            $crate::scenarios::$scenario($start.await).await;
        })*
    };
}
pub(crate) use on;
