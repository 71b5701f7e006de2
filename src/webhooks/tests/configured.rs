//! The configuration changes under a desk: what back ends know stays what they were told, and ends as it is.

use super::super::desk::Job;
use super::super::event::{Event, EventId, Matter};
use super::super::op::Op;
use super::super::queue::Queue;
use super::{DEBOUNCE, Truth, World, known, user};
use crate::app::{App, Endpoint, Endpoints, EventKind};
use crate::hub::Change;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CHANNELS: [EventKind; 2] = [EventKind::ChannelOccupied, EventKind::ChannelVacated];

fn of(url: &str, events: &[EventKind], channel_prefix: &str) -> Endpoint {
    let (url, channel_prefix) = (url.to_owned(), channel_prefix.to_owned());
    Endpoint { url, events: events.to_vec(), channel_prefix, ..Endpoint::default() }
}

fn app(endpoints: Vec<Endpoint>) -> App {
    App { webhooks: Endpoints::new(endpoints), ..App::new("1", "key", "secret") }
}

fn id(url: &str) -> String {
    app(vec![of(url, &EventKind::ALL, "")]).webhooks.iter().next().unwrap().0.to_owned()
}

impl World {
    fn configure(&mut self, app: App) {
        self.desk.configure([Arc::new(app)].iter());
    }

    /// So all channels stand: each with its members.
    fn stand(&mut self, channels: &[(&str, &[&str])]) {
        let channel = |(name, users): &(&str, &[&str])| {
            (String::from(*name), users.len(), users.iter().map(|user| String::from(*user)).collect())
        };
        self.desk.stand("1", channels.iter().map(channel).collect(), self.now);
        self.take();
    }

    /// What this node is to send to the endpoint from now on, and no longer.
    fn jobs(&mut self, url: &str) -> Vec<(EventId, bool)> {
        let jobs = self.desk.take().jobs.into_iter().filter(|(_, endpoint, _)| *endpoint == id(url));
        let job = |(_, _, job)| match job {
            Job::Send(event) => (event.id, true),
            Job::Withdraw(id) => (id, false),
        };
        jobs.map(job).collect()
    }
}

#[test]
fn the_first_endpoint_hears_how_it_is_and_others_what_happens_from_then_on() {
    let mut world = World::acting();
    world.configure(app(Vec::new()));
    world.change("presence-a", Change::Occupied);
    world.change("presence-a", Change::MemberAdded(user("1")));
    assert_eq!(world.names(), Vec::<&str>::new());
    let first = of("a", &CHANNELS, "");
    world.configure(app(vec![first.clone()]));
    world.stand(&[("presence-a", &["1"])]);
    assert_eq!(world.names(), ["channel_occupied"]);
    // Of members nobody was told.
    world.configure(app(vec![first, of("b", &EventKind::ALL, "")]));
    world.stand(&[("presence-a", &["1"])]);
    assert_eq!(world.names(), ["member_added"]);
    world.change("b", Change::Occupied);
    assert_eq!(world.names(), ["channel_occupied", "channel_occupied"]);
}

#[test]
fn what_changed_while_nobody_was_told_is_told_when_somebody_is_again() {
    let mut world = World::acting();
    for channel in ["presence-stays", "presence-goes", "presence-returns"] {
        world.change(channel, Change::Occupied);
        world.change(channel, Change::MemberAdded(user("1")));
    }
    // Its end waits to be told.
    world.change("presence-returns", Change::MemberRemoved(user("1")));
    world.change("presence-returns", Change::Vacated);
    world.names();
    world.configure(app(Vec::new()));
    world.change("presence-goes", Change::Vacated);
    world.pass(600_000);
    assert_eq!(world.names(), Vec::<&str>::new());
    world.configure(Arc::into_inner(super::app()).unwrap());
    // Before it is known how it is.
    world.desk.look_at_all(world.now);
    world.pass(10_000);
    assert_eq!(world.names(), Vec::<&str>::new());
    world.stand(&[("presence-stays", &["1"]), ("presence-returns", &["1"]), ("presence-new", &["1"])]);
    assert_eq!(world.names(), ["channel_occupied", "member_added"]);
    world.pass(2999);
    assert_eq!(world.names(), Vec::<&str>::new());
    world.pass(1);
    let told: Vec<_> = world.told.iter().map(|event| (event.kind, &*event.channel)).collect();
    let gone = |kind| (kind, "presence-goes");
    assert_eq!(told, [gone(EventKind::MemberRemoved), gone(EventKind::ChannelVacated)]);
}

