//! Tells back ends what happens: decides what is worth telling, and posts it to the apps' endpoints until they have taken
//! it (spec section 6).
//!
//! What is decided is written to a journal, then waits in one queue for each endpoint, from which one task sends it in
//! order. What an endpoint does not take in time becomes a dead letter, which can be replayed. Among several nodes it is
//! first appended to a log that they share, and all of them do the same.
//!
//! An `actor` is the task. Its `office` is the `desk`, which decides and keeps a `book` for each app of how channels are
//! `standing`, and the `log`. All of that is pure: what happens are `op`s, and what an op does is in `steps`. What is
//! `configured` is each node's own. A `sender` for each endpoint of the `directory` empties its `queue`: a `request` by a `deliver`y, again by its `schedule`, past the `guard`.
//!
//! Must not know: the bus, sockets of clients, or how the hub finds out what happens.

mod actor;
mod book;
mod configured;
mod deliver;
mod desk;
mod directory;
mod entry;
mod event;
mod guard;
mod home;
mod journal;
mod log;
mod office;
mod op;
mod queue;
mod request;
mod saying;
mod schedule;
mod sender;
mod standing;
mod states;
mod steps;
#[cfg(test)]
mod tests;
mod view;
mod wanted;

use crate::app::{App, Endpoint, EventKind};
use crate::feed::Feed;
use crate::hub::Transition;
use crate::metrics::Metrics;
use crate::protocol::NodeId;
pub use actor::Actor;
use arc_swap::ArcSwap;
pub use book::Dead;
use deliver::Trust;
use directory::Directory;
pub use entry::{Entry, Wish};
pub use event::{ClientEvent, Event, EventId};
use journal::Claim;
pub use queue::{Attempt, Health};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
pub use view::View;

/// What may wait for the task, in messages.
const INPUTS: usize = 4096;
/// Between two looks whether everything is sent that can be before a stop.
const LOOK: Duration = Duration::from_millis(10);
/// How long the last lines of the journal may take.
const LAST_WRITE: Duration = Duration::from_millis(500);
/// How long an answer of the task may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The webhooks of all apps. Clones are the same.
#[derive(Clone, Debug)]
pub struct Webhooks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inputs: mpsc::Sender<Input>,
    /// Replaced by the task alone.
    directory: ArcSwap<Directory>,
    metrics: Arc<Metrics>,
}

/// What the task is told.
#[derive(Debug)]
enum Input {
    /// These are the apps from now on, each with where it is told what happens in it.
    Configured(Vec<Told>),
    /// This has become of an app's channels.
    Changed { app: String, transitions: Vec<Transition> },
    /// So all of an app's channels stand.
    Stand { app: String, channels: Vec<(String, usize, Vec<String>)> },
    /// A client said something.
    Said { app: String, channel: String, said: ClientEvent },
    /// An endpoint has taken events.
    Taken { app: String, endpoint: String, events: Vec<EventId> },
    /// An endpoint has not taken events in time.
    GivenUp { app: String, endpoint: String, events: Vec<EventId>, why: String },
    /// There is more in the log that other nodes share.
    Noted,
    /// Whether the bus has taken what was to be appended to it.
    Appended(bool),
    /// What was read in it, if it could be.
    Read(Option<Vec<Entry>>),
    /// So the cluster stands, and so large may be an entry of the log.
    View(View, usize),
    /// Somebody asks for an app's dead letters.
    Dead(String, oneshot::Sender<Vec<(String, Dead)>>),
    /// Somebody wants dead letters sent after all.
    Replay { app: String, endpoint: Option<String>, events: Option<Vec<EventId>>, reply: oneshot::Sender<usize> },
    /// Another process may take over what ends here.
    HoldEndings,
    /// Nothing more is decided.
    Stop,
    /// Everything is to be written, and nothing more to be sent if this is the last time.
    Written(oneshot::Sender<()>, bool),
}

/// An app, and where it is told what happens in it.
pub type Told = (Arc<App>, Arc<Feed>);

/// How an endpoint does, and what it is told of.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its id.
    pub id: String,
    /// What it is told of.
    pub endpoint: Endpoint,
    /// How it does.
    pub health: Health,
    /// The last attempts, oldest first.
    pub log: Vec<Attempt>,
    /// Dead letters that are kept for it.
    pub dead: usize,
}

