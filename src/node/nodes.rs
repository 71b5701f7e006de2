//! The nodes that act as one, as this one sees them.

use super::{Node, Stats};
use crate::app::App;
use crate::cluster::{About, Cluster, Health, Identity, LinkState, Seen};
use crate::protocol::NodeId;
use std::time::{Duration, Instant, SystemTime};

/// A node.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Its id.
    pub id: NodeId,
    /// Whether it is the one that tells this.
    pub is_here: bool,
    /// What it says about itself; nothing yet, if it has only just been heard of.
    pub about: Option<About>,
    /// How long ago it was heard last.
    pub silent: Duration,
    /// Whether all that is so on it is known here.
    pub is_known: bool,
    /// How long ago it was started.
    pub uptime: Option<Duration>,
}

impl Node {
    /// Who this node is.
    pub fn identity(&self) -> &Identity {
        &self.me
    }

    /// The link to the bus; `None` where there is only one node.
    pub fn link(&self) -> Option<LinkState> {
        self.cluster.as_ref().map(Cluster::link)
    }

    /// All nodes, this one first.
    pub fn nodes(&self) -> Vec<NodeStatus> {
        let Identity { id, name, version, started } = self.me.clone();
        let health = self.link().map_or(Health::default(), |link| link.health);
        let about = Some(About { name, version, started, health });
        let others = self.cluster.as_ref().map(Cluster::others).unwrap_or_default();
        let here = (Seen { id, about, heard: Instant::now(), is_known: true }, Duration::ZERO);
        let now = SystemTime::now();
        let status = |(seen, silent): (Seen, _)| NodeStatus {
            is_here: seen.id == id,
            uptime: seen.about.as_ref().map(|about| now.duration_since(about.started).unwrap_or_default()),
            id: seen.id,
            about: seen.about,
            silent,
            is_known: seen.is_known,
        };
        [here].into_iter().chain(others).map(status).collect()
    }

    /// What the app adds up to on all nodes together.
    pub fn stats(&self, app: &App) -> Stats {
        self.hub(app).stats_everywhere(Instant::now())
    }

    /// What the app adds up to on each node, this one first. What other nodes say may be 2 s old.
    pub fn stats_by_node(&self, app: &App) -> Vec<(NodeId, Stats)> {
        let hub = self.hub(app);
        let mut stats = vec![(self.me.id, hub.stats(Instant::now()))];
        stats.extend(hub.stats_elsewhere());
        stats
    }
}
