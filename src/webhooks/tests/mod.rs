//! What back ends are told, under whatever happens, and that nothing is forgotten over a restart.

mod cluster;
mod configured;
mod journal;

use super::desk::{Desk, Job, Now, Output, Rules};
use super::event::{ClientEvent, Event, EventId};
use super::op::Op;
use crate::app::{App, Endpoint, Endpoints, EventKind};
use crate::hub::{Change, Transition};
use crate::protocol::{ChannelName, NodeId, UserId};
use proptest::prelude::*;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DEBOUNCE: Duration = Duration::from_secs(3);
const RULES: Rules = Rules { debounce: DEBOUNCE, queue_bytes: 1 << 20, dead_letters: 3 };

/// A desk, a clock, and what was told.
struct World {
    desk: Desk,
    now: Now,
    told: Vec<Arc<Event>>,
    ops: Vec<Op>,
}

fn app() -> Arc<App> {
    let endpoint = Endpoint { url: "https://a.test".to_owned(), ..Endpoint::default() };
    App { webhooks: Endpoints::new([endpoint]), ..App::new("1", "key", "secret") }.into()
}

fn endpoint() -> String {
    app().webhooks.iter().next().unwrap().0.to_owned()
}

fn desk(node: u64, rules: Rules) -> Desk {
    Desk::new(NodeId(node), rules, [app()].iter())
}

impl World {
    fn new(node: u64, rules: Rules) -> Self {
        let desk = desk(node, rules);
        Self { desk, now: Now { at: Instant::now(), ms: 1_000_000 }, told: Vec::new(), ops: Vec::new() }
    }

    /// One that acts.
    fn acting() -> Self {
        let mut world = Self::new(1, RULES);
        world.act();
        world
    }

    fn act(&mut self) {
        let me = self.desk.me.0;
        let gone: Vec<_> = self.desk.nodes().filter(|node| *node != me).collect();
        self.desk.out.ops.extend(gone.into_iter().map(|node| Op::Gone { node }));
        self.desk.out.ops.push(Op::Ready { node: me });
        self.desk.act(true, self.now);
        self.take();
    }

    /// Has come into force what was decided.
    fn take(&mut self) {
        while !self.desk.out.ops.is_empty() {
            for op in std::mem::take(&mut self.desk.out.ops) {
                self.desk.apply(op.clone(), self.now);
                self.ops.push(op);
            }
        }
        let Output { jobs, .. } = self.desk.take();
        self.told.extend(jobs.into_iter().filter_map(|(_, _, job)| match job {
            Job::Send(event) => Some(event),
            Job::Withdraw(_) => None,
        }));
    }

    fn change(&mut self, channel: &str, change: Change) {
        let channel = ChannelName::parse(channel, 164).unwrap();
        self.desk.changed("1", &Transition { channel, change }, self.now);
        self.take();
    }

    fn pass(&mut self, millis: u64) {
        self.now.at += Duration::from_millis(millis);
        self.now.ms += millis;
        self.desk.tick(self.now);
        self.take();
    }

    fn said(&mut self, bytes: usize) {
        let data = RawValue::from_string(format!("\"{}\"", "x".repeat(bytes))).unwrap();
        let said = ClientEvent { event: "client-a".to_owned(), data, socket_id: "1.1".to_owned(), user_id: None };
        self.desk.said("1", "private-a", &said, self.now);
        self.take();
    }

    fn toggle(&mut self, truth: &mut Truth, channel: usize, user: usize) {
        for change in truth.toggle(channel, user) {
            self.change(&format!("presence-{channel}"), change);
        }
    }

    /// Names of what was told, and forgets it.
    fn names(&mut self) -> Vec<&'static str> {
        self.told.drain(..).map(|event| event.kind.as_str()).collect()
    }
}

fn user(id: &str) -> UserId {
    UserId::new(id)
}

