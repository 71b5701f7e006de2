//! Nodes that act as one and follow their configuration one after the other.

use crate::support::{Receiver, Request, app, connect, eventually, occupied};
use fanfare::app::{App, Endpoint, Endpoints, EventKind};
use fanfare::broker::{Broker, Inbox, memory};
use fanfare::cluster::Settings;
use fanfare::config::{self, Config};
use fanfare::server::{Bus, Server};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::pending;
use std::path::PathBuf;

/// Of a node whose app has these endpoints.
fn config(endpoints: &[Endpoint]) -> Config {
    let server = config::Server { host: "127.0.0.1".to_owned(), port: 0, ..config::Server::default() };
    let mut app = App { webhooks: Endpoints::new(endpoints.to_vec()), ..app() };
    app.features.private_webhook_targets = true;
    let mut config = Config::new(server, vec![app]);
    config.webhooks.journal = PathBuf::new();
    config
}

/// How often each event was told.
fn told(requests: &[Request]) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for event in requests.iter().flat_map(Request::events) {
        *told.entry(event.to_string()).or_default() += 1;
    }
    told
}

/// Each of these once.
fn once(events: impl IntoIterator<Item = Value>) -> BTreeMap<String, usize> {
    events.into_iter().map(|event| (event.to_string(), 1)).collect()
}

#[tokio::test]
async fn nodes_that_get_their_endpoints_one_after_the_other_tell_everything_once() {
    let bus = memory::Bus::default();
    let mut servers = Vec::new();
    for _ in 0..3 {
        let config = config(&[]);
        let (feed, inbox) = Inbox::new(config.cluster.inbox_bytes);
        let (broker, settings) = (Broker::Memory(bus.connect(feed)), Settings::from(&config.cluster));
        servers.push(Server::bind(config, Some(Bus { broker, inbox, settings })).await.unwrap());
    }
    let addresses: Vec<_> = servers.iter().map(|server| server.local_addr().unwrap()).collect();
    let nodes: Vec<_> = servers.iter().map(|server| (server.node().clone(), server.running())).collect();
    let run = servers.into_iter().map(|server| server.run(pending::<()>));
    let run = futures_util::future::join_all(run);

    let test = async {
        let (stays, comes) = (Receiver::start(), Receiver::start());
        let kinds = [EventKind::ChannelOccupied];
        let (one, both) = ([stays.endpoint(&kinds)], [stays.endpoint(&kinds), comes.endpoint(&kinds)]);
        eventually("they know each other", || nodes.iter().all(|(node, _)| node.nodes().len() == 3)).await;
        let mut clients = Vec::new();
        for address in addresses {
            clients.push(connect(address.into()).await);
        }
        for n in 0..12 {
            clients[n % 3].subscribe(&format!("before-{n}")).await;
        }
        assert!(nodes.iter().all(|(node, _)| node.webhooks().is_none()), "nobody is told anything");

        // Everything that is so is told, whoever knows of it first.
        for (_, running) in &nodes {
            running.configure(config(&one)).await;
        }
        let before = once((0..12).map(|n| occupied(&format!("before-{n}"))));
        stays.until("what was before", |requests| told(requests) == before).await;

        // Another one comes while things happen.
        for (n, (_, running)) in nodes.iter().enumerate() {
            clients[0].subscribe(&format!("while-{n}")).await;
            running.configure(config(&both)).await;
        }
        let after = (0..12).map(|n| format!("after-{n}"));
        for (n, channel) in after.clone().enumerate() {
            clients[n % 3].subscribe(&channel).await;
        }
        let meanwhile = once((0..3).map(|n| occupied(&format!("while-{n}"))));
        let after = once(after.map(|channel| occupied(&channel)));
        let all: BTreeMap<_, _> = before.into_iter().chain(meanwhile).chain(after.clone()).collect();
        stays.until("everything", |requests| told(requests) == all).await;
        comes.until("what was after", |requests| after.keys().all(|event| told(requests).contains_key(event))).await;
        assert!(told(&comes.requests()).values().all(|count| *count == 1));
    };
    tokio::select! {
        _ = run => unreachable!("nobody stops them"),
        () = test => {}
    }
}
