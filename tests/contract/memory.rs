//! The bus between nodes of one process.

use super::bus::{Bus, Node};
use fanfare::broker::{Broker, Inbox, memory};

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
