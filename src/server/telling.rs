//! Starts webhooks once there is an endpoint, and hands on to them what becomes of channels.

use crate::cluster::Cluster;
use crate::config;
use crate::node::{Change, Gap, News, Node, Transition, Webhooks};
use crate::webhooks::{Actor, Entry, Told, View, Wish};
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks at which nodes there are.
const LOOK: Duration = Duration::from_millis(250);

/// Starts webhooks, once: a server without endpoints has no task for them, and no journal.
#[derive(Debug)]
pub(super) struct Start {
    is_clustered: bool,
    /// Whether another process may still have the journal.
    takes_over: bool,
    /// Where what was started goes; `None` once it is.
    started: Option<oneshot::Sender<Started>>,
    /// How it was started, without its endpoints.
    settings: config::Webhooks,
    /// Whether how channels stand is to be told.
    asked: Arc<Notify>,
}

/// What is to run.
#[derive(Debug)]
struct Started {
    actor: Box<Actor>,
    /// What webhooks say to those of other nodes.
    wishes: Option<mpsc::UnboundedReceiver<Wish>>,
}

/// What tells webhooks, once they are started.
#[derive(Debug)]
pub(super) struct Telling {
    started: oneshot::Receiver<Started>,
    asked: Arc<Notify>,
    /// They end with it.
    tasks: JoinSet<()>,
}

impl Start {
    /// Nothing is started yet.
    pub(super) fn new(is_clustered: bool, takes_over: bool) -> (Self, Telling) {
        let (start, started) = oneshot::channel();
        let asked = Arc::<Notify>::default();
        let telling = Telling { started, asked: asked.clone(), tasks: JoinSet::new() };
        let settings = config::Webhooks::default();
        (Self { is_clustered, takes_over, started: Some(start), settings, asked }, telling)
    }

    /// Starts webhooks, which begin with those of `apps`, unless they are started. Fails on settings that could never work.
    pub(super) fn start(&mut self, node: &Node, settings: &config::Webhooks, apps: Vec<Told>) -> Result<(), String> {
        if self.started.is_none() {
            return Ok(());
        }
        let (log, wishes) = self.is_clustered.then(mpsc::unbounded_channel).unzip();
        let metrics = node.metrics().clone();
        let (webhooks, actor) = Webhooks::new(node.identity().id, settings, apps, metrics, log)?;
        node.tell_by(webhooks);
        self.settings = without_endpoints(settings);
        // Nothing runs any more if the server stops.
        let _ = self
            .started
            .take()
            .map(|start| start.send(Started { actor: actor.taking_over(self.takes_over).into(), wishes }));
        Ok(())
    }

    /// What webhooks were started with, without their endpoints; `None` if they are not.
    pub(super) fn settings(&self) -> Option<&config::Webhooks> {
        self.started.is_none().then_some(&self.settings)
    }

    /// Tells the apps that the node has now; how channels stand of those that `ask`.
    pub(super) async fn configure(&self, node: &Node, ask: &[String]) {
        let Some(webhooks) = node.webhooks() else { return };
        webhooks.configure(told(node)).await;
        // Now there is somebody who waits to hear it.
        ask.iter().for_each(|app| node.ask_standing(app));
        self.asked.notify_one();
    }
}

/// The node's apps, each with where it is told what happens in it.
pub(super) fn told(node: &Node) -> Vec<Told> {
    node.apps().into_iter().map(|app| (app.clone(), node.feed(&app))).collect()
}

/// Endpoints are each app's as well.
pub(super) fn without_endpoints(settings: &config::Webhooks) -> config::Webhooks {
    config::Webhooks { endpoints: Vec::new(), ..settings.clone() }
}

impl Telling {
    /// For as long as the node runs, once webhooks are started. Waits while much waits to be told already; what happens
    /// meanwhile the hubs hold, or say that they could not.
    pub(super) async fn run(&mut self, node: &Node, cluster: Option<&Cluster>) {
        match (&mut self.started).await {
            Ok(started) => self.spawn(started, node, cluster),
            // Nobody can start them.
            Err(_) => pending().await,
        }
        let Some(webhooks) = node.webhooks() else { return };
        loop {
            tokio::select! {
                () = poll_fn(|cx| node.poll_transitions(cx)) => {}
                // Hubs of new apps were not polled.
                () = self.asked.notified() => {}
            }
            tell_all(node, webhooks).await;
        }
    }

    /// Starts what was to be started just before the stop.
    pub(super) fn finish(&mut self, node: &Node, cluster: Option<&Cluster>) {
        if let Ok(started) = self.started.try_recv() {
            self.spawn(started, node, cluster);
        }
    }

    fn spawn(&mut self, Started { actor, wishes }: Started, node: &Node, cluster: Option<&Cluster>) {
        self.tasks.spawn(actor.run());
        if let (Some(cluster), Some(wishes), Some(webhooks)) = (cluster, wishes, node.webhooks()) {
            self.tasks.spawn(follow(cluster.clone(), webhooks.clone(), wishes));
        }
    }
}

/// Does what webhooks ask of the log that nodes share, and tells them which nodes there are. For as long as the node runs.
async fn follow(cluster: Cluster, webhooks: Webhooks, mut wishes: mpsc::UnboundedReceiver<Wish>) {
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
        if let Some((gap, standing)) = standing {
            if gap == Gap::Dropped {
                tracing::warn!(
                    app.id = app,
                    "more has become of channels than webhooks could be made of: looking at all of them"
                );
            }
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
