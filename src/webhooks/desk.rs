//! Decides what back ends are told, and remembers what they have been told and what still waits to be sent. Pure: time is
//! a parameter.
//!
//! What is decided is a step. It is in force once it comes back through [`Desk::apply`]: at once on a node alone, by the log
//! that nodes share among several. Two nodes may decide the same; the first step changes the state, and the second nothing.

use super::book::{Book, Dead};
use super::event::{ClientEvent, Event, EventId, Matter};
use super::home::home;
use super::op::Op;
use super::standing::{Due, Fact, Standing};
use super::wanted::{CHANNELS, COUNTS, Configured, MEMBERS, kinds, told, want};
use crate::app::{App, EventKind};
use crate::hub::{Change, Transition};
use crate::protocol::NodeId;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nodes whose events are remembered to be known; of more, the longest known are forgotten.
pub(super) const MOST_NODES: usize = 1000;
/// Between two looks for what waits for endpoints that there are not.
const SWEEP: Duration = Duration::from_secs(60);

/// Events in one step, so that other nodes can be told of it.
pub(super) const PART: usize = 200;
/// The time, for what is measured and for what is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// On the monotonic clock.
    pub(super) at: Instant,
    /// Milliseconds since 1970.
    pub(super) ms: u64,
}

/// What is the same for every app.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// How long endings wait.
    pub(super) debounce: Duration,
    /// Bytes that may wait for an endpoint.
    pub(super) queue_bytes: usize,
    /// Dead letters that are kept for an endpoint.
    pub(super) dead_letters: usize,
}

/// What is to be done, and was not before.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// What was decided.
    pub(super) ops: Vec<Op>,
    /// Whether nothing of what was to be sent is to be sent any more, but for what follows.
    pub(super) reset: bool,
    /// What this node is to send, and no longer, in order: app, endpoint, and what.
    pub(super) jobs: Vec<Work>,
    /// Times that an event became a dead letter because the endpoint that it waits for is not configured any more.
    pub(super) orphaned: usize,
    /// Times that an event became a dead letter at once, as too much waits for an endpoint.
    pub(super) overflowed: usize,
    /// Dead letters that had to be forgotten.
    pub(super) forgotten: usize,
}

/// For an endpoint of an app.
pub(super) type Work = (String, String, Job);

/// What becomes of an event for an endpoint.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// This node sends it.
    Send(Arc<Event>),
    /// It does not, or not any more.
    Withdraw(EventId),
}

/// Something that is to be looked at later.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) app: String,
    pub(super) channel: String,
    pub(super) about: About,
}

#[derive(Clone, Debug)]
pub(super) enum About {
    Channel,
    Member(String),
    Count,
    Miss,
}

/// The state of all webhooks.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) me: NodeId,
    /// Of the last event that was decided here.
    number: u64,
    pub(super) rules: Rules,
    /// As this node is configured.
    pub(super) apps: Configured,
    /// By app, configured or not.
    pub(super) books: BTreeMap<String, Book>,
    /// The number of the last event known of each node.
    pub(super) heard: IndexMap<u64, u64>,
    /// The nodes that decide, each what concerns the channels whose home it is.
    pub(super) ready: BTreeSet<u64>,
    /// Nodes that decide nothing more, and send what they have to.
    pub(super) leaving: BTreeSet<u64>,
    /// Whether this node may be one of them.
    acts: bool,
    /// Whether it decides no endings any more.
    holds: bool,
    later: BTreeMap<(Instant, u64), Key>,
    timers: u64,
    sweep: Option<Instant>,
    pub(super) out: Output,
}

