//! Which kinds of events endpoints want to hear of. Pure.

use crate::app::{App, EventKind};
use crate::hub::Change;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Kinds that are told in turns.
pub(super) const CHANNELS: [EventKind; 2] = [EventKind::ChannelOccupied, EventKind::ChannelVacated];
pub(super) const MEMBERS: [EventKind; 2] = [EventKind::MemberAdded, EventKind::MemberRemoved];
pub(super) const COUNTS: [EventKind; 1] = [EventKind::SubscriptionCount];
pub(super) const MISSES: [EventKind; 1] = [EventKind::CacheMiss];
const SAID: [EventKind; 1] = [EventKind::ClientEvent];

/// Apps that have webhooks, by id.
pub(super) type Configured = BTreeMap<String, Arc<App>>;

/// Those of `apps` that have webhooks.
pub(super) fn told<'a>(apps: impl Iterator<Item = &'a Arc<App>>) -> Configured {
    apps.filter(|app| !app.webhooks.is_empty()).map(|app| (app.id.clone(), app.clone())).collect()
}

/// The kinds of events that a change may lead to.
pub(super) fn kinds(change: &Change) -> &'static [EventKind] {
    match change {
        Change::Occupied | Change::Vacated => &CHANNELS,
        Change::MemberAdded(_) | Change::MemberRemoved(_) => &MEMBERS,
        Change::Counted(_) => &COUNTS,
        Change::Missed | Change::Filled => &MISSES,
    }
}

/// The kinds that are told in turns with this one, itself included.
pub(super) fn turns(kind: EventKind) -> &'static [EventKind] {
    match kind {
        EventKind::ChannelOccupied | EventKind::ChannelVacated => &CHANNELS,
        EventKind::MemberAdded | EventKind::MemberRemoved => &MEMBERS,
        EventKind::SubscriptionCount => &COUNTS,
        EventKind::CacheMiss => &MISSES,
        EventKind::ClientEvent => &SAID,
    }
}

/// Whether any endpoint is told of one of `kinds` on the channel.
pub(super) fn want(app: &App, kinds: &[EventKind], channel: &str) -> bool {
    let is_on = |kind: EventKind| kind != EventKind::SubscriptionCount || app.features.subscription_counts;
    kinds.iter().any(|kind| is_on(*kind) && app.webhooks.wanting(*kind, channel).next().is_some())
}
