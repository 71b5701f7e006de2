//! Decides what back ends are told, and remembers what they have been told and what still waits to be sent. Pure: time is
//! a parameter, and everything that happens is a step that others can repeat.

use super::book::{Book, Dead, Open};
use super::event::{ClientEvent, Event, EventId, Matter};
use super::op::Op;
use super::place::Place;
use super::standing::{Due, Fact, MISS_PAUSE, Miss, Standing};
use crate::app::{App, EventKind};
use crate::hub::{Change, Transition};
use crate::protocol::NodeId;
use indexmap::IndexMap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nodes whose events are remembered to be known; of more, the longest known are forgotten.
pub(super) const MOST_NODES: usize = 1000;

/// Events in one step, so that other nodes can be told of it.
pub(super) const PART: usize = 200;
/// Steps among which there is still room for those that do not last.
const MOST_PASSING: usize = 10_000;
/// Events that others are told again if they do not know them.
pub(super) const MOST_RECENT: usize = 5000;

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
    /// What happened, for the journal, and, if it happened here, for other nodes.
    pub(super) ops: Vec<(Op, Where)>,
    /// What this node is to send, and no longer, in order: app, endpoint, and what.
    pub(super) jobs: Vec<(String, String, Job)>,
    /// Whether more has changed than what happened tells.
    pub(super) renew: bool,
    /// Times that an event waits for an endpoint that there is not any more: it is dropped.
    pub(super) orphaned: usize,
    /// Times that an event became a dead letter at once, as too much waits for an endpoint.
    pub(super) overflowed: usize,
    /// Dead letters that had to be forgotten.
    pub(super) forgotten: usize,
}

/// Where something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Here,
    Elsewhere,
}

/// What becomes of an event for an endpoint.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// This node sends it.
    Send(Arc<Event>),
    /// It does not, or not any more.
    Withdraw(EventId),
}

impl Job {
    /// The event that is to be sent.
    pub(super) fn event(&self) -> Option<&Arc<Event>> {
        match self {
            Self::Send(event) => Some(event),
            Self::Withdraw(_) => None,
        }
    }
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
    pub(super) number: u64,
    pub(super) rules: Rules,
    pub(super) books: BTreeMap<String, Book>,
    /// The number of the last event known of each node.
    pub(super) heard: IndexMap<u64, u64>,
    /// The last events about how channels stand, which other nodes may not have heard of.
    pub(super) recent: VecDeque<Arc<Event>>,
    /// Events of this node that were undone; another node may know of them all the same.
    pub(super) undone: VecDeque<EventId>,
    /// When the last event that is known was decided.
    pub(super) as_of: u64,
    pub(super) place: Place,
    later: BTreeMap<(Instant, u64), Key>,
    timers: u64,
    pub(super) out: Output,
}

