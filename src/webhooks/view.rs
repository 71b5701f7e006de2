//! What a node knows of the others: whether it hears them, and knows who is there. Pure: time is a parameter.

use crate::protocol::NodeId;
use std::time::{Duration, Instant};

/// How long a node waits for others to be heard of once its link is up: longer than any of them is silent.
const WAIT: Duration = Duration::from_secs(3);
/// Longer than a node is silent that is there.
const DEAD: Duration = Duration::from_secs(12);
/// It waits so long for nodes of which it is not known yet who is there.
const WAIT_FOR_ALL: Duration = Duration::from_secs(30);

/// What the cluster knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Whether other nodes can be heard.
    pub is_up: bool,
    /// The other nodes, and whether all that is so on them is known.
    pub others: Vec<(NodeId, bool)>,
}

/// The other nodes.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    view: View,
    most: usize,
    up: Option<Instant>,
    /// Since when somebody is not known.
    unknown: Option<Instant>,
}

impl Neighbours {
    /// Takes note of which nodes there are, and how large an entry of the log may be.
    pub(super) fn see(&mut self, view: View, most: usize, now: Instant) {
        self.up = self.up.or(Some(now)).filter(|_| view.is_up);
        self.unknown = self.unknown.or(Some(now)).filter(|_| view.others.iter().any(|(_, is_known)| !is_known));
        (self.view, self.most) = (view, most);
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.is_some()
    }

    /// How large an entry may be.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn sees(&self, node: NodeId) -> bool {
        self.view.others.iter().any(|(seen, _)| *seen == node)
    }

    /// Whether something holds for all of them.
    pub(super) fn all(&self, holds: impl Fn(NodeId) -> bool) -> bool {
        self.view.others.iter().all(|(node, _)| holds(*node))
    }

    /// Whether it is known who is there on all nodes, and on those that take part in something.
    pub(super) fn are_known(&self, nodes: &[u64], now: Instant) -> bool {
        let is_unknown = self.unknown.is_some_and(|since| now < since + WAIT_FOR_ALL);
        let is_missing = nodes.iter().any(|node| !self.sees(NodeId(*node)));
        self.up.is_some_and(|up| now >= up + WAIT) && !is_unknown && !is_missing
    }

    /// Those of the nodes that are gone.
    pub(super) fn missing<'a>(&self, nodes: &'a [u64], now: Instant) -> impl Iterator<Item = u64> + use<'a, '_> {
        let is_sure = self.up.is_some_and(|up| now >= up + DEAD);
        nodes.iter().copied().filter(move |node| is_sure && !self.sees(NodeId(*node)))
    }
}
