//! One server.

use super::server::{REDIS, options};
use super::{Servers, connect, settings};
use crate::bus::{Bus, Node, PATIENCE};
use crate::servers::Server;
use bytes::Bytes;
use fanfare::broker::{Error, Link, Position, Topic};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::timeout;

async fn start() -> Servers {
    let server = Server::start(REDIS, |port, _| options(port, &[])).await;
    let settings = settings([format!("redis://127.0.0.1:{}", server.port)]);
    Servers { servers: vec![server], settings }
}

crate::scenarios::on!(start());
crate::scenarios::on!(start(), a_long_log_loses_its_oldest);

/// A server, and a node whose link is up and that has subscribed a topic.
async fn subscribed() -> (Servers, Node, Topic) {
    let bus = start().await;
    let mut node = bus.connect().await;
    node.link(Link::Up).await;
    let topic = Topic::new(&["a"]);
    node.broker.subscribe(&topic).await.unwrap();
    (bus, node, topic)
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    let (bus, mut node, topic) = subscribed().await;
    bus.servers[0].signal("STOP");
    let batch = [(topic.clone(), Bytes::from_static(b"x"))];
    let answer = timeout(Duration::from_secs(5), node.broker.publish(&batch)).await;
    assert_eq!(answer, Ok(Err(Error::Down)));
    node.link(Link::Down).await;
    bus.servers[0].signal("CONT");
    node.link(Link::Up).await;
    node.publish(&topic, b"y").await;
    assert_eq!(node.message().await.1, "y");
}

#[tokio::test]
async fn what_is_no_log_is_not_read_as_one() {
    let (bus, node, _) = subscribed().await;
    let [value, foreign] = ["value", "foreign"].map(|name| Topic::new(&[name]));
    node.broker.remember(&value, &"x".into(), PATIENCE).await.unwrap();
    bus.servers[0].cli(&["xadd", foreign.as_str(), "*", "field", "x"]);
    assert!(matches!(node.broker.append(&value, &"x".into()).await, Err(Error::Refused(_))));
    for topic in [&value, &foreign] {
        assert!(matches!(node.broker.read(topic, Position::default(), 1).await, Err(Error::Refused(_))));
    }
}

#[tokio::test]
async fn a_quiet_node_notices_a_stall() {
    let (bus, mut node, _) = subscribed().await;
    bus.servers[0].signal("STOP");
    timeout(Duration::from_secs(8), node.link(Link::Down)).await.expect("it was not noticed");
    bus.servers[0].signal("CONT");
}

#[tokio::test]
async fn either_connection_ends_the_link() {
    let (bus, mut node, topic) = subscribed().await;
    for kind in ["pubsub", "normal"] {
        bus.servers[0].cli(&["client", "kill", "type", kind]);
        node.link(Link::Down).await;
        node.link(Link::Up).await;
        node.publish(&topic, b"x").await;
        assert_eq!(node.message().await.1, "x");
    }
}

#[tokio::test]
async fn many_subscribe_at_once() {
    let (bus, mut node, _) = subscribed().await;
    let topics: Vec<_> = (0..10_000).map(|n| Topic::new(&["many", &n.to_string()])).collect();
    let all = join_all(topics.iter().map(|topic| node.broker.subscribe(topic)));
    let answers = timeout(Duration::from_secs(5), all).await.expect("it takes too long");
    assert!(answers.iter().all(Result::is_ok));
    node.publish(&topics[9999], b"x").await;
    assert_eq!(node.message().await.0, topics[9999]);
    // All of them stand again when the link is up again.
    bus.servers[0].cli(&["client", "kill", "type", "pubsub"]);
    node.link(Link::Down).await;
    node.link(Link::Up).await;
    node.publish(&topics[0], b"y").await;
    assert_eq!(node.message().await.0, topics[0]);
}

#[tokio::test]
async fn topics_that_come_and_go_are_as_they_were_left() {
    let (bus, mut node, topic) = subscribed().await;
    for _ in 0..100 {
        node.broker.unsubscribe(&topic);
        node.broker.subscribe(&topic).await.unwrap();
    }
    node.publish(&topic, b"x").await;
    assert_eq!(node.message().await.1, "x");
    node.broker.unsubscribe(&topic);
    node.broker.subscribe(&Topic::new(&["b"])).await.unwrap();
    assert_eq!(bus.servers[0].cli(&["pubsub", "channels"]), "b\n");
}

#[tokio::test]
async fn a_full_inbox_drops_the_link() {
    let (bus, _, topic) = subscribed().await;
    let mut small = connect(&bus.settings, 1000);
    small.link(Link::Up).await;
    small.broker.subscribe(&topic).await.unwrap();
    // The link may go down before Redis has answered all of them.
    let _ = small.broker.publish(&vec![(topic.clone(), Bytes::from_static(&[0; 100])); 20]).await;
    small.link(Link::Down).await;
    small.link(Link::Up).await;
    small.publish_until_taken(&topic, b"").await;
    assert_eq!(small.message().await.0, topic);
}

#[tokio::test]
async fn a_server_may_come_late_and_the_inbox_ends_with_the_broker() {
    let mut bus = start().await;
    bus.servers[0].kill();
    let mut node = bus.connect().await;
    let topic = Topic::new(&["a"]);
    assert_eq!(node.broker.subscribe(&topic).await, Err(Error::Down));
    assert!(bus.servers[0].again().await);
    assert_eq!(node.next().await, fanfare::broker::Incoming::Link(Link::Up));
    node.publish(&topic, b"x").await;
    assert_eq!(node.message().await.1, "x");
    drop(node.broker);
    assert_eq!(timeout(PATIENCE, node.inbox.next()).await, Ok(None));
}
