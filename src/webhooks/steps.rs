//! What a step does to the state, wherever it comes from, and the steps that make the state anew.

use super::book::{Book, Dead, Open};
use super::desk::{About, Desk, Job, Key, MOST_NODES, MOST_RECENT, Now, PART, Where};
use super::event::{Event, EventId};
use super::op::Op;
use super::standing::{Fact, MISS_PAUSE, Miss, Standing};
use crate::app::EventKind;
use std::sync::Arc;

impl Desk {
    /// Does a step. Of apps that there are not, and of events that are known already, nothing becomes.
    pub(super) fn apply(&mut self, op: Op, now: Now) {
        match op {
            Op::Tell { event, to } => self.take_in(event, to, now),
            Op::Done { app, endpoint, events } => {
                for id in events {
                    self.close(&app, &endpoint, id, now);
                }
            }
            Op::Dead { app, endpoint, events, at_ms, why } => {
                for id in events {
                    if let Some(event) = self.close(&app, &endpoint, id, now) {
                        self.keep_dead(&app, &endpoint, Dead { event, at_ms, why: why.clone() });
                    }
                }
            }
            Op::Replay { app, endpoint, events } => {
                let Some(book) = self.books.get_mut(&app) else { return };
                let events: Vec<_> = events.into_iter().filter_map(|id| book.exhume(&endpoint, id)).collect();
                events.into_iter().for_each(|event| self.open(&event, vec![endpoint.clone()]));
            }
            Op::Missed { app, channel } => {
                let Some(standing) = self.standing(&app, &channel) else { return };
                if standing.miss.is_none_or(|miss| matches!(miss, Miss::Told(at) if at + MISS_PAUSE <= now.at)) {
                    standing.miss = Some(Miss::Waiting);
                }
                self.look(&app, &channel, &About::Miss, now);
            }
            Op::Filled { app, channel } => {
                if let Some(book) = self.books.get_mut(&app) {
                    book.channels.get_mut(&channel).into_iter().for_each(|standing| standing.miss = None);
                    book.tidy(&channel);
                }
            }
            Op::Occupied { app, channels } => {
                for channel in channels {
                    self.standing(&app, &channel).into_iter().for_each(|standing| standing.occupied.tell(true));
                }
            }
            Op::Members { app, channel, users } => {
                let Some(standing) = self.standing(&app, &channel) else { return };
                for user in users {
                    standing.members.entry(user).or_default().tell(true);
                }
            }
            Op::Counted { app, channel, count } => {
                let until = now.at + self.rules.debounce;
                let Some(standing) = self.standing(&app, &channel) else { return };
                standing.count.tell(count, now.at);
                standing.count.hold(until);
            }
            Op::Open { event, owner, to } => {
                let owner = owner.unwrap_or(event.id.node);
                self.open_for(&event.into(), to, owner);
            }
            Op::Adopt { app, events, node } => self.adopt(&app, &events, node),
            Op::Buried { event, endpoint, at_ms, why } => {
                let app = event.app.clone();
                self.keep_dead(&app, &endpoint, Dead { event: event.into(), at_ms, why });
            }
            Op::Undo { event } => self.forget(&event, now),
            Op::Recall { event, to } => {
                let event = Arc::new(event);
                self.note(&event, now);
                self.open(&event, to);
            }
            // What follows from it is for whoever takes over a state.
            Op::Lately { .. } => {}
            Op::Until { time_ms } => self.as_of = self.as_of.max(time_ms),
            Op::Heard { last } => {
                self.is_news(last);
            }
        }
    }

    /// The steps that make the state anew.
    pub(super) fn steps(&self) -> Vec<Op> {
        let heard =
            self.heard.iter().map(|(node, number)| Op::Heard { last: EventId { node: *node, number: *number } });
        let lately: Vec<_> = self.lately().map(|event| event.id).collect();
        let lately = lately.chunks(PART).map(|part| Op::Lately { events: part.to_vec() });
        let until = [Op::Until { time_ms: self.as_of }];
        until
            .into_iter()
            .chain(lately)
            .chain(heard)
            .chain(self.books.iter().flat_map(|(app, book)| book.steps(app)))
            .collect()
    }

    /// An event that was decided, here or elsewhere: from now on back ends count as told.
    fn take_in(&mut self, event: Event, to: Vec<String>, now: Now) {
        let was_missed = event.kind != EventKind::ClientEvent && self.is_lately(event.time_ms);
        if !self.is_news(event.id) && (!was_missed || self.lately().any(|known| known.id == event.id)) {
            return;
        }
        let event = Arc::new(event);
        self.note(&event, now);
        self.open(&event, to);
    }

    /// Takes note that back ends are told how a channel stands.
    fn note(&mut self, event: &Arc<Event>, now: Now) {
        self.as_of = self.as_of.max(event.time_ms);
        if event.kind == EventKind::ClientEvent {
            return;
        }
        if self.recent.len() == MOST_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(event.clone());
        if event.takes_turns() && self.is_told(event) {
            // Another node has told it as well.
            self.supersede(event);
        }
        self.tell_standing(event, now);
    }

