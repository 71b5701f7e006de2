//! What is told of each app. The label `app` is its id.

use super::families::Page;
use crate::hub::{Gauges, Hub};
use crate::metrics::{AppMetrics, Counter};
use crate::node::Node;
use std::fmt::Result;
use std::sync::Arc;

/// An app with what there is of it now.
type Look<'a> = (&'a str, &'a AppMetrics, Gauges);

/// One of the numbers that there are at a moment.
type Number = fn(&Gauges) -> usize;

/// Writes the families of apps.
pub(super) fn write(node: &Node, page: &mut Page<'_>) -> Result {
    let mut hubs: Vec<(String, Arc<Hub>)> = node
        .hubs()
        .into_iter()
        .filter(|hub| hub.is_shut().is_none() || hub.connections() > 0)
        .map(|hub| (hub.app().id.clone(), hub))
        .collect();
    hubs.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let apps: Vec<Look<'_>> = hubs.iter().map(|(app, hub)| (&**app, hub.metrics(), hub.gauges())).collect();
    now(&apps, page)?;
    ended(&apps, page)?;
    events(&apps, page)
}

/// What there is at the moment.
fn now(apps: &[Look<'_>], page: &mut Page<'_>) -> Result {
    let families: [(&str, &str, Number); 5] = [
        ("fanfare_connections", "Connections.", |now| now.connections),
        ("fanfare_subscriptions", "Subscriptions of these connections.", |now| now.subscriptions),
        ("fanfare_channels", "Channels that these connections are subscribed to.", |now| now.channels),
        ("fanfare_presence_members", "Members of presence channels, for each channel that they are in.", |now| {
            now.members
        }),
        ("fanfare_outbox_bytes", "Bytes that wait to be written to connections.", |now| now.waiting_bytes),
    ];
    families.into_iter().try_for_each(|(name, help, number)| {
        page.gauge(name, help, apps.iter().map(|(app, _, now)| ([("app", *app)], number(now))))
    })
}

/// How connections come and go.
fn ended(apps: &[Look<'_>], page: &mut Page<'_>) -> Result {
    count(apps, page, "fanfare_connections_opened", "Connections that were taken in.", |app| &app.connections_total)?;
    page.counter(
        "fanfare_connections_closed",
        "Connections that ended, by the reason: what the server closed them for, client_gone or write_timeout.",
        apps.iter().flat_map(|(app, counted, _)| {
            let others = [("client_gone", &counted.gone_total), ("write_timeout", &counted.closed_over_deadline_total)];
            let others = others.map(|(reason, counter)| (reason, counter.get()));
            counted.closed.all().chain(others).map(|(reason, n)| ([("app", *app), ("reason", reason)], n))
        }),
    )?;
    page.counter(
        "fanfare_slow_consumers",
        "Connections that did not read fast enough: too many bytes waited for them, or one write took too long.",
        apps.iter().flat_map(|(app, counted, _)| {
            let causes = [("bytes", &counted.closed_over_bytes_total), ("time", &counted.closed_over_deadline_total)];
            causes.map(|(cause, counter)| ([("app", *app), ("cause", cause)], counter.get()))
        }),
    )
}

/// What clients and back ends say, and how it reaches connections.
fn events(apps: &[Look<'_>], page: &mut Page<'_>) -> Result {
    count(apps, page, "fanfare_messages_received", "Messages that clients sent.", |app| &app.messages_total)?;
    page.counter(
        "fanfare_events_published",
        "Events published on this server, once for each channel, through the API or by clients.",
        apps.iter().flat_map(|(app, counted, _)| {
            let sources = [("api", &counted.published_total), ("client", &counted.client_events_total)];
            sources.map(|(source, counter)| ([("app", *app), ("source", source)], counter.get()))
        }),
    )?;
    let help = "Events queued for connections, once for each connection.";
    count(apps, page, "fanfare_deliveries", help, |app| &app.deliveries_total)?;
    page.times(
        "fanfare_delivery_latency_seconds",
        "From publishing an event, or hearing it from another server, until it was written to a connection. Counted \
         once for each batch of events that a connection is written, with the oldest of them.",
        apps.iter().map(|(app, counted, _)| ([("app", *app)], counted.latency.read())),
    )?;
    page.counter(
        "fanfare_rate_limited",
        "What was refused because there was too much of its kind in a time.",
        apps.iter()
            .flat_map(|(app, counted, _)| counted.limited.all().map(|(kind, n)| ([("app", *app), ("kind", kind)], n))),
    )?;
    let help = "Last events of cache channels forgotten early, because cache_bytes was reached.";
    count(apps, page, "fanfare_cache_forgotten", help, |app| &app.cache_forgotten_total)
}

fn count(apps: &[Look<'_>], page: &mut Page<'_>, name: &str, help: &str, of: fn(&AppMetrics) -> &Counter) -> Result {
    page.counter(name, help, apps.iter().map(|(app, counted, _)| ([("app", *app)], of(counted).get())))
}