#[test]
fn what_ends_while_another_process_takes_over_is_for_it_to_tell() {
    let mut world = World::acting();
    for channel in ["presence-a", "presence-b"] {
        world.change(channel, Change::Occupied);
        world.change(channel, Change::MemberAdded(user("1")));
    }
    world.change("c", Change::Counted(2));
    world.names();
    world.desk.hold();
    for channel in ["presence-a", "presence-b"] {
        world.change(channel, Change::MemberRemoved(user("1")));
        world.change(channel, Change::Vacated);
    }
    world.change("c", Change::Counted(1));
    world.pass(60_000);
    assert!(world.names().is_empty());
    world.change("d", Change::Occupied);
    assert_eq!(world.names(), ["channel_occupied"], "what begins is told");
    // Where only one of them is back.
    let mut next = World::new(2, RULES);
    world.ops.into_iter().for_each(|op| next.desk.apply(op, next.now));
    for channel in ["presence-a", "d"] {
        next.change(channel, Change::Occupied);
    }
    next.change("presence-a", Change::MemberAdded(user("1")));
    next.change("c", Change::Counted(2));
    next.act();
    next.names();
    next.pass(DEBOUNCE.as_millis() as u64);
    assert_eq!(next.names(), ["member_removed", "channel_vacated"]);
}

#[test]
fn a_page_change_says_nothing() {
    let mut world = World::acting();
    world.change("presence-a", Change::Occupied);
    world.change("presence-a", Change::MemberAdded(user("1")));
    assert_eq!(world.names(), ["channel_occupied", "member_added"]);
    for _ in 0..5 {
        world.change("presence-a", Change::MemberRemoved(user("1")));
        world.change("presence-a", Change::Vacated);
        world.pass(2900);
        world.change("presence-a", Change::Occupied);
        world.change("presence-a", Change::MemberAdded(user("1")));
        world.pass(4000);
    }
    assert_eq!(world.names(), Vec::<&str>::new());
    world.change("presence-a", Change::MemberRemoved(user("1")));
    world.change("presence-a", Change::Vacated);
    world.pass(2999);
    assert_eq!(world.names(), Vec::<&str>::new());
    world.pass(1);
    assert_eq!(world.names(), ["member_removed", "channel_vacated"]);
}

#[test]
fn a_storm_of_reconnects_says_nothing() {
    let mut world = World::acting();
    for _ in 0..10_000 {
        world.change("a", Change::Occupied);
        world.change("a", Change::Vacated);
    }
    assert_eq!(world.names(), ["channel_occupied"]);
    world.change("a", Change::Occupied);
    world.pass(10_000);
    assert_eq!(world.names(), Vec::<&str>::new());
}

#[test]
fn one_cache_miss_is_told_until_the_channel_was_filled() {
    let mut world = World::acting();
    (0..5).for_each(|_| world.change("cache-a", Change::Missed));
    assert_eq!(world.names(), ["cache_miss"]);
    world.pass(9_999);
    world.change("cache-a", Change::Missed);
    assert_eq!(world.names(), Vec::<&str>::new());
    world.pass(1);
    world.change("cache-a", Change::Missed);
    assert_eq!(world.names(), ["cache_miss"]);
    world.change("cache-a", Change::Filled);
    world.change("cache-a", Change::Missed);
    assert_eq!(world.names(), ["cache_miss"]);
}

#[test]
fn a_cache_miss_is_forgotten_whatever_the_clock_of_who_told_it() {
    for ahead in [0, 5, 1_000_000] {
        let mut world = World::acting();
        let mut other = World::new(2, RULES);
        (other.now.at, other.now.ms) = (world.now.at, world.now.ms + ahead);
        other.act();
        other.change("cache-a", Change::Missed);
        other.ops.into_iter().for_each(|op| world.desk.apply(op, world.now));
        assert_eq!(world.desk.books["1"].channels.len(), 1);
        world.pass(10_000);
        assert!(world.desk.books["1"].channels.is_empty(), "{ahead}");
    }
}