impl Desk {
    /// Of the webhooks of `apps`, on the node `me`, which does not act yet.
    pub(super) fn new<'a>(me: NodeId, rules: Rules, apps: impl Iterator<Item = &'a Arc<App>>) -> Self {
        Self {
            me,
            number: 0,
            rules,
            apps: told(apps),
            books: BTreeMap::new(),
            heard: IndexMap::new(),
            ready: BTreeSet::new(),
            leaving: BTreeSet::new(),
            acts: false,
            holds: false,
            later: BTreeMap::new(),
            timers: 0,
            sweep: None,
            out: Output::default(),
        }
    }

    /// What there is to do since the last time.
    pub(super) fn take(&mut self) -> Output {
        std::mem::take(&mut self.out)
    }

    /// The nodes that have something to decide or to send.
    pub(super) fn nodes(&self) -> impl Iterator<Item = u64> {
        self.ready.iter().chain(&self.leaving).copied()
    }

    /// Whether this node is among those that decide.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.contains(&self.me.0)
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes note of what became of a channel.
    pub(super) fn changed(&mut self, app: &str, transition: &Transition, now: Now) {
        let Transition { channel, change } = transition;
        if !self.wants(app, kinds(change), channel.as_str()) {
            return;
        }
        let channel = channel.as_str();
        let book = self.books.entry(app.to_owned()).or_default();
        let standing = book.channels.entry(channel.to_owned()).or_default();
        let about = match change {
            Change::Occupied | Change::Vacated => {
                standing.occupied.set(*change == Change::Occupied, now.at);
                About::Channel
            }
            Change::MemberAdded(user) | Change::MemberRemoved(user) => {
                let is = matches!(change, Change::MemberAdded(_));
                standing.members.entry(user.as_str().to_owned()).or_default().set(is, now.at);
                About::Member(user.as_str().to_owned())
            }
            Change::Counted(count) => {
                standing.count.set(*count);
                About::Count
            }
            Change::Missed => {
                standing.miss.set(now.ms);
                About::Miss
            }
            Change::Filled => {
                if standing.miss.fill() {
                    self.out.ops.push(Op::Filled { app: app.to_owned(), channel: channel.to_owned() });
                }
                About::Miss
            }
        };
        self.look(app, channel, &about, now);
    }

    /// Takes note that this is how all of an app's channels stand: some changes were not heard of.
    pub(super) fn stand(&mut self, app: &str, channels: Vec<(String, usize, Vec<String>)>, now: Now) {
        let Some(config) = self.apps.get(app) else { return };
        let book = self.books.entry(app.to_owned()).or_default();
        let there: BTreeMap<_, _> = channels
            .into_iter()
            .map(|(name, count, users)| (name, (count, users.into_iter().collect::<HashSet<_>>())))
            .collect();
        for name in there.keys() {
            book.channels.entry(name.clone()).or_default();
        }
        let nobody = (0, HashSet::new());
        for (name, standing) in &mut book.channels {
            let (count, users) = there.get(name).unwrap_or(&nobody);
            let wants = |kinds: &[EventKind]| want(config, kinds, name);
            if wants(&CHANNELS) {
                standing.occupied.set(there.contains_key(name), now.at);
            }
            if wants(&COUNTS) && !name.starts_with("presence-") {
                standing.count.set(*count);
            }
            if wants(&MEMBERS) {
                for (user, member) in &mut standing.members {
                    member.set(users.contains(user), now.at);
                }
                for user in users {
                    standing.members.entry(user.clone()).or_default().set(true, now.at);
                }
            }
        }
        self.look_at_all(now);
    }

    /// Tells of what a client said.
    pub(super) fn said(&mut self, app: &str, channel: &str, said: &ClientEvent, now: Now) {
        if self.wants(app, &[EventKind::ClientEvent], channel) {
            self.tell(app, channel, &Matter::Said(said), now);
        }
    }

    /// Takes note that an endpoint has taken events.
    pub(super) fn done(&mut self, app: &str, endpoint: &str, events: Vec<EventId>) {
        self.out.ops.push(Op::Done { app: app.to_owned(), endpoint: endpoint.to_owned(), events });
    }

    /// Gives events up.
    pub(super) fn bury(&mut self, app: &str, endpoint: &str, events: &[EventId], why: &str, now: Now) {
        for events in events.chunks(PART) {
            let (app, endpoint, why) = (app.to_owned(), endpoint.to_owned(), why.to_owned());
            self.out.ops.push(Op::Dead { app, endpoint, events: events.to_vec(), at_ms: now.ms, why });
        }
    }

    /// Sends dead letters after all: those of the endpoint, or of all, and those `events`, or all. How many there were.
    pub(super) fn replay(&mut self, app: &str, endpoint: Option<&str>, events: Option<&[EventId]>) -> usize {
        let Some(book) = self.books.get(app) else { return 0 };
        let mut ops = Vec::new();
        // Of an endpoint that is not there any more they could not be sent, and stay.
        for (of, letters) in book.dead.iter().filter(|(of, _)| self.has(app, of)) {
            let ids = letters.iter().map(|dead| dead.event.id);
            let asked = |id: &EventId| events.is_none_or(|events| events.contains(id));
            let ids: Vec<_> = ids.filter(|id| endpoint.is_none_or(|endpoint| endpoint == of) && asked(id)).collect();
            let op = |part: &[EventId]| Op::Replay { app: app.to_owned(), endpoint: of.clone(), events: part.to_vec() };
            ops.extend(ids.chunks(PART).map(|part| (part.len(), op(part))));
        }
        let count = ops.iter().map(|(count, _)| count).sum();
        self.out.ops.extend(ops.into_iter().map(|(_, op)| op));
        count
    }

    /// The dead letters of an app, each with the id of its endpoint, oldest first.
    pub(super) fn dead(&self, app: &str) -> Vec<(String, Dead)> {
        let book = self.books.get(app);
        let all = book.iter().flat_map(|book| &book.dead);
        let mut all: Vec<_> =
            all.flat_map(|(endpoint, letters)| letters.iter().map(|dead| (endpoint.clone(), dead.clone()))).collect();
        all.sort_by_key(|(_, dead)| (dead.event.time_ms, dead.event.id));
        all
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Now) {
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now.at) {
            let Key { app, channel, about } = entry.remove();
            let standing = self.books.get_mut(&app).and_then(|book| book.channels.get_mut(&channel));
            let Some(standing) = standing else { continue };
            match &about {
                About::Channel => standing.occupied.looked(),
                About::Member(user) => standing.members.get_mut(user).into_iter().for_each(Fact::looked),
                About::Count => standing.count.looked(),
                About::Miss => standing.miss.tidy(now.at),
            }
            self.look(&app, &channel, &about, now);
        }
        if self.sweep.is_none_or(|at| at <= now.at) {
            self.sweep = Some(now.at + SWEEP);
            self.bury_orphans(now);
        }
    }

    /// Decides from now on what it is to decide, or no longer.
    pub(super) fn act(&mut self, acts: bool, now: Now) {
        if std::mem::replace(&mut self.acts, acts) != acts && acts {
            self.look_at_all(now);
        }
    }

    /// Takes note that what was decided and is not in force yet never will be.
    pub(super) fn give_up(&mut self, now: Now) {
        let mut given_up = Vec::new();
        for (app, book) in &mut self.books {
            let asked =
                book.channels.iter_mut().filter_map(|(channel, standing)| standing.give_up().then_some(channel));
            given_up.extend(asked.map(|channel| (app.clone(), channel.clone())));
        }
        given_up.iter().for_each(|(app, channel)| self.look_at_channel(app, channel, now));
    }

    /// Decides no endings from now on: who ends here may be at the next process, which knows what back ends know.
    pub(super) fn hold(&mut self) {
        self.holds = true;
    }

    /// Tells at once of what ends and waits to be told: the next start will not know of it.
    pub(super) fn hurry(&mut self, now: Now) {
        self.holds = false;
        self.rules.debounce = Duration::ZERO;
        self.look_at_all(now);
    }

    /// Looks at everything.
    pub(super) fn look_at_all(&mut self, now: Now) {
        let names = |(app, book): (&String, &Book)| {
            book.channels.keys().map(|name| (app.clone(), name.clone())).collect::<Vec<_>>()
        };
        let all: Vec<_> = self.books.iter().flat_map(names).collect();
        all.iter().for_each(|(app, channel)| self.look_at_channel(app, channel, now));
    }

    pub(super) fn look_at_channel(&mut self, app: &str, channel: &str, now: Now) {
        let Some(standing) = self.books.get(app).and_then(|book| book.channels.get(channel)) else { return };
        let members: Vec<_> = standing.members.keys().cloned().map(About::Member).collect();
        let all = [About::Channel].into_iter().chain(members).chain([About::Count, About::Miss]);
        all.for_each(|about| self.look(app, channel, &about, now));
    }

    /// Tells what is due about a channel, or sees to it that it is looked at again.
    pub(super) fn look(&mut self, app: &str, channel: &str, about: &About, now: Now) {
        let (acts, holds, debounce) = (self.acts, self.holds, self.rules.debounce);
        let decides = acts && self.home(app, channel) == Some(self.me.0);
        let Some(standing) = self.standing_mut(app, channel) else { return };
        let Standing { occupied, members, count, miss } = standing;
        let is_ending = match about {
            About::Channel => !occupied.is(),
            About::Member(user) => members.get(user).is_some_and(|fact| !fact.is()),
            About::Count => count.is() < count.told(),
            About::Miss => false,
        };
        let due = match about {
            _ if holds && is_ending => Due::Never,
            // Who found nothing is known only here.
            About::Miss if acts && miss.is_due() => Due::Now,
            About::Miss => Due::Never,
            _ if !decides => Due::Never,
            About::Channel => occupied.due(now.at, debounce),
            About::Member(user) => members.get_mut(user).map_or(Due::Never, |fact| fact.due(now.at, debounce)),
            About::Count => count.due(now.at),
        };
        let (is_there, has_come) =
            (occupied.is(), matches!(about, About::Member(user) if members.get(user).is_some_and(Fact::is)));
        let last = count.is();
        match due {
            Due::Never => {}
            Due::At(at) => {
                let key = Key { app: app.to_owned(), channel: channel.to_owned(), about: about.clone() };
                self.later(at, key);
            }
            Due::Now => match about {
                About::Channel if is_there => self.tell(app, channel, &Matter::Plain(EventKind::ChannelOccupied), now),
                About::Channel => {
                    self.tell_of_leaving(app, channel, now);
                    self.tell(app, channel, &Matter::Plain(EventKind::ChannelVacated), now);
                }
                About::Member(user) if has_come => {
                    self.look(app, channel, &About::Channel, now);
                    self.tell(app, channel, &Matter::Member(EventKind::MemberAdded, user), now);
                }
                About::Member(user) => self.tell(app, channel, &Matter::Member(EventKind::MemberRemoved, user), now),
                About::Count => self.tell(app, channel, &Matter::Count(last), now),
                About::Miss => self.tell(app, channel, &Matter::Plain(EventKind::CacheMiss), now),
            },
        }
        let Some(book) = self.books.get_mut(app) else { return };
        if let (About::Member(user), Some(standing)) = (about, book.channels.get_mut(channel)) {
            standing.tidy(user);
        }
        book.tidy(channel);
    }

    /// Tells of members who are known to be there, of a channel that nobody is in: they left before it was vacated.
    fn tell_of_leaving(&mut self, app: &str, channel: &str, now: Now) {
        let Some(standing) = self.books.get(app).and_then(|book| book.channels.get(channel)) else { return };
        let gone = standing.members.iter().filter(|(_, fact)| fact.is_to_end());
        let gone: Vec<_> = gone.map(|(user, _)| user.clone()).collect();
        for user in gone {
            self.tell(app, channel, &Matter::Member(EventKind::MemberRemoved, &user), now);
        }
    }

    pub(super) fn later(&mut self, at: Instant, key: Key) {
        self.timers += 1;
        self.later.insert((at, self.timers), key);
    }

    /// Decides to tell something.
    fn tell(&mut self, app: &str, channel: &str, matter: &Matter<'_>, now: Now) {
        if !self.matters(app, matter.kind(), channel) {
            // Whoever wants it later hears how it is then.
            return;
        }
        self.number += 1;
        let event = matter.event(EventId { node: self.me.0, number: self.number }, app, channel, now.ms);
        let Some(config) = self.apps.get(app) else { return };
        let to: Vec<_> = config.webhooks.wanting(event.kind, channel).map(str::to_owned).collect();
        // What clients say leaves room for what only the server can say.
        let most = self.rules.queue_bytes / if event.kind == EventKind::ClientEvent { 2 } else { 1 };
        let room = most.saturating_sub(event.size());
        let is_full = |endpoint: &String| self.books.get(app).is_some_and(|book| book.waiting(endpoint) > room);
        let (full, to) = to.into_iter().partition(is_full);
        self.mark(&event, true);
        self.out.ops.push(Op::Tell { event, to, full });
    }

    /// Takes note whether it was decided to tell of something, and that is not in force yet.
    pub(super) fn mark(&mut self, event: &Event, asked: bool) {
        let Some(standing) = self.standing_mut(&event.app, &event.channel) else { return };
        match About::of(event) {
            Some(About::Channel) => standing.occupied.ask(asked),
            Some(About::Member(user)) => {
                standing.members.get_mut(&user).into_iter().for_each(|fact| fact.ask(asked));
            }
            Some(About::Count) => standing.count.ask(asked),
            Some(About::Miss) => standing.miss.ask(asked),
            None => {}
        }
    }

    fn standing_mut(&mut self, app: &str, channel: &str) -> Option<&mut Standing> {
        self.books.get_mut(app)?.channels.get_mut(channel)
    }

    /// The node that decides what back ends are told of a channel, and sends it; the same wherever the state is the same.
    pub(super) fn home(&self, app: &str, channel: &str) -> Option<u64> {
        home(self.ready.iter().copied().map(NodeId), app, channel).map(|node| node.0)
    }
}

impl About {
    /// What an event is about, if it is how a channel stands.
    pub(super) fn of(event: &Event) -> Option<Self> {
        match event.kind {
            EventKind::ChannelOccupied | EventKind::ChannelVacated => Some(Self::Channel),
            EventKind::MemberAdded | EventKind::MemberRemoved => {
                Some(Self::Member(event.user.clone().unwrap_or_default()))
            }
            EventKind::SubscriptionCount => Some(Self::Count),
            EventKind::CacheMiss => Some(Self::Miss),
            EventKind::ClientEvent => None,
        }
    }
}
