//! What becomes of channels on all nodes, as this one sees it, and whether it is the one that speaks for them.

use super::{Change, Node};
use crate::app::App;
use crate::cluster::Cluster;
use crate::protocol::ChannelName;

impl Node {
    /// Whether this node speaks for a channel where only one may: the only node, or the channel's home among several.
    pub fn is_home(&self, app: &App, channel: &ChannelName) -> bool {
        self.cluster.as_ref().is_none_or(|cluster: &Cluster| cluster.is_home(&app.id, channel))
    }

    /// Logs what has become of channels since the last time.
    pub(super) fn log_transitions(&self) {
        for hub in self.hubs.values() {
            let app = hub.app();
            let (transitions, dropped) = hub.transitions();
            for transition in transitions {
                let (what, user) = match &transition.change {
                    Change::Occupied => ("channel occupied", None),
                    Change::Vacated => ("channel vacated", None),
                    Change::MemberAdded(user) => ("member added", Some(user.as_str())),
                    Change::MemberRemoved(user) => ("member removed", Some(user.as_str())),
                };
                let home = self.is_home(app, &transition.channel);
                tracing::debug!(app.id = app.id, channel.name = %transition.channel, user.id = user, home, "{what}");
            }
            if dropped > 0 {
                tracing::debug!(app.id = app.id, dropped, "more has become of channels than is logged");
            }
        }
    }
}
