//! The task that keeps the desk: takes in what happens, writes down what was decided, and then has it sent.

use super::deliver::Courier;
use super::desk::{Desk, Job, Now, Rules};
use super::directory::Key;
use super::journal::{Claim, Journal};
use super::office::{Office, Orders};
use super::op::Op;
use super::schedule::Schedule;
use super::sender::Sender;
use super::{Input, Told, Webhooks, Wish, unix_ms};
use crate::config::Webhooks as Settings;
use crate::protocol::NodeId;
use rustls::ClientConfig;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

/// What is taken in before anything is written.
const TAKEN: usize = 256;
/// Between two tries to have the journal that another process has.
const TRY_AGAIN: Duration = Duration::from_millis(250);
/// How long the disk may take.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// Longer than there is ever nothing to do.
const LONG: Duration = Duration::from_secs(60);
/// Between two complaints about the journal.
const COMPLAIN_AGAIN: Duration = Duration::from_secs(60);

/// The task.
#[derive(Debug)]
pub struct Actor {
    webhooks: Webhooks,
    office: Office,
    inputs: mpsc::Receiver<Input>,
    /// Where the log that other nodes share is asked for something.
    log: Option<mpsc::UnboundedSender<Wish>>,
    /// Who waits until everything is said and written.
    written: Vec<oneshot::Sender<()>>,
    journal: Writing,
    /// Whether the journal is of another state, and is to be made anew before anything is appended.
    renew: bool,
    /// Where senders trust whom, and when they try again.
    tls: Arc<ClientConfig>,
    timeout: Duration,
    schedule: Schedule,
    senders: JoinSet<Key>,
    /// The endpoints that have one; it ends once it has noticed that its endpoint is gone.
    sending: HashSet<Key>,
    /// Whether another process may have the journal until it has ended.
    takes_over: bool,
    /// When what was complained of last.
    complained: HashMap<String, Instant>,
    /// Whether what is to be sent waits, as was logged last.
    paused: Option<bool>,
}

#[derive(Debug)]
enum Writing {
    /// There is no journal.
    Never,
    /// The journal is not had yet.
    Waiting(Option<Claim>),
    /// It is open, unless it is being written.
    Open(Option<Journal>),
}

impl Actor {
    pub(super) fn new(
        webhooks: &Webhooks,
        me: NodeId,
        settings: &Settings,
        tls: ClientConfig,
        claim: Option<Claim>,
        inputs: mpsc::Receiver<Input>,
        log: Option<mpsc::UnboundedSender<Wish>>,
    ) -> Self {
        let rules = Rules {
            debounce: settings.debounce(),
            queue_bytes: settings.queue_bytes,
            dead_letters: settings.dead_letters,
        };
        let desk = Desk::new(me, rules, webhooks.directory().apps());
        let journal = claim.map_or(Writing::Never, |claim| Writing::Waiting(Some(claim)));
        let office = Office::new(desk, me, log.is_none(), super::now());
        let mut actor = Self {
            webhooks: webhooks.clone(),
            office,
            inputs,
            log,
            written: Vec::new(),
            journal,
            renew: false,
            tls: tls.into(),
            timeout: settings.timeout(),
            schedule: Schedule::new(&settings.retry_after_secs, settings.retry_for()),
            senders: JoinSet::new(),
            sending: HashSet::new(),
            takes_over: false,
            complained: HashMap::new(),
            paused: None,
        };
        actor.send();
        actor
    }

    /// One that may take the place of a process that has yet to end.
    pub fn taking_over(self, takes_over: bool) -> Self {
        Self { takes_over, ..self }
    }

    /// Keeps the desk for as long as the node runs.
    pub async fn run(mut self) {
        match self.journal {
            Writing::Never => self.office.begin(Vec::new(), now()),
            // Before anything is taken in: who comes and goes before this node acts is not told of.
            _ => self.open().await,
        }
        self.settle().await;
        loop {
            let due = self.office.next(super::now()).map_or(LONG, |at| at.saturating_duration_since(super::now()));
            let is_waiting = matches!(self.journal, Writing::Waiting(_));
            tokio::select! {
                () = sleep(if is_waiting { due.min(TRY_AGAIN) } else { due }) => {}
                Some(ended) = self.senders.join_next() => match ended {
                    Ok(key) => {
                        self.sending.remove(&key);
                        // The endpoint may be back.
                        self.send();
                    }
                    // The runtime ends.
                    Err(ended) if ended.is_cancelled() => {}
                    Err(ended) => {
                        tracing::error!("what sends to an endpoint of webhooks has ended: {ended:?}; restart the server");
                    }
                },
                input = self.inputs.recv() => {
                    // The handle is among what the task holds, so that there is always somebody who could say something.
                    let Some(input) = input else { return };
                    self.take(input).await;
                    for _ in 1..TAKEN {
                        let Ok(input) = self.inputs.try_recv() else { break };
                        self.take(input).await;
                    }
                }
            }
            if is_waiting {
                self.open().await;
            }
            self.office.tick(now());
            self.settle().await;
        }
    }

