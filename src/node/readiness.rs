//! Whether new connections should come to this node.

use super::Node;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is on its way out, and so keeps a node from being ready.
#[derive(Debug, Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    /// Takes note that the node is about to stop: from now on it is not ready, however its bus is.
    pub fn begin_drain(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the node is about to stop.
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Node {
    /// What is known of the node's stopping.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Why new connections should not come here, a sentence each; nothing if they may.
    pub fn unready(&self) -> Vec<String> {
        let bus = self.link().filter(|link| !link.is_up);
        let bus =
            bus.map(|link| format!("the link to the bus ({}) is down since {} s", link.bus, link.since.as_secs()));
        let drain = self.readiness.is_draining().then(|| "the server is stopping".to_owned());
        drain.into_iter().chain(bus).collect()
    }
}
