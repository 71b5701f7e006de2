//! Several nodes, and when each of them knows what is so on the others.
//!
//! Three things travel between nodes: members and users, numbers, and events. Each kind arrives in the order in which it
//! was said, so one more of each, in an app that no test knows, shows that all before it have arrived.

use fanfare::app::App;
use fanfare::config::Config;
use fanfare::hub::SignIn;
use fanfare::node::{Connection, Event, Node, Pin, Subscribed};
use fanfare::protocol::command::Subscribe;
use fanfare::protocol::{ChannelName, UserId};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::time::{sleep, timeout};

/// The id of the app that no test knows.
const APP: &str = "together";
/// Longer than nodes take to find each other and to tell all.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Together {
    /// Each with the channel that it alone publishes on.
    nodes: parking_lot::Mutex<Vec<(Arc<Node>, ChannelName)>>,
    /// Keep those channels' events coming to all nodes.
    _pins: Vec<Pin>,
    /// Whether clients feel what is counted, and not only those who ask for it.
    felt: bool,
    changed: AtomicBool,
    /// Who acted last, if nothing has happened since.
    last: AtomicU64,
    asked: AtomicU64,
    known: tokio::sync::Mutex<Known>,
}

/// Up to which asking everything has arrived.
#[derive(Default)]
struct Known {
    all: u64,
    numbers: u64,
}

impl Together {
    /// Adds to a node's configuration what is needed here.
    pub(super) fn prepare(mut config: Config) -> Config {
        config.apps.push(App::new(APP, APP, APP));
        config
    }

    /// The nodes of this configuration, once all know each other.
    pub(super) async fn new(nodes: Vec<Arc<Node>>, felt: bool) -> Self {
        let nodes: Vec<_> = nodes.into_iter().zip((0..).map(|n| channel(&format!("cache-{n}")))).collect();
        let mut pins = Vec::new();
        for (node, _) in &nodes {
            for (_, channel) in &nodes {
                pins.push(node.pin(&app(node), channel).expect("it is one of several").ready().await);
            }
        }
        let together = Self {
            nodes: parking_lot::Mutex::new(nodes),
            _pins: pins,
            felt,
            changed: AtomicBool::new(false),
            last: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            known: tokio::sync::Mutex::default(),
        };
        together.settle(0, true).await;
        together
    }

    /// Whether clients feel what an app counts: by being refused, or by being told.
    pub(super) fn is_felt(config: &Config) -> bool {
        config.apps.iter().any(|app| app.limits.max_connections > 0 || app.features.subscription_count_events)
    }

    /// Takes note that something has happened that may have changed what is counted, to `actor` or to another.
    pub(super) fn changed(&self, actor: u64) {
        self.changed.store(true, Ordering::SeqCst);
        if self.last.load(Ordering::SeqCst) != actor {
            self.last.store(0, Ordering::SeqCst);
        }
    }

    /// Leaves a node out from now on.
    pub(super) fn forget(&self, node: &Arc<Node>) {
        self.nodes.lock().retain(|(known, _)| !Arc::ptr_eq(known, node));
    }

    /// Waits until everything that has been done so far is known to all; numbers, which are told a few times a second,
    /// only if they are `counted` and may have changed. An `actor` who goes on need not wait: what it did before comes
    /// before what it does next.
    pub(super) async fn settle(&self, actor: u64, counted: bool) {
        if self.last.swap(actor, Ordering::SeqCst) == actor && actor > 0 && !counted && !self.felt {
            return;
        }
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let numbers = (counted || self.felt) && self.changed.load(Ordering::SeqCst);
        let mut known = self.known.lock().await;
        if known.all >= ticket && (!numbers || known.numbers >= ticket) {
            return;
        }
        let covers = self.asked.load(Ordering::SeqCst);
        if numbers {
            self.changed.store(false, Ordering::SeqCst);
            known.numbers = covers;
        }
        let nodes = self.nodes.lock().clone();
        flush(&nodes, covers, numbers).await;
        known.all = covers;
    }
}

/// Has all nodes say something of each kind, and waits until it has arrived everywhere.
async fn flush(nodes: &[(Arc<Node>, ChannelName)], round: u64, numbers: bool) {
    if numbers {
        let (connections, mut subscriptions) = (connect(nodes), Vec::new());
        let counted = format!("numbers-{round}");
        for ((node, _), connection) in nodes.iter().zip(&connections) {
            subscriptions.push(subscribe(node, connection, &counted).await);
        }
        let counted = channel(&counted);
        let is_known = |node: &Node| node.counts(&app(node), &counted).subscriptions == nodes.len();
        until("numbers", || nodes.iter().all(|(node, _)| is_known(node))).await;
    }
    // Twice, as a node collects what is new app by app, and may have passed by the others when it comes to this one.
    for user in ["first", "second"].map(|which| UserId::new(&format!("{which}-{round}"))) {
        let connections = connect(nodes);
        for connection in &connections {
            connection.sign_in(SignIn { user: &user, watch: &[], answers: &[], at: SystemTime::now() });
        }
        let is_known =
            |node: &Node| node.user(&app(node), &user).is_some_and(|online| online.connections == nodes.len());
        until("users", || nodes.iter().all(|(node, _)| is_known(node))).await;
    }
    // Last, as an event that comes after a fact shows that the fact has been dealt with, and not only begun with.
    let data = RawValue::from_string(format!("\"{round}\"")).expect("it is JSON");
    for (node, channel) in nodes {
        node.publish(&app(node), Event { channel, name: "round", data: &data, except: None, user_id: None });
    }
    let has_come =
        |node: &Node, channel| node.cached(&app(node), channel).is_some_and(|cached| cached.data == round.to_string());
    let everywhere = |node| nodes.iter().all(|(_, channel)| has_come(node, channel));
    until("events", || nodes.iter().all(|(node, _)| everywhere(node))).await;
}

fn connect(nodes: &[(Arc<Node>, ChannelName)]) -> Vec<Connection> {
    nodes
        .iter()
        .map(|(node, _)| node.connect(&app(node), fanfare::node::Visitor::default()).expect("the app has no limit"))
        .collect()
}

fn app(node: &Node) -> Arc<App> {
    node.app(APP).expect("it was added to the configuration")
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name, 164).expect("a name that is allowed")
}

async fn subscribe(node: &Node, connection: &Connection, channel: &str) -> fanfare::hub::Subscription {
    let asked = Subscribe { channel: channel.into(), auth: None, channel_data: None };
    // Held until the connection is in.
    let mut _pin = None;
    loop {
        match node.subscribe(connection, None, &asked).expect("anybody may") {
            Subscribed::Now(subscription, _) => return subscription,
            Subscribed::Soon(pinned) => _pin = Some(pinned.ready().await),
        }
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "the nodes do not hear of each other's {what}");
}
