//! What a step does to the state, wherever it comes from, and the steps that make the state anew.

use super::book::{Book, Dead, Open};
use super::desk::{About, Desk, Job, Key, MOST_NODES, Now, PART};
use super::event::{Event, EventId};
use super::op::Op;
use super::standing::{Fact, MISS_PAUSE, Standing};
use crate::app::EventKind;
use std::sync::Arc;

/// Why an event is a dead letter at once.
const FULL: &str = "as much as may waits for the endpoint already";

impl Desk {
    /// Does a step. What it does is the same on every node; of events that are known already nothing becomes.
    pub(super) fn apply(&mut self, op: Op, now: Now) {
        match op {
            Op::Tell { event, to, full } => self.take_in(&event.into(), to, full, now),
            Op::Done { app, endpoint, events } => {
                for id in events {
                    self.close(&app, &endpoint, id);
                }
            }
            Op::Dead { app, endpoint, events, at_ms, why } => {
                for id in events {
                    if let Some(event) = self.close(&app, &endpoint, id) {
                        self.keep_dead(&app, &endpoint, Dead { event, at_ms, why: why.clone() });
                    }
                }
            }
            Op::Replay { app, endpoint, events } => {
                let Some(book) = self.books.get_mut(&app) else { return };
                let events: Vec<_> = events.into_iter().filter_map(|id| book.exhume(&endpoint, id)).collect();
                for event in events {
                    let home = self.home(&app, &event.channel);
                    self.open(&event, vec![endpoint.clone()], home);
                }
            }
            Op::Filled { app, channel } => {
                self.standing(&app, &channel).miss.forget();
                self.tidy(&app, &channel);
            }
            Op::Ready { node } => {
                self.leaving.remove(&node);
                if self.ready.len() < MOST_NODES && self.ready.insert(node) {
                    self.hand_over(now);
                }
            }
            Op::Leaving { node } => {
                self.ready.remove(&node);
                if self.leaving.len() < MOST_NODES {
                    self.leaving.insert(node);
                }
                self.look_at_all(now);
            }
            Op::Gone { node } => {
                self.ready.remove(&node);
                self.leaving.remove(&node);
                self.hand_over(now);
            }
            Op::Occupied { app, channels } => {
                channels.iter().for_each(|channel| self.standing(&app, channel).occupied.tell(true));
            }
            Op::Members { app, channel, users } => {
                let standing = self.standing(&app, &channel);
                users.into_iter().for_each(|user| standing.members.entry(user).or_default().tell(true));
            }
            Op::Counted { app, channel, count } => {
                let until = now.at + self.rules.debounce;
                let standing = self.standing(&app, &channel);
                standing.count.tell(count, now.at);
                standing.count.hold(until);
            }
            Op::Missed { app, channel, time_ms } => self.miss(&app, &channel, time_ms, now),
            Op::Open { event, to, sender } => self.open(&event.into(), to, sender),
            Op::Buried { event, endpoint, at_ms, why } => {
                let app = event.app.clone();
                self.keep_dead(&app, &endpoint, Dead { event: event.into(), at_ms, why });
            }
            Op::Heard { last } => {
                self.is_news(last);
            }
            // These are about the log.
            Op::Ask { .. } | Op::State { .. } | Op::At { .. } => {}
        }
    }

    /// The steps that make the state anew.
    pub(super) fn steps(&self) -> Vec<Op> {
        let ready = self.ready.iter().map(|node| Op::Ready { node: *node });
        let leaving = self.leaving.iter().map(|node| Op::Leaving { node: *node });
        let heard =
            self.heard.iter().map(|(node, number)| Op::Heard { last: EventId { node: *node, number: *number } });
        ready.chain(leaving).chain(heard).chain(self.books.iter().flat_map(|(app, book)| book.steps(app))).collect()
    }

