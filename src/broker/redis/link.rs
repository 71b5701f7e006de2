//! One session after the other, for ever.

use super::super::{Error, Feed, Link, Topic};
use super::plan::Plan;
use super::session::Session;
use super::topics::Topics;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};

/// Between two attempts to connect at most, jitter not counted.
const MAX_PAUSE: Duration = Duration::from_millis(400);
/// A session that lasted so long is no reason to wait before the next.
const LASTING: Duration = Duration::from_secs(1);
/// How often failure to connect is told again.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// What the task that connects and those who use the connection know together.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    topics: Topics,
    /// While the link is up.
    session: Option<Arc<Session>>,
}

impl Shared {
    /// The connections, if the link is up.
    pub(super) fn session(&self) -> Result<Arc<Session>, Error> {
        self.state.lock().session()
    }

    /// Wants a topic. Nothing to wait for if it stands.
    pub(super) fn subscribe(&self, topic: &Topic) -> Result<Option<oneshot::Receiver<Result<(), Error>>>, Error> {
        let mut state = self.state.lock();
        let answer = state.topics.want(topic);
        state.session()?;
        self.changed.notify_one();
        Ok(answer)
    }

    pub(super) fn unsubscribe(&self, topic: &Topic) {
        self.state.lock().topics.unwant(topic);
        self.changed.notify_one();
    }

    /// Rounds until all that is wanted stands. What was refused last, if something was.
    async fn settle(&self, session: &Session) -> Result<Option<String>, Error> {
        let mut refused = None;
        loop {
            let Some(round) = self.state.lock().topics.round() else { return Ok(refused) };
            let answers = session.round(round).await?;
            let mut state = self.state.lock();
            for (topic, answer) in answers {
                if let Err(Error::Refused(text)) = &answer {
                    refused = Some(text.clone());
                }
                state.topics.settle(&topic, &answer);
            }
        }
    }

    /// Serves until the session is over, and says why it is.
    async fn serve(&self, session: &Session, plan: &Plan) -> String {
        let rounds = async {
            loop {
                self.changed.notified().await;
                match self.settle(session).await {
                    Ok(_) => {}
                    Err(Error::Refused(text)) => session.fault().set(&text),
                    Err(Error::Down) => return,
                }
            }
        };
        tokio::select! {
            biased;
            cause = session.fault().wait() => return cause,
            () = rounds => {}
            () = session.probe() => {}
            () = plan.superseded(&session.first) => session.fault().set("the Sentinels name another master"),
        }
        session.fault().wait().await
    }
}

impl State {
    fn session(&self) -> Result<Arc<Session>, Error> {
        self.session.clone().filter(|session| !session.fault().is_set()).ok_or(Error::Down)
    }
}

/// How to mend what Redis complains of, where a setting does.
fn hint(cause: &str) -> &'static str {
    match cause {
        _ if cause.contains("WRONGPASS") || cause.contains("NOAUTH") => {
            "; check redis.username and redis.password (REDIS_USERNAME, REDIS_PASSWORD, or those in the URL)"
        }
        _ if cause.contains("NOPERM") || cause.contains("No permissions") => {
            "; the ACL user needs the channels and keys below cluster.prefix: see \"Several servers\" in the README"
        }
        _ => "",
    }
}

/// Connects, serves, and connects anew.
pub(super) async fn run(shared: Arc<Shared>, plan: Plan, feed: Feed) {
    let target = plan.target();
    let mut known = Vec::new();
    let mut failures = 0;
    let mut told: Option<Instant> = None;
    loop {
        sleep(pause(failures)).await;
        failures += 1;
        let session = match begin(&shared, &plan, &feed, &mut known).await {
            Ok(session) => session,
            Err(cause) => {
                if told.is_none_or(|told| told.elapsed() > TELL_AGAIN) {
                    told = Some(Instant::now());
                    tracing::warn!("cannot connect to {target}, trying on: {cause}{}", hint(&cause));
                }
                continue;
            }
        };
        tracing::info!("connected to {target}");
        let since = Instant::now();
        let cause = shared.serve(&session, &plan).await;
        {
            let mut state = shared.state.lock();
            state.session = None;
            state.topics.fall();
            feed.link(Link::Down);
        }
        tracing::warn!("lost {target}, connecting anew: {cause}");
        told = None;
        if since.elapsed() > LASTING {
            failures = 0;
        }
    }
}

/// Opens a session in which every subscription stands, and tells that the link is up.
async fn begin(
    shared: &Shared,
    plan: &Plan,
    feed: &Feed,
    known: &mut Vec<redis::ConnectionInfo>,
) -> Result<Arc<Session>, String> {
    let session = Arc::new(plan.open(feed, known).await?);
    shared.state.lock().topics.fall();
    if session.check().await.is_err() {
        return Err(session.fault().wait().await);
    }
    loop {
        match shared.settle(&session).await {
            Ok(None) => {}
            Ok(Some(text)) | Err(Error::Refused(text)) => {
                session.fault().set(&text);
                return Err(text);
            }
            Err(Error::Down) => return Err(session.fault().wait().await),
        }
        let mut state = shared.state.lock();
        if state.topics.settled() {
            state.session = Some(session.clone());
            feed.link(Link::Up);
            return Ok(session);
        }
    }
}

/// How long to wait before the next attempt, after so many that failed: the first is made at once.
fn pause(failures: u32) -> Duration {
    let pause = match failures {
        0 => return Duration::ZERO,
        n => (Duration::from_millis(25) * (1 << n.min(6))).min(MAX_PAUSE),
    };
    // Without randomness all nodes come at the same time, which Redis survives.
    pause.mul_f64(1.0 + f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX) / 4.0)
}
