//! The log that all nodes share.

use super::*;
use tokio::time::timeout;

async fn read(node: &Node, from: (u64, u64)) -> Vec<(NodeId, Bytes)> {
    let entries = node.cluster.read(from).await.expect("it can be read");
    entries.into_iter().map(|(_, from, bytes)| (from, bytes)).collect()
}

#[tokio::test(start_paused = true)]
async fn every_node_reads_who_has_appended_what_and_hears_of_it() {
    let [a, b, c] = three().await;
    let heard = b.cluster.noted();
    for (node, text) in [(&a, "one"), (&b, "two"), (&a, "three")] {
        assert!(node.cluster.append(Bytes::from_static(text.as_bytes())).await);
    }
    timeout(Duration::from_secs(1), heard).await.expect("it hears of it");
    let expect = [(1, "one"), (2, "two"), (1, "three")].map(|(node, text)| (NodeId(node), text.into()));
    for node in [&a, &b, &c] {
        assert_eq!(read(node, (0, 0)).await, expect);
    }
    let entries = c.cluster.read((0, 0)).await.unwrap();
    assert_eq!(read(&c, entries[1].0).await, expect[1..]);
    a.link.cut();
    assert!(!a.cluster.append("x".into()).await && a.cluster.read((0, 0)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_strangers_append_says_nothing_and_has_its_place() {
    let bus = Bus::default();
    let [a, stranger] = [(1, Some("key")), (2, Some("another"))].map(|(id, key)| Node::start(&bus, id, key));
    eventually("the links are up", || a.cluster.is_up() && stranger.cluster.is_up()).await;
    for node in [&stranger, &a] {
        assert!(node.cluster.append("x".into()).await);
    }
    assert_eq!(read(&a, (0, 0)).await, [(NodeId(0), Bytes::new()), (NodeId(1), "x".into())]);
}