    /// Forgets the state for the one that `steps` make. What this node has to send is decided anew.
    pub(super) fn replace(&mut self, steps: Vec<Op>, now: Now) {
        self.books.values_mut().for_each(Book::forget);
        self.heard.clear();
        self.ready.clear();
        self.leaving.clear();
        self.out.jobs.clear();
        self.out.reset = true;
        steps.into_iter().for_each(|op| self.apply(op, now));
        self.look_at_all(now);
    }

    /// An event that was decided, here or elsewhere: from now on back ends count as told, unless they do already.
    fn take_in(&mut self, event: &Arc<Event>, to: Vec<String>, full: Vec<String>, now: Now) {
        let is_mine = event.id.node == self.me.0;
        if is_mine {
            self.mark(event, false);
        }
        if self.is_news(event.id) && !self.is_told(event) {
            self.tell_standing(event, now);
            let home = self.home(&event.app, &event.channel);
            self.open(event, to, home);
            for endpoint in full {
                self.out.overflowed += usize::from(is_mine);
                let dead = Dead { event: event.clone(), at_ms: event.time_ms, why: FULL.to_owned() };
                self.keep_dead(&event.app, &endpoint, dead);
            }
        }
        if let Some(about) = About::of(event) {
            self.look(&event.app, &event.channel, &about, now);
        }
    }

    /// Whether back ends know already what an event tells them.
    fn is_told(&self, event: &Event) -> bool {
        let standing = self.books.get(&event.app).and_then(|book| book.channels.get(&event.channel));
        let occupied = standing.is_some_and(|standing| standing.occupied.told());
        let member = |user: &String| standing.and_then(|standing| standing.members.get(user)).is_some_and(Fact::told);
        let is_member = event.user.as_ref().is_some_and(member);
        match event.kind {
            EventKind::ChannelOccupied => occupied,
            EventKind::ChannelVacated => !occupied,
            EventKind::MemberAdded => is_member,
            EventKind::MemberRemoved => !is_member,
            EventKind::SubscriptionCount => {
                standing.map_or(0, |standing| standing.count.told()) == event.count.unwrap_or_default()
            }
            EventKind::CacheMiss => standing.is_some_and(|standing| !standing.miss.is_news(event.time_ms)),
            EventKind::ClientEvent => false,
        }
    }

    /// Makes what back ends know what an event tells them.
    fn tell_standing(&mut self, event: &Event, now: Now) {
        let (app, channel) = (&event.app, &event.channel);
        if event.kind == EventKind::CacheMiss {
            return self.miss(app, channel, event.time_ms, now);
        }
        let standing = self.standing(app, channel);
        match event.kind {
            EventKind::ChannelOccupied => standing.occupied.tell(true),
            EventKind::ChannelVacated => standing.occupied.tell(false),
            EventKind::MemberAdded | EventKind::MemberRemoved => {
                let user = event.user.clone().unwrap_or_default();
                let told = event.kind == EventKind::MemberAdded;
                standing.members.entry(user.clone()).or_default().tell(told);
                standing.tidy(&user);
            }
            EventKind::SubscriptionCount => standing.count.tell(event.count.unwrap_or_default(), now.at),
            EventKind::CacheMiss | EventKind::ClientEvent => {}
        }
        self.tidy(app, channel);
    }

    /// Takes note that back ends know that a cache channel is empty.
    fn miss(&mut self, app: &str, channel: &str, time_ms: u64, now: Now) {
        self.standing(app, channel).miss.tell(time_ms, now.at);
        let key = Key { app: app.to_owned(), channel: channel.to_owned(), about: About::Miss };
        self.later(now.at + MISS_PAUSE, key);
    }

    /// Whether an event was not known yet; those before it on its node are known from then on as well.
    fn is_news(&mut self, id: EventId) -> bool {
        let known = self.heard.entry(id.node).or_insert(0);
        let is_news = id.number > *known;
        *known = (*known).max(id.number);
        if self.heard.len() > MOST_NODES {
            self.heard.shift_remove_index(0);
        }
        is_news
    }