    /// Whether back ends know already what an event tells them.
    pub(super) fn is_told(&self, event: &Event) -> bool {
        let standing = self.books.get(&event.app).and_then(|book| book.channels.get(&event.channel));
        let occupied = standing.is_some_and(|standing| standing.occupied.told());
        let member = |user: &String| standing.and_then(|standing| standing.members.get(user)).is_some_and(Fact::told);
        let is_member = event.user.as_ref().is_some_and(member);
        match event.kind {
            EventKind::ChannelOccupied => occupied,
            EventKind::ChannelVacated => !occupied,
            EventKind::MemberAdded => is_member,
            EventKind::MemberRemoved => !is_member,
            EventKind::ClientEvent | EventKind::CacheMiss | EventKind::SubscriptionCount => false,
        }
    }

    /// Makes what back ends know what an event tells them.
    pub(super) fn tell_standing(&mut self, event: &Event, now: Now) {
        let Some(standing) = self.standing(&event.app, &event.channel) else { return };
        let member = |standing: &mut Standing, told| {
            let user = event.user.clone().unwrap_or_default();
            standing.members.entry(user.clone()).or_default().tell(told);
            standing.tidy(&user);
        };
        match event.kind {
            EventKind::ChannelOccupied => standing.occupied.tell(true),
            EventKind::ChannelVacated => standing.occupied.tell(false),
            EventKind::MemberAdded => member(standing, true),
            EventKind::MemberRemoved => member(standing, false),
            EventKind::SubscriptionCount => standing.count.tell(event.count.unwrap_or_default(), now.at),
            EventKind::CacheMiss => {
                standing.miss = Some(Miss::Told(now.at));
                let (app, channel) = (event.app.clone(), event.channel.clone());
                self.later(now.at + MISS_PAUSE, Key { app, channel, about: About::Miss });
            }
            EventKind::ClientEvent => {}
        }
        self.books.get_mut(&event.app).into_iter().for_each(|book| book.tidy(&event.channel));
    }

    /// Whether an event was not known yet; those before it on its node are known from then on as well.
    fn is_news(&mut self, id: EventId) -> bool {
        // What this node has not decided nobody else can have heard of.
        if id.node == self.me.0 && id.number > self.number {
            return false;
        }
        let known = self.heard.entry(id.node).or_insert(0);
        let is_news = id.number > *known;
        *known = (*known).max(id.number);
        if self.heard.len() > MOST_NODES {
            self.heard.shift_remove_index(0);
        }
        is_news
    }

    fn standing(&mut self, app: &str, channel: &str) -> Option<&mut Standing> {
        Some(self.books.get_mut(app)?.channels.entry(channel.to_owned()).or_default())
    }

    fn open(&mut self, event: &Arc<Event>, to: Vec<String>) {
        self.open_for(event, to, event.id.node);
    }

    /// Has an event wait that `owner` sends.
    fn open_for(&mut self, event: &Arc<Event>, to: Vec<String>, owner: u64) {
        let here = self.place.sends(self.me, owner, event);
        let Some(book) = self.books.get_mut(&event.app) else { return };
        self.out.orphaned += to.iter().filter(|endpoint| !book.has(endpoint)).count();
        let new = book.open(event.clone(), to, owner, here);
        if !here || new.is_empty() {
            return;
        }
        let app = &event.app;
        self.out.jobs.extend(new.into_iter().map(|endpoint| (app.clone(), endpoint, Job::Send(event.clone()))));
        if owner != self.me.0 && self.place.acts {
            let op = Op::Adopt { app: app.clone(), events: vec![event.id], node: self.me.0 };
            self.out.ops.push((op, Where::Here));
            self.adopt(&event.app, &[event.id], self.me.0);
        }
    }

    /// Takes note of who sends events.
    fn adopt(&mut self, app: &str, events: &[EventId], node: u64) {
        for id in events {
            let Some(book) = self.books.get_mut(app) else { return };
            let Some(open) = book.open.get_mut(id) else { continue };
            open.owner = node;
            let (event, to, was) = (open.event.clone(), open.to.clone(), open.here);
            let here = self.place.sends(self.me, node, &event);
            book.move_to(*id, here);
            if here != was {
                let job = |endpoint| {
                    let job = if here { Job::Send(event.clone()) } else { Job::Withdraw(*id) };
                    (app.to_owned(), endpoint, job)
                };
                self.out.jobs.extend(to.into_iter().map(job));
            }
        }
    }

    /// Has an event no longer wait for an endpoint. What was held back for it is decided.
    fn close(&mut self, app: &str, endpoint: &str, id: EventId, now: Now) -> Option<Arc<Event>> {
        let book = self.books.get_mut(app)?;
        let here = book.open.get(&id).is_some_and(|open| open.here);
        let event = book.close(endpoint, id)?;
        if here {
            self.out.jobs.push((app.to_owned(), endpoint.to_owned(), Job::Withdraw(id)));
        } else if !book.is_abroad(&event.channel) {
            self.look_at_channel(app, &event.channel, now);
        }
        Some(event)
    }

    fn keep_dead(&mut self, app: &str, endpoint: &str, dead: Dead) {
        if let Some(book) = self.books.get_mut(app) {
            self.out.forgotten += book.bury(endpoint, dead, self.rules.dead_letters);
        }
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
        }
        for Open { event, to, owner, .. } in self.open.values() {
            let owner = Some(*owner).filter(|owner| *owner != event.id.node);
            steps.push(Op::Open { event: (**event).clone(), owner, to: to.clone() });
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
