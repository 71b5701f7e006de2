//! One server.

use super::{Single, connect};
use crate::bus::{Bus, PATIENCE};
use crate::scenarios::topic;
use bytes::Bytes;
use fanfare::broker::{Error, Incoming, Link, Position, Topic};
use fanfare::config;
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::timeout;

/// Longer than a server that hangs is waited for.
const HUNG: Duration = Duration::from_secs(10);

async fn start() -> Single {
    Single::start(&["--jetstream"], config::Nats::default()).await
}

crate::scenarios::on!(start());
crate::scenarios::on!(start(), a_long_log_loses_its_oldest);

#[tokio::test]
async fn a_server_that_hangs_is_not_waited_for() {
    let bus = start().await;
    let mut node = bus.up().await;
    bus.server.signal("STOP");
    let (a, large) = (topic("a"), Bytes::from(vec![0; 1 << 20]));
    let batch = vec![(a.clone(), large); 16];
    assert_eq!(timeout(HUNG, node.broker.publish(&batch)).await.expect("it hangs"), Err(Error::Down));
    assert_eq!(timeout(HUNG, node.broker.subscribe(&a)).await.expect("it hangs"), Err(Error::Down));
    assert_eq!(timeout(HUNG, node.broker.recall(&a)).await.expect("it hangs"), Err(Error::Down));
    node.link(Link::Down).await;
    bus.server.signal("CONT");
    node.link(Link::Up).await;
    node.publish_until_taken(&a, b"x").await;
    while node.message().await.1 != "x" {}
}

#[tokio::test]
async fn each_operation_notices_a_server_that_hangs() {
    let bus = start().await;
    let a = topic("a");
    let mut nodes = [bus.up().await, bus.up().await, bus.up().await, bus.up().await, bus.up().await];
    bus.server.signal("STOP");
    let [one, two, three, four, five] = &nodes;
    let done = timeout(HUNG, async {
        let value = Bytes::from_static(b"x");
        tokio::join!(
            one.broker.subscribe(&a),
            two.broker.recall(&a),
            three.broker.remember(&a, &value, HUNG),
            four.broker.append(&a, &value),
            five.broker.read(&a, Position::default(), 1)
        )
    });
    let down = (Err(Error::Down), Err(Error::Down), Err(Error::Down), Err(Error::Down), Err(Error::Down));
    assert_eq!(done.await.expect("one hangs"), down);
    bus.server.signal("CONT");
    for node in &mut nodes {
        node.link(Link::Down).await;
        node.link(Link::Up).await;
    }
}

#[tokio::test]
async fn a_quiet_node_notices_a_server_that_hangs() {
    let bus = start().await;
    let mut node = bus.up().await;
    bus.server.signal("STOP");
    timeout(HUNG, node.link(Link::Down)).await.expect("it was not noticed");
    bus.server.signal("CONT");
    node.link(Link::Up).await;
}

#[tokio::test]
async fn many_subscribe_at_once() {
    let mut bus = start().await;
    let mut node = bus.up().await;
    let topics: Vec<_> = (0..10_000).map(|n| topic(&format!("many-{n}"))).collect();
    let all = join_all(topics.iter().map(|topic| node.broker.subscribe(topic)));
    let answers = timeout(PATIENCE, all).await.expect("it takes too long");
    assert!(answers.iter().all(Result::is_ok));
    bus.cut(&node).await;
    node.link(Link::Down).await;
    bus.mend(&node).await;
    node.link(Link::Up).await;
    for topic in topics.iter().step_by(1111) {
        node.publish(topic, b"x").await;
        assert_eq!(node.message().await.0, *topic);
    }
}

#[tokio::test]
async fn topics_that_come_and_go_are_as_they_were_left() {
    let bus = start().await;
    let mut node = bus.up().await;
    let a = topic("a");
    for _ in 0..100 {
        node.broker.subscribe(&a).await.unwrap();
        node.broker.unsubscribe(&a);
    }
    node.broker.subscribe(&a).await.unwrap();
    node.publish(&a, b"x").await;
    assert_eq!(node.message().await.1, "x");
    node.broker.unsubscribe(&a);
    node.publish(&a, b"nobody hears it").await;
    node.broker.subscribe(&topic("b")).await.unwrap();
    node.publish(&topic("b"), b"y").await;
    assert_eq!(node.message().await.1, "y");
}

#[tokio::test]
async fn a_full_inbox_drops_the_link() {
    let bus = start().await;
    let (a, other) = (topic("a"), bus.up().await);
    let mut small = connect(&bus.settings, 10_000);
    small.link(Link::Up).await;
    small.broker.subscribe(&a).await.unwrap();
    other.broker.publish(&vec![(a.clone(), Bytes::from_static(&[0; 1000])); 100]).await.unwrap();
    small.link(Link::Down).await;
    small.link(Link::Up).await;
    other.publish_until_taken(&a, b"x").await;
    while small.message().await.1 != "x" {}
}