/// The task is not there, or has no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the webhooks do not answer; the server is starting, stopping or overloaded: try again")]
pub struct Silent;

impl Webhooks {
    /// Those of `apps` on the node `me`, and the task that does the work. Among nodes that act as one, what is asked of the
    /// log that they share goes to `log`. Fails on settings that could never work.
    pub fn new(
        me: NodeId,
        settings: &crate::config::Webhooks,
        apps: Vec<Told>,
        metrics: Arc<Metrics>,
        log: Option<mpsc::UnboundedSender<Wish>>,
    ) -> Result<(Self, Actor), String> {
        let tls = trusted(settings)?;
        let path = &settings.journal;
        let claim = match path.as_os_str().is_empty() {
            true => None,
            false => Some(Claim::new(path).map_err(|error| {
                let path = path.display();
                format!(
                    "webhooks.journal is {path}, which cannot be written ({error}): name a file in a folder that this user \
                     may write to, or \"\" for none"
                )
            })?),
        };
        let (inputs, received) = mpsc::channel(INPUTS);
        let directory = ArcSwap::from_pointee(Directory::default().of(apps, now()));
        let webhooks = Self(Arc::new(Shared { inputs, directory, metrics }));
        let actor = Actor::new(&webhooks, me, settings, tls, claim, received, log);
        Ok((webhooks, actor))
    }

    /// Tells of these apps from now on. What waits for endpoints that stay goes on waiting, and what waits for others waits
    /// for them to come back. How channels stand of apps that want to hear more than before is to be told next.
    pub async fn configure(&self, apps: Vec<Told>) {
        self.tell(Input::Configured(apps)).await;
    }

    /// Takes note of what has become of an app's channels.
    pub async fn changed(&self, app: &str, transitions: Vec<Transition>) {
        self.tell(Input::Changed { app: app.to_owned(), transitions }).await;
    }

    /// Takes note of how all of an app's channels stand: each with the number of its subscribers, and its members.
    pub async fn stand(&self, app: &str, channels: Vec<(String, usize, Vec<String>)>) {
        self.tell(Input::Stand { app: app.to_owned(), channels }).await;
    }

    /// Takes note that there is more in the log.
    pub async fn noted(&self) {
        self.tell(Input::Noted).await;
    }

    /// Takes note whether the bus has taken what was to be appended to the log. If not it may be there all the same.
    pub async fn appended(&self, done: bool) {
        self.tell(Input::Appended(done)).await;
    }

    /// Takes note of what was read in the log, which is nothing at its end; `None` if it could not be read.
    pub async fn read(&self, entries: Option<Vec<Entry>>) {
        self.tell(Input::Read(entries)).await;
    }

    /// Takes note of which nodes there are, and how large an entry of the log may be.
    pub async fn view(&self, view: View, most: usize) {
        self.tell(Input::View(view, most)).await;
    }

    /// Whether any endpoint of the app wants to hear what clients say on the channel.
    pub fn want_client_events(&self, app: &str, channel: &str) -> bool {
        // Asked for every client event: nothing is counted for it.
        let directory = self.0.directory.load();
        directory.app(app).is_some_and(|app| app.webhooks.wanting(EventKind::ClientEvent, channel).next().is_some())
    }

    /// Takes note of what a client said. It never waits: what comes while too much waits is dropped, and counted.
    pub fn said(&self, app: &str, channel: &str, said: ClientEvent) {
        let input = Input::Said { app: app.to_owned(), channel: channel.to_owned(), said };
        if self.0.inputs.try_send(input).is_err() && self.0.metrics.webhook_dropped_total.add(1).is_multiple_of(10_000)
        {
            tracing::error!(app.id = app, "client events are dropped: more come than webhooks can be made of");
        }
    }

    /// The endpoints of an app and how they do.
    pub async fn status(&self, app: &str) -> Result<Vec<Status>, Silent> {
        let dead = self.dead(app).await?;
        let now = now();
        let directory = self.directory();
        let Some(app) = directory.app(app) else { return Ok(Vec::new()) };
        let status = |(id, endpoint): (&str, &Endpoint)| {
            let queue = directory.queue(&(app.id.clone(), id.to_owned()))?;
            Some(Status {
                id: id.to_owned(),
                endpoint: endpoint.clone(),
                health: queue.health(now),
                log: queue.log(),
                dead: dead.iter().filter(|(of, _)| of == id).count(),
            })
        };
        Ok(app.webhooks.iter().filter_map(status).collect())
    }