    fn standing(&mut self, app: &str, channel: &str) -> &mut Standing {
        let book = self.books.entry(app.to_owned()).or_default();
        book.channels.entry(channel.to_owned()).or_default()
    }

    fn tidy(&mut self, app: &str, channel: &str) {
        self.books.get_mut(app).into_iter().for_each(|book| book.tidy(channel));
    }

    /// Has an event wait that `sender` sends, unless more of the channel waits already.
    fn open(&mut self, event: &Arc<Event>, to: Vec<String>, sender: Option<u64>) {
        let book = self.books.entry(event.app.clone()).or_default();
        let new = book.add(event.clone(), to, sender);
        if book.sender(&event.channel) == Some(self.me.0) {
            let send = |endpoint| (event.app.clone(), endpoint, Job::Send(event.clone()));
            self.out.jobs.extend(new.into_iter().map(send));
        }
    }

    /// Has what nobody sends, or a node that is gone, sent by others.
    fn hand_over(&mut self, now: Now) {
        let mut books = std::mem::take(&mut self.books);
        for (app, book) in &mut books {
            let is_gone = |node: Option<u64>| !node.is_some_and(|node| self.nodes().any(|known| known == node));
            let moved = book.hand_over(is_gone, |channel| self.home(app, channel));
            for (old, new, Open { event, to }) in moved.into_iter().filter(|(old, new, _)| old != new) {
                let job = match (old, new) {
                    (_, Some(node)) if node == self.me.0 => Job::Send(event),
                    (Some(node), _) if node == self.me.0 => Job::Withdraw(event.id),
                    _ => continue,
                };
                self.out.jobs.extend(to.into_iter().map(|endpoint| (app.clone(), endpoint, job.clone())));
            }
        }
        self.books = books;
        self.look_at_all(now);
    }

    /// Has an event no longer wait for an endpoint.
    fn close(&mut self, app: &str, endpoint: &str, id: EventId) -> Option<Arc<Event>> {
        let (event, sender) = self.books.get_mut(app)?.close(endpoint, id)?;
        if sender == Some(self.me.0) {
            self.out.jobs.push((app.to_owned(), endpoint.to_owned(), Job::Withdraw(id)));
        }
        Some(event)
    }

    fn keep_dead(&mut self, app: &str, endpoint: &str, dead: Dead) {
        let book = self.books.entry(app.to_owned()).or_default();
        self.out.forgotten += book.bury(endpoint, dead, self.rules.dead_letters);
    }
}

impl Book {
    fn steps(&self, app: &str) -> Vec<Op> {
        let app = || app.to_owned();
        let told = self.channels.iter().filter(|(_, standing)| standing.occupied.told());
        let told: Vec<_> = told.map(|(name, _)| name.clone()).collect();
        let mut steps: Vec<_> =
            told.chunks(PART).map(|part| Op::Occupied { app: app(), channels: part.to_vec() }).collect();
        for (channel, standing) in &self.channels {
            let users = standing.members.iter().filter(|(_, fact)| fact.told());
            let users: Vec<_> = users.map(|(user, _)| user.clone()).collect();
            let parts = users.chunks(PART);
            let part = |part: &[String]| Op::Members { app: app(), channel: channel.clone(), users: part.to_vec() };
            steps.extend(parts.map(part));
            if standing.count.told() > 0 {
                steps.push(Op::Counted { app: app(), channel: channel.clone(), count: standing.count.told() });
            }
            let missed = standing.miss.told();
            steps.extend(missed.map(|time_ms| Op::Missed { app: app(), channel: channel.clone(), time_ms }));
        }
        for Open { event, to } in self.open() {
            let sender = self.sender(&event.channel);
            steps.push(Op::Open { event: (**event).clone(), to: to.clone(), sender });
        }
        for (endpoint, letters) in &self.dead {
            steps.extend(letters.iter().map(|Dead { event, at_ms, why }| Op::Buried {
                event: (**event).clone(),
                endpoint: endpoint.clone(),
                at_ms: *at_ms,
                why: why.clone(),
            }));
        }
        steps
    }
}
