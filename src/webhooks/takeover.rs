//! Takes over the state of another node, after a time in which this one may have missed something. What only this one
//! knows stays, and is to be told.

use super::book::Dead;
use super::desk::{Desk, Job, Now};
use super::event::{Event, EventId};
use super::op::Op;
use super::standing::Standing;
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
        let (mut lately, mut until) = (HashSet::new(), 0);
        for op in &steps {
            match op {
                Op::Lately { events } => lately.extend(events.iter().copied()),
                Op::Until { time_ms } => until = *time_ms,
                _ => {}
            }
        }
        let mine = self.clear();
        self.heard.clear();
        let told: Vec<_> = std::mem::take(&mut self.out.jobs);
        for op in steps {
            match op {
                Op::Open { event, owner, to } if owner.unwrap_or(event.id.node) == self.me.0 => {
                    self.reopen((event, owner), to, &mine, now);
                }
                op => self.apply(op, now),
            }
        }
        let is_unknown = |(id, known): &(EventId, Known)| {
            let standing = known.event.as_ref().filter(|event| event.kind != EventKind::ClientEvent);
            match standing {
                Some(event) if event.time_ms.saturating_add(LATELY_MS) >= until => !lately.contains(id),
                _ => id.number > heard.get(&id.node).copied().unwrap_or_default(),
            }
        };
        for (_, known) in mine.into_iter().filter(is_unknown) {
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
    pub(super) fn recent(&self) -> Vec<(Event, Vec<String>)> {
        let open = |event: &Event| Some(self.books.get(&event.app)?.open.get(&event.id)?.to.clone());
        self.lately().map(|event| ((**event).clone(), open(event).unwrap_or_default())).collect()
    }

    /// Events about how channels stand that were decided lately and are known.
    pub(super) fn lately(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.recent.iter().filter(|event| self.is_lately(event.time_ms))
    }

    /// Whether an event of that time is one of those that others may not have heard of.
    pub(super) fn is_lately(&self, time_ms: u64) -> bool {
        time_ms.saturating_add(LATELY_MS) >= self.as_of
    }

    /// Takes note of what others know of that.
    pub(super) fn recall(&mut self, mut events: Vec<(Event, Vec<String>)>, now: Now) {
        if events.is_empty() {
            return;
        }
        let known: HashSet<_> = self.recent.iter().map(|event| event.id).collect();
        events.retain(|(event, _)| !known.contains(&event.id) && self.books.contains_key(&event.app));
        events.sort_by_key(|(event, _)| (event.time_ms, event.id));
        let before: HashMap<_, _> =
            self.last().iter().map(|(about, event)| (about.clone(), (event.time_ms, event.id))).collect();
        for (event, to) in events {
            if before.get(&about(&event)).is_some_and(|last| (event.time_ms, event.id) <= *last) {
                continue;
            }
            if self.has_undone(event.id) {
                // Others have heard of it after all, and wait for this node to send it.
                self.redo(event.clone(), now);
            }
            self.hear(Op::Recall { event, to }, now);
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

    /// Whether something was decided after an event about the same thing: it comes too late.
    pub(super) fn is_outdated(&self, event: &Event) -> bool {
        let (about, at) = (about(event), (event.time_ms, event.id));
        !matches!(event.kind, EventKind::ClientEvent | EventKind::CacheMiss)
            && self.recent.iter().any(|other| (other.time_ms, other.id) > at && self::about(other) == about)
    }

    /// Whether what an event tells was told anew before anything else happened to it: two nodes that knew nothing of each
    /// other have decided the same.
    pub(super) fn is_superseded(&self, event: &Event) -> bool {
        let (about, at) = (about(event), (event.time_ms, event.id));
        let later = self.recent.iter().filter(|other| (other.time_ms, other.id) > at && self::about(other) == about);
        let next = later.min_by_key(|other| (other.time_ms, other.id));
        event.takes_turns() && next.is_some_and(|next| next.kind == event.kind)
    }

    /// Sends no more what is superseded by an event.
    pub(super) fn supersede(&mut self, event: &Event) {
        let Some(book) = self.books.get(&event.app) else { return };
        let same = |open: &&Arc<Event>| open.id != event.id && open.kind == event.kind && about(open) == about(event);
        let older: Vec<_> = book.open.values().map(|open| &open.event).filter(same).cloned().collect();
        for event in older {
            if self.is_superseded(&event) {
                self.drop_open(&event);
            }
        }
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

    /// An event that this node sends, of which it may have sent more than others have heard.
    fn reopen(
        &mut self,
        (event, owner): (Event, Option<u64>),
        to: Vec<String>,
        mine: &BTreeMap<EventId, Known>,
        now: Now,
    ) {
        let (id, app) = (event.id, event.app.clone());
        if self.has_undone(id) {
            // Others have heard of it, and it was not sent.
            return self.apply(Op::Open { event, owner, to }, now);
        }
        let none = Known::default();
        let known = mine.get(&id).unwrap_or(&none);
        let (open, over): (Vec<_>, Vec<_>) = to.into_iter().partition(|endpoint| known.open.contains(endpoint));
        let all = open.into_iter().chain(over.iter().cloned()).collect();
        self.apply(Op::Open { event, owner, to: all }, now);
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
        let Some(event) = event.filter(|event| !self.is_outdated(event)) else { return };
        // What back ends know of it may be what others have heard of this very event, which was not sent.
        let is_last = self.last().get(&about(&event)).is_some_and(|last| last.id == event.id);
        if self.is_told(&event) && !is_last {
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
