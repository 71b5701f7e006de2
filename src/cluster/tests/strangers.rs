//! What nodes say that have another key, or none.

use super::log::Log;
use super::*;

#[tokio::test(start_paused = true)]
async fn another_key_is_told_once_a_minute_on_both_sides() {
    let (log, _guard) = Log::listen();
    for other in [Some("other"), None] {
        let (bus, before) = (Bus::default(), log.lines("cluster.key"));
        let nodes = [(1, Some("key")), (2, other)].map(|(id, key)| Node::start(&bus, id, key));
        let _clients = [nodes[0].subscribe("x", None).await, nodes[1].subscribe("x", None).await];
        for (secs, told) in [(30, 2), (60, 4)] {
            sleep(Duration::from_secs(secs)).await;
            assert_eq!(log.lines("cluster.key") - before, told, "{other:?}");
        }
        nodes.iter().for_each(Node::kill);
    }
}
