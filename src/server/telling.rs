//! Hands on to webhooks what becomes of channels.

use crate::node::{Change, News, Node, Transition, Webhooks};
use std::future::poll_fn;

/// For as long as the node runs. Waits while much waits to be told already; what happens meanwhile the hubs hold, or say
/// that they could not.
pub(super) async fn tell(node: &Node, webhooks: &Webhooks) {
    loop {
        poll_fn(|cx| node.poll_transitions(cx)).await;
        tell_all(node, webhooks).await;
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
