//! Hands on to webhooks what becomes of channels.

use crate::cluster::Cluster;
use crate::node::{Change, News, Node, Transition, Webhooks};
use crate::webhooks::{Entry, View, Wish};
use std::future::poll_fn;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
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

/// Does what webhooks ask of the log that nodes share, and tells them which nodes there are. For as long as the node runs.
pub(super) async fn follow(cluster: Cluster, webhooks: Webhooks, mut wishes: mpsc::UnboundedReceiver<Wish>) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // One of each kind at a time, as they are asked for.
    let mut asked = JoinSet::new();
    loop {
        tokio::select! {
            Some(wish) = wishes.recv() => {
                asked.spawn(fulfil(cluster.clone(), webhooks.clone(), wish));
            }
            Some(_) = asked.join_next() => {}
            () = cluster.noted() => webhooks.noted().await,
            _ = look.tick() => {
                let others = cluster.others().into_iter().map(|(seen, _)| (seen.id, seen.is_known)).collect();
                webhooks.view(View { is_up: cluster.is_up(), others }, cluster.most_entry()).await;
            }
        }
    }
}

async fn fulfil(cluster: Cluster, webhooks: Webhooks, wish: Wish) {
    match wish {
        Wish::Append(bytes) => webhooks.appended(cluster.append(bytes).await).await,
        Wish::Read(from) => {
            let entry = |(at, from, bytes)| Entry { at, from, bytes };
            let read = cluster.read(from).await;
            webhooks.read(read.map(|entries| entries.into_iter().map(entry).collect())).await;
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