#[test]
fn numbers_of_large_channels_are_told_once_in_a_while() {
    let mut world = World::acting();
    (1..=300).for_each(|count| world.change("a", Change::Counted(count)));
    let counts = |world: &mut World| world.told.drain(..).map(|event| event.count.unwrap()).collect::<Vec<_>>();
    assert_eq!(counts(&mut world), (1..=100).collect::<Vec<_>>());
    world.pass(5_000);
    assert_eq!(counts(&mut world), [300]);
    world.pass(60_000);
    assert_eq!(counts(&mut world), Vec::<usize>::new());
}

#[test]
fn what_was_not_heard_of_is_made_good() {
    let mut world = World::acting();
    world.change("presence-a", Change::Occupied);
    world.change("presence-a", Change::MemberAdded(user("1")));
    world.names();
    let there = vec![("presence-b".to_owned(), 1, vec!["2".to_owned()]), ("c".to_owned(), 4, Vec::new())];
    world.desk.stand("1", there, world.now);
    world.take();
    let mut names = world.names();
    names.sort_unstable();
    assert_eq!(names, ["channel_occupied", "channel_occupied", "member_added", "subscription_count"]);
    world.pass(3000);
    assert_eq!(world.names(), ["member_removed", "channel_vacated"]);
}

#[test]
fn a_full_queue_makes_dead_letters_of_which_the_youngest_are_kept() {
    let rules = Rules { queue_bytes: 4000, ..RULES };
    let mut world = World::new(1, rules);
    world.act();
    (0..8).for_each(|_| world.said(1000));
    let dead = world.desk.dead("1");
    let numbers: Vec<_> = dead.iter().map(|(_, dead)| dead.event.id.number).collect();
    assert_eq!(numbers, [6, 7, 8]);
    assert!(dead[0].1.why.contains("waits for the endpoint already"), "{}", dead[0].1.why);
    // What is taken makes room.
    let waiting = (1..=3).map(|number| EventId { node: 1, number }).collect();
    world.desk.done("1", &endpoint(), waiting);
    world.take();
    world.told.clear();
    let one = EventId { node: 1, number: 7 };
    assert_eq!(world.desk.replay("1", None, Some(&[one])), 1);
    world.take();
    assert_eq!(world.desk.replay("1", None, Some(&[one])), 0);
    assert_eq!(world.desk.replay("1", Some("another"), None), 0);
    assert_eq!(world.told.iter().map(|event| event.id).collect::<Vec<_>>(), [one]);
    assert_eq!(world.desk.replay("1", Some(&endpoint()), None), 2);
}

#[test]
fn what_ends_before_the_last_stop_is_told_if_nobody_will_know_of_it() {
    for (is_last, expect) in [(true, vec!["channel_vacated"]), (false, vec![])] {
        let mut world = World::acting();
        world.change("a", Change::Occupied);
        world.change("a", Change::Vacated);
        world.names();
        if is_last {
            world.desk.hurry(world.now);
        }
        world.desk.act(false, world.now);
        world.take();
        assert_eq!(world.names(), expect);
        world.pass(5000);
        assert_eq!(world.names(), Vec::<&str>::new());
    }
}

/// Something that happens to one of three channels with two users each.
#[derive(Clone, Copy, Debug)]
enum Step {
    Toggle { channel: usize, user: usize },
    Pass(u64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3usize, 0..2usize).prop_map(|(channel, user)| Step::Toggle { channel, user }),
        4 => prop_oneof![1..100u64, 1000..5000u64].prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ]
}

/// Who is where.
#[derive(Default)]
struct Truth(BTreeMap<(usize, usize), ()>);

impl Truth {
    fn toggle(&mut self, channel: usize, id: usize) -> Vec<Change> {
        let has_any = |truth: &Self| truth.0.keys().any(|(of, _)| *of == channel);
        let before = has_any(self);
        let member = user(&id.to_string());
        if self.0.remove(&(channel, id)).is_some() {
            let vacated = (!has_any(self)).then_some(Change::Vacated);
            return [Some(Change::MemberRemoved(member)), vacated].into_iter().flatten().collect();
        }
        self.0.insert((channel, id), ());
        let occupied = (!before).then_some(Change::Occupied);
        [occupied, Some(Change::MemberAdded(member))].into_iter().flatten().collect()
    }
}