impl Desk {
    /// Of the webhooks of `apps`, on the node `me`, which does not act yet.
    pub(super) fn new<'a>(me: NodeId, rules: Rules, apps: impl Iterator<Item = &'a Arc<App>>) -> Self {
        let books = apps.filter(|app| !app.webhooks.is_empty()).map(|app| (app.id.clone(), Book::new(app.clone())));
        Self {
            me,
            number: 0,
            rules,
            books: books.collect(),
            heard: IndexMap::new(),
            recent: VecDeque::new(),
            undone: VecDeque::new(),
            as_of: 0,
            place: Place { acts: false, homes: Vec::new(), live: Vec::new() },
            later: BTreeMap::new(),
            timers: 0,
            out: Output::default(),
        }
    }

    /// What there is to do since the last time.
    pub(super) fn take(&mut self) -> Output {
        std::mem::take(&mut self.out)
    }

    /// Steps that are to be written.
    pub(super) fn decided(&self) -> usize {
        self.out.ops.len()
    }

    /// Whether this node decides and sends.
    pub(super) fn acts(&self) -> bool {
        self.place.acts
    }

    /// When the last event that is known was decided, in milliseconds since 1970.
    pub(super) fn as_of(&self) -> u64 {
        self.as_of
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes note of what became of a channel.
    pub(super) fn changed(&mut self, app: &str, transition: &Transition, now: Now) {
        let Transition { channel, change } = transition;
        let Some(book) = self.books.get_mut(app) else { return };
        if !book.wants(pair(change), channel.as_str()) {
            return;
        }
        let channel = channel.as_str();
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
            Change::Missed | Change::Filled => {
                let (app, channel) = (app.to_owned(), channel.to_owned());
                let op = match change {
                    Change::Missed => Op::Missed { app, channel },
                    _ => Op::Filled { app, channel },
                };
                return self.do_op(op, now);
            }
        };
        self.look(app, channel, &about, now);
    }

    /// Takes note that this is how all of an app's channels stand: some changes were not heard of.
    pub(super) fn stand(&mut self, app: &str, channels: Vec<(String, usize, Vec<String>)>, now: Now) {
        let Some(book) = self.books.get_mut(app) else { return };
        let there: BTreeMap<_, _> = channels.into_iter().map(|(name, count, users)| (name, (count, users))).collect();
        for name in there.keys() {
            book.channels.entry(name.clone()).or_default();
        }
        for (name, standing) in &mut book.channels {
            let (count, users) = there.get(name).map_or((0, &[][..]), |(count, users)| (*count, users.as_slice()));
            let wants =
                |kinds: &[EventKind]| kinds.iter().any(|kind| book.app.webhooks.wanting(*kind, name).next().is_some());
            if wants(&CHANNELS) {
                standing.occupied.set(there.contains_key(name), now.at);
            }
            if wants(&COUNTS) && !name.starts_with("presence-") {
                standing.count.set(count);
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
        if self.books.get(app).is_some_and(|book| book.wants(&[EventKind::ClientEvent], channel)) {
            self.tell(app, channel, &Matter::Said(said), now);
        }
    }

    /// Takes note that an endpoint has taken events.
    pub(super) fn done(&mut self, app: &str, endpoint: &str, events: Vec<EventId>, now: Now) {
        self.do_op(Op::Done { app: app.to_owned(), endpoint: endpoint.to_owned(), events }, now);
    }

    /// Gives events up.
    pub(super) fn bury(&mut self, app: &str, endpoint: &str, events: &[EventId], why: &str, now: Now) {
        for events in events.chunks(PART) {
            let (app, endpoint, why) = (app.to_owned(), endpoint.to_owned(), why.to_owned());
            self.do_op(Op::Dead { app, endpoint, events: events.to_vec(), at_ms: now.ms, why }, now);
        }
    }

    /// Sends dead letters after all: those of the endpoint, or of all, and those `events`, or all. How many there were.
    pub(super) fn replay(&mut self, app: &str, endpoint: Option<&str>, events: Option<&[EventId]>, now: Now) -> usize {
        let Some(book) = self.books.get(app) else { return 0 };
        let mut ops = Vec::new();
        // Of an endpoint that is not there any more they could not be sent, and stay.
        let is_there = |id: &str| book.app.webhooks.iter().any(|(there, _)| there == id);
        for (of, letters) in book.dead.iter().filter(|(of, _)| is_there(of)) {
            let ids = letters.iter().map(|dead| dead.event.id);
            let asked = |id: &EventId| events.is_none_or(|events| events.contains(id));
            let ids: Vec<_> = ids.filter(|id| endpoint.is_none_or(|endpoint| endpoint == of) && asked(id)).collect();
            let op = |part: &[EventId]| Op::Replay { app: app.to_owned(), endpoint: of.clone(), events: part.to_vec() };
            ops.extend(ids.chunks(PART).map(|part| (part.len(), op(part))));
        }
        let count = ops.iter().map(|(count, _)| count).sum();
        ops.into_iter().for_each(|(_, op)| self.do_op(op, now));
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
                About::Miss => {
                    if matches!(standing.miss, Some(Miss::Told(at)) if at + MISS_PAUSE <= now.at) {
                        standing.miss = None;
                    }
                }
            }
            self.look(&app, &channel, &about, now);
        }
    }

    /// Takes its place among the nodes: decides from now on what it is to decide, and sends what it is to send.
    pub(super) fn place(&mut self, place: Place, now: Now) {
        if place == self.place {
            return;
        }
        self.place = place;
        self.move_events();
        self.look_at_all(now);
    }

    /// Decides nothing more. What ends and waits to be told is left to the next start, or told at once if that will not know
    /// of it.
    pub(super) fn stop(&mut self, is_last: bool, now: Now) {
        if is_last && self.place.acts {
            self.rules.debounce = Duration::ZERO;
            self.look_at_all(now);
        }
        self.place.acts = false;
    }

    /// Has events sent by whom they are to be sent by now.
    fn move_events(&mut self) {
        let (mut sends, mut adopts) = (Vec::new(), Vec::new());
        for (app, book) in &mut self.books {
            let moved = |open: &&Open| open.here != self.place.sends(self.me, open.owner, &open.event);
            let moved: Vec<_> = book
                .open
                .values()
                .filter(moved)
                .map(|open| (open.event.clone(), open.to.clone(), !open.here))
                .collect();
            for (event, to, here) in moved {
                book.move_to(event.id, here);
                for endpoint in to {
                    if here {
                        sends.push((app.clone(), endpoint, event.clone()));
                    } else {
                        self.out.jobs.push((app.clone(), endpoint, Job::Withdraw(event.id)));
                    }
                }
            }
            let orphans = book.open.values().filter(|open| open.here && open.owner != self.me.0);
            let orphans: Vec<_> = orphans.map(|open| open.event.id).collect();
            if self.place.acts && !orphans.is_empty() {
                adopts.push(Op::Adopt { app: app.clone(), events: orphans, node: self.me.0 });
            }
        }
        sends.sort_by_key(|(_, _, event)| (event.time_ms, event.id));
        self.out.jobs.extend(sends.into_iter().map(|(app, endpoint, event)| (app, endpoint, Job::Send(event))));
        // Who goes on with something goes on to its end, even if another node is at home there by then: what it decides
        // after that must not come before it.
        self.out.ops.extend(adopts.into_iter().map(|op| (op, Where::Here)));
        self.own();
    }

    /// Takes note that this node sends what it is to send.
    fn own(&mut self) {
        if self.place.acts {
            let open = self.books.values_mut().flat_map(|book| book.open.values_mut());
            open.filter(|open| open.here).for_each(|open| open.owner = self.me.0);
        }
    }

    /// Looks at everything.
    fn look_at_all(&mut self, now: Now) {
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
        let Some(book) = self.books.get_mut(app) else { return };
        let decides = self.place.decides(self.me, app, channel) && !book.is_abroad(channel);
        let Some(standing) = book.channels.get_mut(channel) else { return };
        let Standing { occupied, members, count, miss } = standing;
        let due = match about {
            _ if !decides => Due::Never,
            About::Channel => occupied.due(now.at, self.rules.debounce),
            About::Member(user) => {
                members.get_mut(user).map_or(Due::Never, |fact| fact.due(now.at, self.rules.debounce))
            }
            About::Count => count.due(now.at),
            About::Miss if *miss == Some(Miss::Waiting) => Due::Now,
            About::Miss => Due::Never,
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
        let gone = standing.members.iter().filter(|(_, fact)| fact.told() && !fact.is());
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
        self.number += 1;
        let event = matter.event(EventId { node: self.me.0, number: self.number }, app, channel, now.ms);
        let Some(book) = self.books.get(app) else { return };
        let to: Vec<_> = book.app.webhooks.wanting(event.kind, channel).map(str::to_owned).collect();
        let room = self.rules.queue_bytes.saturating_sub(event.size());
        let full: Vec<_> = to.iter().filter(|endpoint| book.waiting(endpoint) > room).cloned().collect();
        let id = event.id;
        self.do_op(Op::Tell { event, to }, now);
        self.out.overflowed += full.len();
        for endpoint in full {
            self.bury(app, &endpoint, &[id], "as much as may waits for the endpoint already", now);
        }
    }

    /// Does something that happened here, and has it noted.
    pub(super) fn do_op(&mut self, op: Op, now: Now) {
        // What follows from it is noted after it. What does not last is not worth much room until it can be told.
        if op.lasts() || self.out.ops.len() < MOST_PASSING {
            self.out.ops.push((op.clone(), Where::Here));
        }
        self.apply(op, now);
    }

    /// Does something that happened on another node, and has it noted.
    pub(super) fn hear(&mut self, op: Op, now: Now) {
        self.out.ops.push((op.clone(), Where::Elsewhere));
        self.apply(op, now);
    }
}

/// Kinds that are told in turns.
const CHANNELS: [EventKind; 2] = [EventKind::ChannelOccupied, EventKind::ChannelVacated];
const MEMBERS: [EventKind; 2] = [EventKind::MemberAdded, EventKind::MemberRemoved];
const COUNTS: [EventKind; 1] = [EventKind::SubscriptionCount];
const MISSES: [EventKind; 1] = [EventKind::CacheMiss];

/// The kinds of events that a change may lead to.
fn pair(change: &Change) -> &'static [EventKind] {
    match change {
        Change::Occupied | Change::Vacated => &CHANNELS,
        Change::MemberAdded(_) | Change::MemberRemoved(_) => &MEMBERS,
        Change::Counted(_) => &COUNTS,
        Change::Missed | Change::Filled => &MISSES,
    }
}
