//! The task that keeps the desk: takes in what happens, writes down what was decided, and then has it sent.

use super::deliver::Courier;
use super::desk::{Desk, Job, Now, Output, Place, Rules, Where};
use super::joining::{Joining, Talk, ToDo, View};
use super::journal::{Claim, Journal};
use super::op::Op;
use super::schedule::Schedule;
use super::sender::Sender;
use super::{Input, Webhooks, unix_ms};
use crate::config::Webhooks as Settings;
use crate::protocol::NodeId;
use bytes::Bytes;
use rustls::ClientConfig;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

/// What is taken in before anything is written.
const TAKEN: usize = 256;
/// Between two tries to have the journal that another process has.
const TRY_AGAIN: Duration = Duration::from_millis(250);
/// Longer than there is ever nothing to do.
const LONG: Duration = Duration::from_secs(60);
/// Between two complaints about the journal.
const COMPLAIN_AGAIN: Duration = Duration::from_secs(60);

/// The task.
#[derive(Debug)]
pub struct Actor {
    webhooks: Webhooks,
    desk: Desk,
    inputs: mpsc::Receiver<Input>,
    journal: Writing,
    /// What was decided before the journal was had.
    held: Output,
    stopped: bool,
    others: Option<Others>,
    senders: JoinSet<()>,
    complained: Option<Instant>,
}