    /// Events that endpoints have taken, of all apps, whether they are still there or not.
    pub fn delivered(&self) -> u64 {
        self.directory().delivered(now())
    }

    /// How the endpoints of an app do, added up: of what waits for any of them, the oldest. Those that are gone count as well,
    /// so that no number goes backwards.
    pub fn health(&self, app: &str) -> Health {
        let (now, directory) = (now(), self.directory());
        let of = directory.queues().filter(|((of, _), _)| of == app);
        of.map(|(_, queue)| queue.health(now)).fold(Health::default(), |all, one| Health {
            waiting: all.waiting + one.waiting,
            oldest: all.oldest.max(one.oldest),
            attempts: all.attempts + one.attempts,
            failures: all.failures + one.failures,
            delivered: all.delivered + one.delivered,
            paused: all.paused || one.paused,
        })
    }

    /// The dead letters of an app, each with the id of its endpoint, oldest first.
    pub async fn dead(&self, app: &str) -> Result<Vec<(String, Dead)>, Silent> {
        self.ask(|reply| Input::Dead(app.to_owned(), reply)).await
    }

    /// Sends dead letters of an app after all: those of one endpoint, or of all, and some of them, or all. How many there
    /// were.
    pub async fn replay(
        &self,
        app: &str,
        endpoint: Option<String>,
        events: Option<Vec<EventId>>,
    ) -> Result<usize, Silent> {
        self.ask(|reply| Input::Replay { app: app.to_owned(), endpoint, events, reply }).await
    }

    /// Decides no endings from now on, if the next process finds in the journal what back ends know: who ends here may have
    /// gone there, and it tells of those who have not.
    pub async fn hold_endings(&self) {
        self.tell(Input::HoldEndings).await;
    }

    /// Decides nothing more, and sends what waits, for as long as that works and `within` allows. What is left waits in
    /// the journal.
    pub async fn stop(&self, within: Duration) {
        let end = now() + within;
        let begun = async {
            self.tell(Input::Stop).await;
            self.written(false).await;
        };
        // A disk may hang.
        let _ = timeout(within, begun).await;
        while now() < end && !self.directory().queues().all(|(_, queue)| queue.is_at_rest(now())) {
            sleep(LOOK).await;
        }
        let _ = timeout(LAST_WRITE, self.written(true)).await;
    }

    /// Waits until the task has done all that it was told before.
    async fn written(&self, is_last: bool) {
        let (reply, answer) = oneshot::channel();
        self.tell(Input::Written(reply, is_last)).await;
        let _ = answer.await;
    }

    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Result<T, Silent> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.tell(input(reply)).await;
            answer.await
        };
        timeout(PATIENCE, asked).await.map_err(|_| Silent)?.map_err(|_| Silent)
    }

    fn directory(&self) -> Arc<Directory> {
        self.0.directory.load_full()
    }

    /// Waits while much waits already. Without the task nothing is done any more.
    async fn tell(&self, input: Input) {
        let _ = self.0.inputs.send(input).await;
    }
}

/// Whether [`Webhooks::new`] could do as `settings` say, as far as that can be told without writing anything.
pub fn examine(settings: &crate::config::Webhooks) -> Result<(), String> {
    trusted(settings)?;
    let folder = settings.journal.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        None => Ok(()),
        Some(folder) => {
            let (journal, folder) = (settings.journal.display(), folder.display());
            Err(format!("webhooks.journal is {journal}, and {folder} is no folder: make it, or name another file"))
        }
    }
}

/// Whom senders trust: the authorities in a file, or the public ones.
fn trusted(settings: &crate::config::Webhooks) -> Result<Trust, String> {
    let Some(file) = &settings.tls_ca_file else { return deliver::trust(None) };
    let wrong = |why: String| {
        format!("webhooks.tls_ca_file is {}: {why}; name a file with certificates in PEM", file.display())
    };
    let ca = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    deliver::trust(Some(&ca)).map_err(wrong)
}

/// The time by the runtime's clock, which tests can wind.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Milliseconds since 1970.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