    /// Has every endpoint told what waits for it.
    fn send(&mut self) {
        let directory = self.webhooks.directory();
        for key in directory.keys() {
            let (Some(feed), Some(queue)) = (directory.feed(&key.0), directory.queue(&key)) else { continue };
            if !self.sending.insert(key.clone()) {
                continue;
            }
            let (app, endpoint) = key;
            let sender = Sender {
                webhooks: self.webhooks.clone(),
                app,
                endpoint,
                feed: feed.clone(),
                queue: queue.clone(),
                courier: Courier::new(self.tls.clone(), self.timeout),
                schedule: self.schedule.clone(),
            };
            // They end with the task, which holds them.
            self.senders.spawn(sender.run());
        }
    }

    fn configure(&mut self, apps: Vec<Told>) {
        let directory = Arc::new(self.webhooks.directory().of(apps, super::now()));
        self.webhooks.0.directory.store(directory.clone());
        directory.open_and_close();
        self.office.desk.configure(directory.apps());
        self.send();
    }

    async fn take(&mut self, input: Input) {
        let now = now();
        match input {
            Input::Configured(apps) => self.configure(apps),
            Input::Changed { app, transitions } => {
                transitions.iter().for_each(|transition| self.office.desk.changed(&app, transition, now));
            }
            Input::Stand { app, channels } => self.office.desk.stand(&app, channels, now),
            Input::Said { .. } if self.office.is_full() => {
                self.webhooks.0.metrics.webhook_dropped_total.add(1);
                self.complain(
                    "client events are dropped: no webhook can be made of them until the journal and the bus are had",
                );
            }
            Input::Said { app, channel, said } => self.office.desk.said(&app, &channel, &said, now),
            Input::Taken { app, endpoint, events } => self.office.desk.done(&app, &endpoint, events),
            Input::GivenUp { app, endpoint, events, why } => {
                tracing::error!(
                    app.id = app,
                    endpoint,
                    events = events.len(),
                    "webhooks were given up and are dead letters now, to be replayed: {why}"
                );
                self.webhooks.0.metrics.webhook_dead_total.add(events.len());
                self.office.desk.bury(&app, &endpoint, &events, &why, now);
            }
            // Whoever asked may be gone.
            Input::Dead(app, reply) => drop(reply.send(self.office.desk.dead(&app))),
            Input::Replay { app, endpoint, events, reply } => {
                let count = self.office.desk.replay(&app, endpoint.as_deref(), events.as_deref());
                let _ = reply.send(count);
            }
            Input::Noted => self.office.noted(super::now()),
            Input::Appended(done) => self.office.appended(done, now),
            Input::Read(entries) => self.office.read(entries, now),
            Input::View(view, most) => self.office.view(view, most, now),
            Input::HoldEndings => self.office.hold_endings(!matches!(self.journal, Writing::Never)),
            Input::Stop => self.office.stop(!matches!(self.journal, Writing::Never), now),
            Input::Written(reply, is_last) => {
                if is_last {
                    let lost = self.office.end();
                    if lost > 0 {
                        tracing::error!(
                            events = lost,
                            "client events are lost: the bus did not take them before the stop"
                        );
                        self.webhooks.0.metrics.webhook_dropped_total.add(lost);
                    }
                    self.tell_of_loss();
                }
                self.written.push(reply);
            }
        }
    }

    /// Says what ends with this process, where there is no journal and no other node knows of it.
    fn tell_of_loss(&self) {
        let now = super::now();
        let waiting: usize = self.webhooks.directory().queues().map(|(_, queue)| queue.health(now).waiting).sum();
        if waiting > 0 && self.log.is_none() && matches!(self.journal, Writing::Never) {
            tracing::error!(events = waiting, "webhooks are lost that endpoints have not taken: there is no journal");
        }
    }

    /// Opens the journal, if no other process has it.
    async fn open(&mut self) {
        let Writing::Waiting(claim) = &mut self.journal else { return };
        let Some(claim) = claim.take() else { return };
        match blocking(move || claim.open()).await {
            Ok(Ok((journal, ops))) => {
                self.journal = Writing::Open(Some(journal));
                self.office.begin(ops, now());
            }
            Ok(Err(claim)) => {
                self.journal = Writing::Waiting(Some(claim));
                let waits = "webhooks wait until another process lets go of webhooks.journal";
                if !self.takes_over {
                    self.complain(&format!("{waits}; each server needs its own"));
                } else if self.is_news(waits) {
                    tracing::info!("{waits}, as it does when it ends");
                }
            }
            Err(error) => {
                self.journal = Writing::Never;
                self.complain(&format!("the journal of webhooks cannot be read, and none is kept: {error}"));
                self.office.begin(Vec::new(), now());
            }
        }
    }

