//! The bus between nodes of one process.

use super::bus::{Bus, Node};
use super::scenarios::topic;
use fanfare::broker::{Broker, Error, Inbox, Position, memory};

#[derive(Default)]
struct InProcess(memory::Bus);

impl Bus for InProcess {
    async fn connect(&self) -> Node {
        let (feed, inbox) = Inbox::new(64 << 20);
        Node { broker: Broker::Memory(self.0.connect(feed)), inbox }
    }

    async fn cut(&mut self, node: &Node) {
        memory(node).cut();
    }

    async fn mend(&mut self, node: &Node) {
        memory(node).mend();
    }
}

fn memory(node: &Node) -> &memory::Memory {
    match &node.broker {
        Broker::Memory(memory) => memory,
        #[cfg(any(feature = "nats", feature = "redis"))]
        other => panic!("not a node of this bus: {other:?}"),
    }
}

super::scenarios::on!(async { InProcess::default() });
super::scenarios::on!(async { InProcess::default() }, a_long_log_loses_its_oldest);

#[tokio::test]
async fn an_entry_that_is_too_large_is_refused() {
    let node = InProcess(memory::Bus::bounded(3)).connect().await;
    let append = async |entry: &'static str| node.broker.append(&topic("log"), &entry.into()).await;
    assert_eq!(append("abc").await, Ok(()));
    assert!(matches!(append("abcd").await, Err(Error::Refused(_))));
    assert_eq!(node.entries(&topic("log"), Position::default()).await.len(), 1);
}
