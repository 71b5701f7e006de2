//! What is told of this server as a whole: who was refused, requests, the bus, and webhooks.

use super::families::{Labels, Page};
use crate::app::App;
use crate::metrics::Counter;
use crate::node::{Node, Webhooks};
use std::fmt::Result;

/// What is not told of an app.
const NONE: Labels<'static, 0> = [];

/// Writes the families of the server.
pub(super) fn write(node: &Node, page: &mut Page<'_>) -> Result {
    let counted = node.metrics();
    page.gauge("fanfare_build_info", "1, with the version.", [([("version", &*node.identity().version)], 1_u64)])?;
    page.counter(
        "fanfare_connections_refused",
        "WebSockets that were closed right after their handshake, by reason.",
        counted.refused.all().map(|(reason, n)| ([("reason", reason)], n)),
    )?;
    page.counter(
        "fanfare_api_requests",
        "Requests to the HTTP API that were answered, by what they were for.",
        counted.requests.all().map(|(route, status, n)| ([("route", route), ("status", status)], n)),
    )?;
    bus(node, page)?;
    webhooks(node, page)
}

/// The other servers.
fn bus(node: &Node, page: &mut Page<'_>) -> Result {
    let (link, counted) = (node.link(), node.metrics());
    let up = link.map(|link| (NONE, u64::from(link.is_up)));
    page.gauge("fanfare_bus_up", "Whether the bus can be reached; only where there is one.", up)?;
    let faults = [
        ("gap", &counted.bus_gaps_total),
        ("lost", &counted.bus_lost_total),
        ("dropped", &counted.bus_dropped_total),
        ("malformed", &counted.bus_malformed_total),
        ("refused", &counted.bus_refused_total),
    ];
    page.counter(
        "fanfare_bus_faults",
        "What went wrong between servers: news missed and asked for (gap), events lost in an outage (lost) or because \
         more came than was handed out (dropped), messages that made no sense (malformed), and events that the bus \
         refused.",
        faults.map(|(kind, counter)| ([("kind", kind)], counter.get())),
    )?;
    let nodes = node.nodes().len();
    page.gauge("fanfare_nodes", "Servers that act as one, as far as this one knows, itself included.", [(NONE, nodes)])
}

/// What back ends are told. Of apps without endpoints nothing.
fn webhooks(node: &Node, page: &mut Page<'_>) -> Result {
    let counted = node.metrics();
    let told = |webhooks: &Webhooks, app: &App| (app.id.clone(), webhooks.health(&app.id));
    let apps = node.apps().into_iter().filter(|app| !app.webhooks.is_empty());
    let apps: Vec<_> = node.webhooks().map(|hooks| apps.map(|app| told(hooks, &app)).collect()).unwrap_or_default();
    page.counter(
        "fanfare_webhook_attempts",
        "Requests to endpoints of webhooks, by how they ended.",
        apps.iter().flat_map(|(app, health)| {
            let outcomes = [("success", health.attempts - health.failures), ("failure", health.failures)];
            outcomes.map(|(outcome, n)| ([("app", &**app), ("outcome", outcome)], n))
        }),
    )?;
    page.gauge(
        "fanfare_webhooks_waiting",
        "Events that wait for endpoints.",
        apps.iter().map(|(app, health)| ([("app", &**app)], health.waiting)),
    )?;
    page.gauge(
        "fanfare_webhooks_oldest_seconds",
        "How long the oldest of them has waited.",
        apps.iter().map(|(app, health)| ([("app", &**app)], health.oldest.as_secs_f64())),
    )?;
    let fates = [
        ("delivered", node.webhooks().map_or(0, Webhooks::delivered)),
        ("dead", counted.webhook_dead_total.get()),
        ("forgotten", counted.webhook_forgotten_total.get()),
        ("dropped", counted.webhook_dropped_total.get()),
    ];
    page.counter(
        "fanfare_webhook_events",
        "What became of events for webhooks: taken by endpoints (delivered), given up (dead), dead letters that were \
         too many to keep (forgotten), and client events that were too many to take note of (dropped).",
        fates.map(|(fate, n): (_, u64)| ([("fate", fate)], n)),
    )?;
    let failures = Counter::get(&counted.webhook_journal_failures_total);
    page.counter("fanfare_webhook_journal_failures", "Times that the journal could not be written.", [(NONE, failures)])
}