/// What back ends know after all that was told, which must alternate.
fn known(told: &[Arc<Event>]) -> BTreeMap<String, bool> {
    let mut known = BTreeMap::<String, bool>::new();
    for event in told {
        let is = matches!(event.kind, EventKind::ChannelOccupied | EventKind::MemberAdded);
        let what = format!("{} {}", event.channel, event.user.as_deref().unwrap_or_default());
        let before = known.insert(what, is).unwrap_or_default();
        assert_ne!(before, is, "twice in a row: {event:?} among {told:?}");
    }
    known.retain(|_, is| *is);
    known
}

proptest! {
    /// Occupied and vacated, added and removed alternate under any churn and any restart, and end as it is.
    #[test]
    fn what_is_told_alternates_and_ends_as_it_is(steps in proptest::collection::vec(step(), 1..80)) {
        let (mut world, mut truth, mut restarts) = (World::acting(), Truth::default(), 1);
        for step in steps {
            match step {
                Step::Toggle { channel, user } => world.toggle(&mut truth, channel, user),
                Step::Pass(millis) => world.pass(millis),
                Step::Restart => {
                    // Another process knows what the journal says, and everybody is gone.
                    restarts += 1;
                    let before = std::mem::replace(&mut world, World::new(restarts, RULES));
                    world.now = before.now;
                    for op in &before.ops {
                        world.desk.apply(op.clone(), world.now);
                    }
                    world.desk.take();
                    world.ops = before.ops;
                    world.act();
                    // What waits is sent again, which back ends tell by its delivery.
                    world.told = before.told;
                    truth = Truth::default();
                }
            }
        }
        world.pass(3000);
        world.pass(3000);
        let mut there = BTreeMap::new();
        for (channel, user) in truth.0.keys() {
            there.insert(format!("presence-{channel} "), true);
            there.insert(format!("presence-{channel} {user}"), true);
        }
        prop_assert_eq!(known(&world.told), there);
    }

    /// The steps that make a state make the same state.
    #[test]
    fn a_state_is_made_anew_of_its_steps(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut world, mut truth) = (World::acting(), Truth::default());
        for step in steps {
            match step {
                Step::Toggle { channel, user } => world.toggle(&mut truth, channel, user),
                Step::Pass(millis) => world.pass(millis),
                Step::Restart => {
                    let ids: Vec<_> = world.told.iter().map(|event| event.id).collect();
                    let (done, dead) = ids.split_at(ids.len() / 2);
                    world.desk.done("1", &endpoint(), done.to_vec());
                    world.desk.bury("1", &endpoint(), dead, "because", world.now);
                    world.take();
                }
            }
        }
        let mut again = World::new(2, RULES);
        world.desk.steps().into_iter().for_each(|op| again.desk.apply(op, world.now));
        prop_assert_eq!(lines(&again.desk.steps()), lines(&world.desk.steps()));
        let mut replayed = World::new(3, RULES);
        world.ops.iter().for_each(|op| replayed.desk.apply(op.clone(), world.now));
        prop_assert_eq!(lines(&replayed.desk.steps()), lines(&world.desk.steps()));
    }
}

/// Steps as text, in no particular order.
fn lines(ops: &[Op]) -> Vec<String> {
    let mut lines: Vec<_> = ops
        .iter()
        .map(|op| {
            let mut value = serde_json::to_value(op).unwrap();
            for key in ["channels", "users"] {
                for list in value.as_object_mut().unwrap().values_mut() {
                    if let Some(list) = list[key].as_array_mut() {
                        list.sort_by_key(ToString::to_string);
                    }
                }
            }
            value.to_string()
        })
        .collect();
    lines.sort_unstable();
    lines
}