/// What one filter leaves out another one may want later.
#[test]
fn channels_that_nobody_wants_to_hear_of_stay_as_they_were_told() {
    let mut world = World::acting();
    world.configure(app(vec![of("a", &CHANNELS, "a-")]));
    world.stand(&[("a-1", &[]), ("b-1", &[])]);
    assert_eq!(world.names(), ["channel_occupied"]);
    world.configure(app(vec![of("a", &CHANNELS, "b-")]));
    world.stand(&[("b-1", &[])]);
    world.pass(5000);
    assert_eq!(world.names(), ["channel_occupied"]);
    // Another node is configured in another way, and was home when it told of this one.
    let event = Matter::Plain(EventKind::ChannelOccupied).event(EventId { node: 2, number: 1 }, "1", "a-2", 1_000_000);
    world.desk.apply(Op::Tell { event, to: vec![id("a")], full: Vec::new() }, world.now);
    world.take();
    world.names();
    world.pass(5000);
    world.configure(app(vec![of("a", &CHANNELS, "")]));
    world.stand(&[("a-2", &[]), ("b-1", &[])]);
    world.pass(5000);
    assert_eq!(world.told.iter().map(|event| &*event.channel).collect::<Vec<_>>(), ["a-1"]);
    assert_eq!(world.names(), ["channel_vacated"]);
    assert_eq!(world.desk.books["1"].channels.len(), 2);
}

#[test]
fn what_is_told_to_nobody_is_remembered_by_nobody() {
    let mut world = World::acting();
    (0..100).for_each(|n| world.change(&format!("c-{n}"), Change::Counted(5)));
    world.change("cache-a", Change::Missed);
    world.names();
    world.desk.act(false, world.now);
    (0..100).for_each(|n| world.change(&format!("d-{n}"), Change::Occupied));
    assert_eq!(world.desk.books["1"].channels.len(), 201);
    world.configure(app(Vec::new()));
    // What back ends know is kept, but not what they were to hear.
    assert_eq!(world.desk.books["1"].channels.len(), 101);
    world.desk.act(true, world.now);
    world.take();
    assert_eq!(world.names(), Vec::<&str>::new());
}

#[test]
fn numbers_are_not_told_where_they_are_switched_off() {
    let mut world = World::acting();
    let mut silent = app(vec![of("a", &EventKind::ALL, "")]);
    silent.features.subscription_counts = false;
    world.configure(silent);
    world.stand(&[("a", &["1", "2"])]);
    assert!(!world.names().contains(&"subscription_count"));
    world.configure(app(vec![of("a", &EventKind::ALL, "")]));
    world.stand(&[("a", &["1", "2"])]);
    assert_eq!(world.names(), ["subscription_count"]);
}

/// Another node has the endpoint already, or this one had it before.
#[test]
fn what_waits_for_an_endpoint_that_comes_is_sent_once_and_in_its_order() {
    let mut world = World::acting();
    let tell = |number: u64, channel: &str, to: &[&str]| {
        let event = EventId { node: 2, number };
        let event = Matter::Plain(EventKind::ChannelOccupied).event(event, "1", channel, 1_000_000);
        Op::Tell { event, to: to.iter().map(|url| id(url)).collect(), full: Vec::new() }
    };
    world.desk.apply(tell(1, "a", &["a", "b"]), world.now);
    world.desk.apply(tell(2, "b", &["b"]), world.now);
    world.desk.take();
    // It has come into force, and its job is not done yet.
    world.desk.apply(tell(3, "c", &["b"]), world.now);
    let event = |number| EventId { node: 2, number };
    let (both, one) = (vec![of("a", &CHANNELS, ""), of("b", &CHANNELS, "")], vec![of("a", &CHANNELS, "")]);
    world.configure(app(both.clone()));
    assert_eq!(world.jobs("b"), [(event(1), true), (event(2), true), (event(3), true)]);
    world.configure(app(both.clone()));
    assert_eq!(world.jobs("b"), Vec::new(), "it has not come anew");
    world.desk.done("1", &id("b"), vec![event(2)]);
    world.desk.done("1", &id("a"), vec![event(1)]);
    let done = std::mem::take(&mut world.desk.out.ops);
    done.into_iter().for_each(|op| world.desk.apply(op, world.now));
    world.desk.take();
    world.configure(app(one));
    world.configure(app(both));
    assert_eq!(world.jobs("a"), Vec::new(), "it was there all the time");
    world.configure(app(Vec::new()));
    world.configure(app(vec![of("b", &CHANNELS, "")]));
    assert_eq!(world.jobs("b"), [(event(1), true), (event(3), true)]);
}