/// The other nodes that act as one with this one.
#[derive(Debug)]
struct Others {
    joining: Joining,
    say: mpsc::UnboundedSender<Bytes>,
    /// How large a message may be.
    most: usize,
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
        tls: &ClientConfig,
        claim: Option<Claim>,
        inputs: mpsc::Receiver<Input>,
        say: Option<mpsc::UnboundedSender<Bytes>>,
    ) -> Self {
        let rules = Rules {
            debounce: settings.debounce(),
            queue_bytes: settings.queue_bytes,
            dead_letters: settings.dead_letters,
        };
        let shared = &webhooks.0;
        let desk = Desk::new(me, rules, shared.apps.values());
        let couriers = [false, true].map(|open| Courier::new(tls.clone(), settings.timeout(), open));
        let schedule = Schedule::new(&settings.retry_after_secs, settings.retry_for());
        let mut senders = JoinSet::new();
        for ((app, endpoint), queue) in &shared.queues {
            let app = shared.apps[app].clone();
            let sender = Sender {
                courier: couriers[usize::from(app.features.private_webhook_targets)].clone(),
                app,
                endpoint: endpoint.clone(),
                queue: queue.clone(),
                schedule: schedule.clone(),
                outcomes: shared.inputs.clone(),
                metrics: shared.metrics.clone(),
            };
            // They end with the task, which holds them.
            senders.spawn(sender.run());
        }
        let journal = claim.map_or(Writing::Never, |claim| Writing::Waiting(Some(claim)));
        let held = Output::default();
        let (webhooks, stopped, complained) = (webhooks.clone(), false, None);
        let others = say.map(|say| Others { joining: Joining::new(me), say, most: 0 });
        Self { webhooks, desk, inputs, journal, held, stopped, others, senders, complained }
    }

    /// Keeps the desk for as long as the node runs.
    pub async fn run(mut self) {
        if matches!(self.journal, Writing::Never) {
            self.act(Vec::new());
        }
        loop {
            let joins = self.others.as_ref().map(|others| others.joining.next(super::now()));
            let due = [self.desk.next(), joins].into_iter().flatten().min();
            let due = due.map_or(LONG, |at| at.saturating_duration_since(super::now()));
            let is_waiting = matches!(self.journal, Writing::Waiting(_));
            tokio::select! {
                () = sleep(if is_waiting { due.min(TRY_AGAIN) } else { due }) => {}
                Some(ended) = self.senders.join_next() => {
                    tracing::error!("what sends to an endpoint of webhooks has ended: {ended:?}; restart the server");
                }
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
            self.look(None);
            self.desk.tick(now());
            self.settle().await;
        }
    }

    /// Looks what the other nodes call for. Not before it is known what the journal holds.
    fn look(&mut self, view: Option<View>) {
        if matches!(self.journal, Writing::Waiting(_)) {
            return;
        }
        if let Some(others) = &mut self.others {
            let to_do = others.joining.look(view, self.desk.as_of(), super::now());
            self.join(to_do);
        }
    }

    /// Does what the other nodes call for, and takes its place among them.
    fn join(&mut self, ToDo { say, ops, replace, tell }: ToDo) {
        let Some(Others { joining, say: out, most }) = &mut self.others else { return };
        let now = now();
        for op in ops {
            self.desk.hear(op, now);
        }
        if let Some((steps, meanwhile)) = replace {
            tracing::info!(steps = steps.len(), "webhooks go on from what another node knows");
            self.desk.replace(steps, meanwhile, now);
        }
        for node in tell {
            let parts = Talk::parts(self.desk.steps(), *most);
            let count = u32::try_from(parts.len()).expect("no node has that many steps");
            for (part, ops) in (0..).zip(parts) {
                let _ = out.send(Talk::All { to: node.0, part, parts: count, ops }.bytes());
            }
        }
        for talk in say {
            let _ = out.send(talk.bytes());
        }
        let place = Place { acts: joining.acts(now.at), homes: joining.homes(), live: joining.live().collect() };
        self.desk.place(place, now);
    }

    async fn take(&mut self, input: Input) {
        let now = now();
        match input {
            Input::Changed { app, transitions } => {
                transitions.iter().for_each(|transition| self.desk.changed(&app, transition, now));
            }
            Input::Stand { app, channels } => self.desk.stand(&app, channels, now),
            Input::Said { app, channel, said } => self.desk.said(&app, &channel, &said, now),
            Input::Taken { app, endpoint, events } => self.desk.done(&app, &endpoint, events, now),
            Input::GivenUp { app, endpoint, events, why } => {
                tracing::error!(
                    app.id = app,
                    endpoint,
                    events = events.len(),
                    "webhooks were given up and are dead letters now, to be replayed: {why}"
                );
                self.webhooks.0.metrics.webhook_dead_total.add(events.len());
                self.desk.bury(&app, &endpoint, events, &why, now);
            }
            // Whoever asked may be gone.
            Input::Dead(app, reply) => drop(reply.send(self.desk.dead(&app))),
            Input::Replay { app, endpoint, events, reply } => {
                let count = self.desk.replay(&app, endpoint.as_deref(), events.as_deref(), now);
                let _ = reply.send(count);
            }
            Input::Heard(from, bytes) => {
                if let (Some(others), Some(talk)) = (&mut self.others, Talk::read(&bytes)) {
                    let to_do = others.joining.hear(from, talk, now.at);
                    self.join(to_do);
                }
            }
            Input::View(view, most) => {
                self.others.iter_mut().for_each(|others| others.most = most);
                self.look(Some(view));
            }
            Input::Stop => {
                self.stopped = true;
                let mut is_alone = true;
                if let Some(Others { joining, say, .. }) = &mut self.others {
                    let _ = say.send(joining.stop(self.desk.as_of()).bytes());
                    is_alone = joining.live().next().is_none();
                }
                self.desk.stop(is_alone && matches!(self.journal, Writing::Never), now);
            }
            Input::Close(reply) => {
                self.settle().await;
                let _ = reply.send(());
            }
        }
    }

    /// Opens the journal, if no other process has it.
    async fn open(&mut self) {
        let Writing::Waiting(claim) = &mut self.journal else { return };
        let Some(claim) = claim.take() else { return };
        match blocking(move || claim.open()).await {
            Ok(Ok((journal, ops))) => {
                self.journal = Writing::Open(Some(journal));
                self.act(ops);
            }
            Ok(Err(claim)) => {
                self.journal = Writing::Waiting(Some(claim));
                self.complain(
                    "webhooks wait until another process lets go of webhooks.journal; each server needs its own",
                );
            }
            Err(error) => {
                self.journal = Writing::Never;
                self.complain(&format!("the journal of webhooks cannot be read, and none is kept: {error}"));
                self.act(Vec::new());
            }
        }
    }

    /// Begins to decide and to send, with what is known from before.
    fn act(&mut self, ops: Vec<Op>) {
        let now = now();
        ops.into_iter().for_each(|op| self.desk.apply(op, now));
        if !self.stopped && self.others.is_none() {
            self.desk.place(Place::alone(true), now);
        }
    }

    /// Writes down what happened, and then has it sent.
    async fn settle(&mut self) {
        let Output { ops, jobs, forgotten, renew } = self.desk.take();
        self.held.ops.extend(ops);
        self.held.jobs.extend(jobs);
        self.webhooks.0.metrics.webhook_forgotten_total.add(forgotten);
        if forgotten > 0 {
            self.complain("dead letters were forgotten, as there are more than webhooks.dead_letters");
        }
        if matches!(self.journal, Writing::Waiting(_)) {
            return;
        }
        let Output { ops, jobs, .. } = std::mem::take(&mut self.held);
        let here: Vec<_> = ops.iter().filter(|(_, place)| *place == Where::Here).map(|(op, _)| op.clone()).collect();
        self.write(ops.into_iter().map(|(op, _)| op).collect(), renew).await;
        self.tell_others(here);
        let now = super::now();
        let queues = &self.webhooks.0.queues;
        if !self.stopped {
            queues.values().for_each(|queue| queue.pause(!self.desk.acts()));
        }
        for (app, endpoint, job) in jobs {
            match (queues.get(&(app, endpoint)), job) {
                (Some(queue), Job::Send(event)) => queue.push(event, now),
                (Some(queue), Job::Withdraw(id)) => queue.withdraw(id),
                (None, _) => {}
            }
        }
    }

    /// Tells other nodes what happened here.
    fn tell_others(&mut self, ops: Vec<Op>) {
        let Some(Others { joining, say, most }) = &mut self.others else { return };
        if ops.is_empty() {
            return;
        }
        for part in Talk::parts(ops, *most) {
            let _ = joining.tell(part).map(|talk| say.send(talk.bytes()));
        }
    }

    /// Writes steps to the journal. If that fails everything goes on without, and it is tried again with the next ones.
    async fn write(&mut self, ops: Vec<Op>, renew: bool) {
        let Writing::Open(journal) = &mut self.journal else { return };
        let Some(mut open) = journal.take() else { return };
        let renewed = (renew || open.is_due()).then(|| self.desk.steps());
        let (open, done) = blocking(move || {
            let done = match renewed {
                Some(steps) => open.renew(&steps),
                None if ops.is_empty() => Ok(()),
                None => open.append(&ops),
            };
            (open, done)
        })
        .await;
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
        let now = super::now();
        if self.complained.is_none_or(|at| now - at >= COMPLAIN_AGAIN) {
            self.complained = Some(now);
            tracing::error!("{what} (told once a minute)");
        }
    }
}

fn now() -> Now {
    Now { at: super::now(), ms: unix_ms() }
}

/// Does something that waits for the disk where it delays nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.expect("work on the journal does not panic")
}
