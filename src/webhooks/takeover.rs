//! Takes over the state of another node, after a time in which this one may have missed something. What only this one
//! knows stays, and is to be told.

use super::book::Dead;
use super::desk::{Desk, Job, Now};
use super::event::{Event, EventId};
use super::op::Op;
use super::standing::{Fact, Standing};
use crate::app::EventKind;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What was decided so long before the last event, all nodes know.
const LATELY_MS: u64 = 60_000;

/// What an event is about: app, channel, member, and what of it.
type About = (String, String, Option<String>, &'static str);

fn about(event: &Event) -> About {
    let what = match event.kind {
        EventKind::ChannelOccupied | EventKind::ChannelVacated => "channel",
        EventKind::MemberAdded | EventKind::MemberRemoved => "member",
        kind => kind.as_str(),
    };
    (event.app.clone(), event.channel.clone(), event.user.clone(), what)
}

/// What this node knew of an event.
#[derive(Default)]
struct Known {
    event: Option<Arc<Event>>,
    open: Vec<String>,
    dead: Vec<(String, Dead)>,
}

impl Desk {
    /// Makes the state that `steps` make this one's, does what has happened `meanwhile`, and adds what only this node
    /// knows; that is among what happened then.
    pub(super) fn replace(&mut self, steps: Vec<Op>, meanwhile: Vec<Op>, now: Now) {
        let heard: HashMap<u64, u64> = steps
            .iter()
            .filter_map(|op| match op {
                Op::Heard { last } => Some((last.node, last.number)),
                _ => None,
            })
            .collect();
        let mine = self.clear();
        self.heard.clear();
        let told: Vec<_> = std::mem::take(&mut self.out.jobs);
        for op in steps {
            match op {
                Op::Open { event, to } if event.id.node == self.me.0 => self.reopen(event, to, &mine, now),
                op => self.apply(op, now),
            }
        }
        let is_unknown = |id: &EventId| id.number > heard.get(&id.node).copied().unwrap_or_default();
        for (_, known) in mine.into_iter().filter(|(id, _)| is_unknown(id)) {
            self.add(known, now);
        }
        // Of what was decided lately, the last counts, whoever knew it.
        let last: Vec<_> = self.last().into_values().cloned().collect();
        last.iter().for_each(|event| self.tell_standing(event, now));
        meanwhile.into_iter().for_each(|op| self.apply(op, now));
        self.out.jobs = told;
        self.out.renew = true;
        self.send_all();
    }

    /// What was decided lately about how channels stand, for others who may not know of all of it.
    pub(super) fn recent(&self) -> Vec<Event> {
        let since = self.as_of.saturating_sub(LATELY_MS);
        self.recent.iter().filter(|event| event.time_ms >= since).map(|event| (**event).clone()).collect()
    }

    /// Takes note of what others know of that.
    pub(super) fn recall(&mut self, mut events: Vec<Event>, now: Now) {
        let known: HashSet<_> = self.recent.iter().map(|event| event.id).collect();
        events.retain(|event| !known.contains(&event.id) && self.books.contains_key(&event.app));
        events.sort_by_key(|event| (event.time_ms, event.id));
        let before: HashMap<_, _> =
            self.last().iter().map(|(about, event)| (about.clone(), (event.time_ms, event.id))).collect();
        for event in events {
            let is_newer = before.get(&about(&event)).is_none_or(|last| (event.time_ms, event.id) > *last);
            if is_newer {
                self.hear(Op::Recall { event }, now);
            }
        }
    }

    /// The last event that was decided lately about each thing.
    fn last(&self) -> HashMap<About, &Arc<Event>> {
        let mut last = HashMap::<_, &Arc<Event>>::new();
        for event in &self.recent {
            let last = last.entry(about(event)).or_insert(event);
            if (event.time_ms, event.id) > (last.time_ms, last.id) {
                *last = event;
            }
        }
        last
    }

    /// Forgets what waits and what back ends know, and returns what this node knew of events. Nothing is sent any more.
    fn clear(&mut self) -> BTreeMap<EventId, Known> {
        let mut mine = BTreeMap::<EventId, Known>::new();
        for (app, book) in &mut self.books {
            for (id, open) in book.take_open() {
                if open.here {
                    let withdrawn = open.to.iter().map(|endpoint| (app.clone(), endpoint.clone(), Job::Withdraw(id)));
                    self.out.jobs.extend(withdrawn);
                }
                let known = mine.entry(id).or_default();
                (known.event, known.open) = (Some(open.event), open.to);
            }
            for (endpoint, letters) in std::mem::take(&mut book.dead) {
                for dead in letters {
                    let known = mine.entry(dead.event.id).or_default();
                    known.event = Some(dead.event.clone());
                    known.dead.push((endpoint.clone(), dead));
                }
            }
            book.channels.values_mut().for_each(Standing::forget);
        }
        mine
    }

    /// An event of this node, of which it may have sent more than others have heard.
    fn reopen(&mut self, event: Event, to: Vec<String>, mine: &BTreeMap<EventId, Known>, now: Now) {
        let (id, app) = (event.id, event.app.clone());
        let none = Known::default();
        let known = mine.get(&id).unwrap_or(&none);
        let (open, over): (Vec<_>, Vec<_>) = to.into_iter().partition(|endpoint| known.open.contains(endpoint));
        let all = open.into_iter().chain(over.iter().cloned()).collect();
        self.apply(Op::Open { event, to: all }, now);
        for endpoint in over {
            let dead = known.dead.iter().find(|(of, _)| *of == endpoint);
            let (app, events) = (app.clone(), vec![id]);
            self.do_op(
                match dead {
                    None => Op::Done { app, endpoint, events },
                    Some((_, dead)) => Op::Dead { app, endpoint, events, at_ms: dead.at_ms, why: dead.why.clone() },
                },
                now,
            );
        }
    }

    /// An event that others have not heard of. It is left out if back ends know by now what it says.
    fn add(&mut self, Known { event, open, dead }: Known, now: Now) {
        let Some(event) = event else { return };
        let standing = self.books.get(&event.app).and_then(|book| book.channels.get(&event.channel));
        let occupied = standing.is_some_and(|standing| standing.occupied.told());
        let member = |user: &String| standing.and_then(|standing| standing.members.get(user)).is_some_and(Fact::told);
        let is_member = event.user.as_ref().is_some_and(member);
        let is_known = match event.kind {
            EventKind::ChannelOccupied => occupied,
            EventKind::ChannelVacated => !occupied,
            EventKind::MemberAdded => is_member,
            EventKind::MemberRemoved => !is_member,
            EventKind::ClientEvent | EventKind::CacheMiss | EventKind::SubscriptionCount => false,
        };
        if is_known {
            return;
        }
        let to = open.into_iter().chain(dead.iter().map(|(endpoint, _)| endpoint.clone())).collect();
        let (app, id) = (event.app.clone(), event.id);
        self.do_op(Op::Tell { event: (*event).clone(), to }, now);
        for (endpoint, Dead { at_ms, why, .. }) in dead {
            self.do_op(Op::Dead { app: app.clone(), endpoint, events: vec![id], at_ms, why }, now);
        }
    }

    /// Has everything sent that this node is to send.
    fn send_all(&mut self) {
        let mut sends = Vec::new();
        for (app, book) in &self.books {
            for open in book.open.values().filter(|open| open.here) {
                sends.extend(open.to.iter().map(|endpoint| (app.clone(), endpoint.clone(), open.event.clone())));
            }
        }
        sends.sort_by_key(|(_, _, event)| (event.time_ms, event.id));
        self.out.jobs.extend(sends.into_iter().map(|(app, endpoint, event)| (app, endpoint, Job::Send(event))));
    }
}