#[tokio::test]
async fn without_jetstream_nothing_is_remembered() {
    let bus = Single::start(&[], config::Nats::default()).await;
    let node = bus.up().await;
    let key = topic("key");
    assert_eq!(node.broker.remember(&key, &Bytes::from_static(b"x"), PATIENCE).await, Ok(()));
    assert_eq!(node.broker.recall(&key).await, Ok(None));
}

#[tokio::test]
async fn without_jetstream_there_is_no_log() {
    let bus = Single::start(&[], config::Nats::default()).await;
    let node = bus.up().await;
    let log = topic("log");
    let appended = node.broker.append(&log, &"x".into()).await;
    for answer in [appended, node.broker.read(&log, Position::default(), 1).await.map(drop)] {
        assert!(answer.unwrap_err().to_string().contains("add `jetstream {}`"));
    }
}

#[tokio::test]
async fn who_listens_to_a_log_is_not_taken_for_it() {
    let bus = start().await;
    let (node, mut curious) = (bus.up().await, bus.up().await);
    let log = topic("log");
    curious.broker.subscribe(&log).await.unwrap();
    node.broker.append(&log, &"x".into()).await.unwrap();
    assert_eq!(curious.message().await.1, "x");
    assert_eq!(curious.entries(&log, Position::default()).await.len(), 1);
}

#[tokio::test]
async fn a_log_that_was_deleted_begins_anew() {
    let bus = start().await;
    let (node, other) = (bus.up().await, bus.up().await);
    let log = topic("log");
    node.broker.append(&log, &"old".into()).await.unwrap();
    other.publish(&Topic::named("$JS.API.STREAM.DELETE.FANFARE_LOG_contract=2elog"), b"").await;
    let gone = async { while other.broker.read(&log, Position::default(), 1).await != Ok(Vec::new()) {} };
    timeout(PATIENCE, gone).await.expect("it is never deleted");
    node.broker.append(&log, &"new".into()).await.unwrap();
    assert_eq!(other.entries(&log, Position::default()).await[0].1, "new");
}

#[tokio::test]
async fn jetstream_that_hangs_is_not_waited_for_each_time() {
    let bus = Single::start(&[], config::Nats::default()).await;
    let (node, stuck) = (bus.up().await, bus.up().await);
    // One that takes JetStream's place and says nothing.
    stuck.broker.subscribe(&Topic::named("$JS.API.STREAM.NAMES")).await.unwrap();
    let (key, value) = (topic("key"), Bytes::from_static(b"x"));
    let often = async {
        for _ in 0..20 {
            assert!(matches!(node.broker.remember(&key, &value, PATIENCE).await, Err(Error::Refused(_))));
            assert!(matches!(node.broker.recall(&key).await, Err(Error::Refused(_))));
        }
    };
    timeout(Duration::from_secs(2), often).await.expect("it is waited for again and again");
}

#[tokio::test]
async fn what_the_server_refuses_is_said() {
    let bus = start().await;
    let mut node = bus.up().await;
    let a = topic("a");
    assert_eq!(node.broker.max_bytes(), 1 << 20);
    let large = Bytes::from(vec![0; (1 << 20) + 1]);
    let Err(Error::Refused(why)) = node.broker.publish(&[(a.clone(), large.clone())]).await else {
        panic!("it is taken")
    };
    assert!(why.contains("max_payload of 1048576"), "{why}");
    assert_eq!(node.broker.append(&a, &large).await, Err(Error::Refused(why)));
    for name in ["", "a..b", "a b", "a.*", ">", "a\r\nPUB x 0"] {
        let odd = Topic::named(name);
        assert!(matches!(node.broker.subscribe(&odd).await, Err(Error::Refused(_))), "{name:?}");
        assert!(matches!(node.broker.append(&odd, &"x".into()).await, Err(Error::Refused(_))), "{name:?}");
    }
    node.broker.subscribe(&a).await.unwrap();
    node.publish(&a, b"x").await;
    assert_eq!(node.message().await.1, "x");
}

#[tokio::test]
async fn a_server_may_come_late_and_the_inbox_ends_with_the_broker() {
    let mut bus = start().await;
    bus.server.kill();
    let mut node = bus.connect().await;
    let a = topic("a");
    assert_eq!(node.broker.subscribe(&a).await, Err(Error::Down));
    assert!(bus.server.again().await);
    assert_eq!(node.next().await, Incoming::Link(Link::Up));
    node.publish(&a, b"x").await;
    assert_eq!(node.message().await.1, "x");
    drop(node.broker);
    assert_eq!(timeout(PATIENCE, node.inbox.next()).await, Ok(None));
}