    /// Writes down what happened, and then has it told and sent.
    async fn settle(&mut self) {
        let Orders { ops, renew, wishes, reset, jobs, paused, forgotten, orphaned, overflowed, too_large } =
            self.office.take(now());
        self.webhooks.0.metrics.webhook_forgotten_total.add(forgotten);
        if forgotten > 0 {
            self.complain("dead letters were forgotten, as there are more than webhooks.dead_letters");
        }
        self.webhooks.0.metrics.webhook_dead_total.add(overflowed);
        if overflowed > 0 {
            self.complain(
                "as much as webhooks.queue_bytes allows waits for an endpoint: what comes on top of it becomes dead letters",
            );
        }
        self.webhooks.0.metrics.webhook_dead_total.add(orphaned);
        if orphaned > 0 {
            self.complain(&format!(
                "{orphaned} webhooks become dead letters that wait for endpoints which are not configured any more"
            ));
        }
        self.webhooks.0.metrics.webhook_dropped_total.add(too_large);
        if too_large > 0 {
            self.complain("webhooks are lost that the bus has no room for: raise max_payload of NATS");
        }
        self.write(ops, renew).await;
        for wish in wishes {
            let _ = self.log.as_ref().map(|log| log.send(wish));
        }
        let now = super::now();
        let directory = self.webhooks.directory();
        directory.queues().for_each(|(_, queue)| queue.pause(paused));
        if self.paused.replace(paused) != Some(paused) && self.log.is_some() {
            match paused {
                true => tracing::info!("webhooks are held back until it is known what other nodes have sent"),
                false => tracing::info!("webhooks are decided and sent"),
            }
        }
        if reset {
            directory.queues().for_each(|(_, queue)| queue.clear());
        }
        for (app, endpoint, job) in jobs {
            match (directory.queue(&(app, endpoint)), job) {
                (Some(queue), Job::Send(event)) => queue.push(event, now),
                (Some(queue), Job::Withdraw(id)) => queue.withdraw(id),
                // It waits until a node has the endpoint, or for so long that it becomes a dead letter.
                (None, _) => {}
            }
        }
        if self.office.is_said() {
            for reply in self.written.drain(..) {
                // Whoever asked may be gone.
                let _ = reply.send(());
            }
        }
    }

    /// Writes steps to the journal. If that fails everything goes on without, and it is tried again with the next ones.
    async fn write(&mut self, ops: Vec<Op>, renew: bool) {
        let Writing::Open(journal) = &mut self.journal else { return };
        let Some(mut open) = journal.take() else { return };
        let must = self.renew || renew;
        if ops.is_empty() && !must {
            self.journal = Writing::Open(Some(open));
            return;
        }
        let renewed = (must || open.is_due()).then(|| self.office.steps());
        let write = blocking(move || {
            let done = match renewed {
                Some(steps) => open.renew(&steps).or_else(|error| match must {
                    // What it has is not what was before `ops`.
                    true => Err(error),
                    false => open.append(&ops),
                }),
                None => open.append(&ops),
            };
            (open, done)
        });
        let Ok((open, done)) = timeout(WRITE_WITHIN, write).await else {
            self.journal = Writing::Never;
            self.webhooks.0.metrics.webhook_journal_failures_total.add(1);
            return self.complain(
                "the disk with the journal of webhooks hangs: what is decided from now on does not outlive this process; \
                 restart the server",
            );
        };
        self.renew = must && done.is_err();
        self.journal = Writing::Open(Some(open));
        if let Err(error) = done {
            self.webhooks.0.metrics.webhook_journal_failures_total.add(1);
            self.complain(&format!(
                "the journal of webhooks cannot be written: what is decided now does not outlive this process: {error}"
            ));
        }
    }

    /// Complains, but not all the time.
    fn complain(&mut self, what: &str) {
        if self.is_news(what) {
            tracing::error!("{what} (told once a minute)");
        }
    }

    /// Whether nothing of the kind was said for a while.
    fn is_news(&mut self, what: &str) -> bool {
        let now = super::now();
        // Complaints of one kind begin in the same way.
        let kind = what.chars().filter(|c| !c.is_ascii_digit()).take(30).collect();
        let is_news = self.complained.get(&kind).is_none_or(|at| now - *at >= COMPLAIN_AGAIN);
        if is_news {
            self.complained.insert(kind, now);
        }
        is_news
    }
}

fn now() -> Now {
    Now { at: super::now(), ms: unix_ms() }
}

/// Does something that waits for the disk where it delays nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime ends before the work has begun, and this task with it.
        Err(error) if error.is_cancelled() => std::future::pending().await,
        Err(error) => panic!("work on the journal does not panic: {error}"),
    }
}