#[test]
fn what_waits_for_an_endpoint_that_does_not_come_back_can_be_replayed_once_it_does() {
    let mut world = World::acting();
    world.change("a", Change::Occupied);
    let endpoints = vec![of("b", &CHANNELS, "")];
    world.configure(app(endpoints.clone()));
    world.pass(300_000);
    assert_eq!(world.desk.dead("1").len(), 0, "it waits for 5 minutes");
    world.pass(60_000);
    let dead = world.desk.dead("1");
    assert_eq!((dead.len(), &*dead[0].1.why), (1, "the endpoint is not configured any more"));
    assert_eq!(world.desk.replay("1", None, None), 0);
    world.configure(Arc::into_inner(super::app()).unwrap());
    assert_eq!(world.desk.replay("1", None, None), 1);
}

fn waiting(number: u64) -> Arc<Event> {
    let id = EventId { node: 1, number };
    Matter::Plain(EventKind::ChannelOccupied).event(id, "1", "a", 5).into()
}

#[tokio::test(start_paused = true)]
async fn a_queue_whose_endpoint_is_gone_keeps_numbers_alone() {
    let (queue, now) = (Arc::new(Queue::default()), Instant::now());
    queue.push(waiting(1), now);
    assert_eq!(queue.ready().await, Some(false));
    let rests = tokio::spawn({
        let queue = queue.clone();
        async move {
            queue.rest(Duration::from_secs(60)).await;
            queue.ready().await
        }
    });
    tokio::task::yield_now().await;
    let start = tokio::time::Instant::now();
    queue.open(false);
    assert_eq!(rests.await.unwrap(), None);
    assert_eq!(start.elapsed(), Duration::ZERO, "it does not wait for its next try");
    queue.push(waiting(2), now);
    assert_eq!((queue.first(5).len(), queue.health(now).waiting), (0, 0));
    queue.open(true);
    queue.push(waiting(3), now);
    assert_eq!(queue.ready().await, Some(false));
    assert_eq!(queue.first(5)[0].1.id, waiting(3).id);
}

/// What happens to channels and to the configuration.
#[derive(Clone, Copy, Debug)]
enum Step {
    Toggle { channel: usize, user: usize },
    Pass(u64),
    Configure(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3usize, 0..2usize).prop_map(|(channel, user)| Step::Toggle { channel, user }),
        4 => prop_oneof![1..100u64, 1000..5000u64].prop_map(Step::Pass),
        2 => (0..5usize).prop_map(Step::Configure),
    ]
}

/// Configurations that want to hear of everything, less, or nothing.
fn configuration(number: usize) -> App {
    let members = [EventKind::MemberAdded, EventKind::MemberRemoved];
    let events = [&EventKind::ALL[..], &CHANNELS, &members, &[], &EventKind::ALL][number];
    let prefix = ["", "", "", "", "presence-1"][number];
    app(if events.is_empty() { Vec::new() } else { vec![of("https://a.test", events, prefix)] })
}

/// How all channels stand, by how they are.
fn stand(world: &mut World, truth: &Truth) {
    let mut channels = BTreeMap::<_, Vec<_>>::new();
    truth.0.keys().for_each(|(channel, user)| channels.entry(*channel).or_default().push(user.to_string()));
    let all = channels.into_iter().map(|(channel, users)| (format!("presence-{channel}"), users.len(), users));
    world.desk.stand("1", all.collect(), world.now);
    world.take();
}

proptest! {
    /// Whatever they want to hear of meanwhile, back ends are told in turns, and in the end how it is.
    #[test]
    fn what_is_told_alternates_whatever_is_configured(steps in proptest::collection::vec(step(), 1..80)) {
        let (mut world, mut truth) = (World::acting(), Truth::default());
        for step in steps.into_iter().chain([Step::Configure(0)]) {
            match step {
                Step::Toggle { channel, user } => world.toggle(&mut truth, channel, user),
                Step::Pass(millis) => world.pass(millis),
                Step::Configure(number) => {
                    world.configure(configuration(number));
                    stand(&mut world, &truth);
                }
            }
            // What was told does not wait any more.
            let told = world.told.iter().map(|event| event.id).collect();
            world.desk.done("1", &super::endpoint(), told);
            world.take();
        }
        let pause = u64::try_from(DEBOUNCE.as_millis()).unwrap();
        (0..2).for_each(|_| world.pass(pause));
        world.told.retain(|event| event.kind != EventKind::SubscriptionCount);
        let mut there = BTreeMap::new();
        for (channel, user) in truth.0.keys() {
            there.insert(format!("presence-{channel} "), true);
            there.insert(format!("presence-{channel} {user}"), true);
        }
        prop_assert_eq!(known(&world.told), there);
    }
}
