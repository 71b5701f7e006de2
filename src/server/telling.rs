//! Hands on to webhooks what becomes of channels.

use crate::cluster::Cluster;
use crate::node::{Change, News, Node, Transition, Webhooks};
use crate::webhooks::View;
use bytes::Bytes;
use std::future::poll_fn;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks at which nodes there are.
const LOOK: Duration = Duration::from_millis(250);

/// For as long as the node runs. Waits while much waits to be told already; what happens meanwhile the hubs hold, or say
/// that they could not.
pub(super) async fn tell(node: &Node, webhooks: &Webhooks) {
    loop {
        poll_fn(|cx| node.poll_transitions(cx)).await;
        tell_all(node, webhooks).await;
    }
}

/// Hands on what webhooks of this node and of others say to each other, and which nodes there are. For as long as the node
/// runs.
pub(super) async fn talk(cluster: Cluster, webhooks: Webhooks, mut said: mpsc::UnboundedReceiver<Bytes>) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(bytes) = said.recv() => cluster.memo(bytes),
            () = poll_fn(|cx| cluster.poll_memos(cx)) => {
                for (from, bytes) in cluster.memos() {
                    webhooks.heard(from, bytes).await;
                }
            }
            _ = look.tick() => {
                let others = cluster.others().into_iter().map(|(seen, _)| (seen.id, seen.is_known)).collect();
                webhooks.view(View { is_up: cluster.is_up(), others }, cluster.most_memo()).await;
            }
        }
    }
}

/// What has become of channels until now.
pub(super) async fn tell_all(node: &Node, webhooks: &Webhooks) {
    for News { app, transitions, standing } in node.transitions() {
        transitions.iter().for_each(|transition| log(&app, transition));
        webhooks.changed(&app, transitions).await;
        if let Some(standing) = standing {
            tracing::warn!(
                app.id = app,
                "more has become of channels than webhooks could be made of: looking at all of them"
            );
            webhooks.stand(&app, standing).await;
        }
    }
}

fn log(app: &str, Transition { channel, change }: &Transition) {
    let (what, user) = match change {
        Change::Occupied => ("channel occupied", None),
        Change::Vacated => ("channel vacated", None),
        Change::MemberAdded(user) => ("member added", Some(user.as_str())),
        Change::MemberRemoved(user) => ("member removed", Some(user.as_str())),
        Change::Counted(_) | Change::Missed | Change::Filled => return,
    };
    tracing::debug!(app.id = app, channel.name = %channel, user.id = user, "{what}");
}
