//! Three nodes of one process on a bus whose links can be cut, by a clock that is wound.

use super::*;
use crate::app::App;
use crate::broker::memory::{Bus, Memory};
use crate::broker::{Broker, Inbox, Incoming};
use crate::hub::{Counts, Registration, Subscription};
use crate::protocol::NodeId;
use crate::protocol::presence::Member;
use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod log;
mod outage;
mod room;
mod shared;
mod strangers;

const APP: &str = "app";

struct Node {
    cluster: Cluster,
    hub: Arc<Hub>,
    link: Memory,
    tasks: [JoinHandle<()>; 2],
    /// Whether the tasks run, or stand still.
    running: watch::Sender<bool>,
}

/// Lets a task go on only while it may run.
async fn while_running(mut running: watch::Receiver<bool>, task: impl Future<Output = ()>) {
    let mut task = std::pin::pin!(task);
    while running.wait_for(|running| *running).await.is_ok() {
        tokio::select! {
            biased;
            Ok(_) = running.wait_for(|running| !running) => {}
            () = &mut task => return,
        }
    }
}

fn name(name: &str) -> ChannelName {
    ChannelName::parse(name, 164).unwrap()
}

impl Node {
    fn start(bus: &Bus, id: u64, key: Option<&str>) -> Self {
        let (feed, inbox) = Inbox::new(64 << 20);
        let link = bus.connect(feed);
        let hub = Arc::new(Hub::new(App::new(APP, "key", "secret").into(), Arc::default(), now()));
        let settings = Settings {
            prefix: "test".into(),
            key: key.map(Secret::new),
            limits: Limits { outage_bytes: 1 << 20, outage: Duration::from_secs(30), repeat_bytes: 64 << 20 },
        };
        let me = Identity { id: NodeId(id), ..Identity::new(format!("node-{id}"), std::time::SystemTime::UNIX_EPOCH) };
        let hubs = Hubs::default();
        hubs.add(vec![hub.clone()]);
        let cluster = Cluster::new(me, settings, Broker::Memory(link.clone()), hubs, Arc::default());
        let running = watch::Sender::new(true);
        let tasks = [
            tokio::spawn(while_running(running.subscribe(), Actor::new(&cluster, inbox).run())),
            tokio::spawn(while_running(running.subscribe(), Sending::new(&cluster).run())),
        ];
        Self { cluster, hub, link, tasks, running }
    }

    /// Ends the node as a crash does.
    fn kill(&self) {
        self.link.cut();
        self.tasks.iter().for_each(JoinHandle::abort);
    }

    async fn subscribe(&self, channel: &str, user: Option<&str>) -> Client {
        let _pin = self.cluster.pin(APP, &name(channel)).ready().await;
        let connection = self.hub.register(None, now()).unwrap();
        let member = user.map(|user| Member::introduced(user, "{}").unwrap());
        let joined = self.hub.subscribe(&name(channel), &connection, member.as_ref(), now()).unwrap();
        Client { connection, subscription: Some(joined.0) }
    }

    fn publish(&self, channel: &str, text: &str) {
        let data = serde_json::value::RawValue::from_string(format!("{text:?}")).unwrap();
        let frame = Frame::event(&name(channel), "e", &data, None);
        self.hub.publish(&name(channel), None, now(), || frame.clone());
        let keep = name(channel).is_cache().then_some(Duration::from_secs(1800));
        self.cluster.publish(APP, &name(channel), None, keep, &frame);
    }

    fn users(&self, channel: &str) -> BTreeSet<String> {
        self.hub.members(&name(channel)).iter().map(|member| member.id.as_str().to_owned()).collect()
    }
}

struct Client {
    connection: Registration,
    subscription: Option<Subscription>,
}

impl Client {
    /// What came, in short: the data of events, and the events of members.
    fn heard(&self) -> Vec<String> {
        let outbox = self.connection.outbox();
        let Poll::Ready(()) = outbox.poll_ready(&mut Context::from_waker(Waker::noop())) else { return Vec::new() };
        let frames = outbox.take().unwrap_or_default();
        outbox.written();
        let short = |frame: &Frame| {
            let frame: serde_json::Value = serde_json::from_slice(frame.payload()).unwrap();
            let data = frame["data"].as_str().unwrap().to_owned();
            match frame["event"].as_str().unwrap() {
                "e" => Some(data),
                "pusher_internal:subscription_succeeded" => None,
                event => Some(format!("{} {data}", event.trim_start_matches("pusher_internal:"))),
            }
        };
        frames.iter().filter_map(short).collect()
    }
}

/// Lets the clock run until something holds; how long it took.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = now();
    while !holds() {
        assert!(now() - start < Duration::from_secs(60), "never happened: {what}");
        sleep(Duration::from_millis(10)).await;
    }
    now() - start
}

fn set(users: &[&str]) -> BTreeSet<String> {
    users.iter().map(|user| (*user).to_owned()).collect()
}

/// Nodes that seal what they say, which shows that they open it too: what is repeated, and what is kept.
async fn three() -> [Node; 3] {
    let bus = Bus::default();
    let nodes = [1, 2, 3].map(|id| Node::start(&bus, id, Some("key")));
    eventually("the links are up", || nodes.iter().all(|node| node.cluster.is_up())).await;
    nodes
}

#[tokio::test(start_paused = true)]
async fn newcomers_are_told_at_once_whoever_was_told_before() {
    let bus = Bus::default();
    let mut nodes = vec![Node::start(&bus, 1, None)];
    let _ann = nodes[0].subscribe("presence-a", Some("ann")).await;
    for id in 2..5 {
        nodes.push(Node::start(&bus, id, None));
        let newcomer = nodes.last().unwrap();
        let took = eventually("ann is known", || newcomer.users("presence-a") == set(&["ann"])).await;
        assert!(took < Duration::from_millis(100), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_reach_subscribers_everywhere_once_and_in_order() {
    let [a, b, c] = three().await;
    let (one, two) = (a.subscribe("x", None).await, b.subscribe("x", None).await);
    for n in 0..500 {
        a.publish("x", &n.to_string());
        c.publish("x", &format!("c{n}"));
    }
    let mut heard = [Vec::new(), Vec::new()];
    eventually("everything has come", || {
        for (client, heard) in [&one, &two].into_iter().zip(&mut heard) {
            heard.extend(client.heard());
        }
        heard.iter().all(|heard| heard.len() >= 1000)
    })
    .await;
    for heard in heard {
        let (theirs, ours): (Vec<_>, Vec<_>) = heard.into_iter().partition(|data| data.starts_with('c'));
        assert_eq!(ours, (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(theirs, (0..500).map(|n| format!("c{n}")).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn members_and_numbers_are_the_same_everywhere() {
    let nodes = three().await;
    let mut ann = nodes[0].subscribe("presence-x", Some("ann")).await;
    let bob = nodes[1].subscribe("presence-x", Some("bob")).await;
    let again = nodes[2].subscribe("presence-x", Some("ann")).await;
    let agree = |users: &[&str], subscriptions: usize| {
        let counts = Counts { subscriptions, users: users.len() };
        nodes
            .iter()
            .all(|node| node.users("presence-x") == set(users) && node.hub.counts(&name("presence-x")) == counts)
    };
    let took = eventually("everybody is known", || agree(&["ann", "bob"], 3)).await;
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert!(ann.heard().iter().any(|event| event.starts_with("member_added") && event.contains("bob")));
    bob.heard();
    ann.subscription.take();
    eventually("a connection less", || agree(&["ann", "bob"], 2)).await;
    assert_eq!(bob.heard(), [""; 0]);
    drop(again);
    eventually("a member less", || agree(&["bob"], 1)).await;
    assert_eq!(bob.heard(), [r#"member_removed {"user_id":"ann"}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_is_forgotten_in_10_s_and_one_that_leaves_at_once() {
    let bus = Bus::default();
    let [a, b, c] = [1, 2, 3].map(|id| Node::start(&bus, id, None));
    let watcher = a.subscribe("presence-x", Some("watcher")).await;
    let (_two, _three) = (b.subscribe("presence-x", Some("two")).await, c.subscribe("presence-x", Some("three")).await);
    eventually("all are known", || a.users("presence-x").len() == 3).await;
    watcher.heard();
    b.kill();
    let took = eventually("the dead are gone", || a.users("presence-x").len() == 2).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(watcher.heard(), [r#"member_removed {"user_id":"two"}"#]);
    c.cluster.leave(Duration::from_secs(1)).await;
    c.kill();
    let took = eventually("who leaves is gone", || a.users("presence-x").len() == 1).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(watcher.heard(), [r#"member_removed {"user_id":"three"}"#]);
    let d = Node::start(&bus, 4, None);
    eventually("a new node knows all", || d.users("presence-x") == set(&["watcher"])).await;
}

#[tokio::test(start_paused = true)]
async fn topics_are_subscribed_while_there_is_interest() {
    let [a, b, _] = three().await;
    let client = a.subscribe("#server-to-user-1", None).await;
    assert_eq!((a.cluster.0.interests.len(), b.cluster.0.interests.len()), (1, 0));
    sleep(Duration::from_secs(5)).await;
    b.publish("#server-to-user-1", "x");
    eventually("it has come", || client.heard() == ["x"]).await;
    drop(client);
    let took = eventually("the topic is released", || a.cluster.0.interests.is_empty()).await;
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(2), "{took:?}");
    assert!(b.hub.occupied("").is_empty());
}

#[tokio::test(start_paused = true)]
async fn users_and_channels_are_ended_everywhere() {
    let [a, b, _] = three().await;
    let client = b.subscribe("x", None).await;
    let user = UserId::new("1");
    let sign_in = crate::hub::SignIn { user: &user, watch: &[], answers: &[], at: std::time::SystemTime::UNIX_EPOCH };
    let signed_in = b.hub.register(None, now()).unwrap();
    signed_in.sign_in(sign_in);
    eventually("the user is known", || a.hub.user(&user).is_some()).await;
    a.cluster.end_user(APP, &user);
    eventually("the user is ended", || signed_in.outbox().is_cut()).await;
    assert!(!client.connection.outbox().is_cut());
    a.cluster.end_channel(APP, &name("x"));
    eventually("the subscriber is ended", || client.connection.outbox().is_cut()).await;
}

#[tokio::test(start_paused = true)]
async fn nodes_with_another_key_are_strangers() {
    let bus = Bus::default();
    let [a, b, c] =
        [(1, Some("key")), (2, Some("key")), (3, Some("other"))].map(|(id, key)| Node::start(&bus, id, key));
    let (one, _stranger) =
        (a.subscribe("presence-x", Some("one")).await, c.subscribe("presence-x", Some("three")).await);
    eventually("the other knows", || b.users("presence-x") == set(&["one"])).await;
    c.publish("presence-x", "injected");
    sleep(Duration::from_secs(5)).await;
    assert_eq!((a.users("presence-x"), one.heard()), (set(&["one"]), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_takes_from_one_channel_to_another_is_ignored() {
    let bus = Bus::default();
    let [a, b] = [1, 2].map(|id| Node::start(&bus, id, Some("key")));
    let client = a.subscribe("public", None).await;
    let (feed, mut inbox) = Inbox::new(1 << 20);
    let stranger = Broker::Memory(bus.connect(feed));
    let [from, to] = ["private-orders", "public"].map(|channel| b.cluster.topic(APP, &name(channel)));
    stranger.subscribe(&from).await.unwrap();
    b.publish("private-orders", "secret");
    let taken = loop {
        if let Some(Incoming::Message { payload, .. }) = inbox.next().await {
            break payload;
        }
    };
    stranger.publish(&[(to, taken)]).await.unwrap();
    b.publish("public", "open");
    eventually("what is meant for it has come", || client.heard() == ["open"]).await;
    assert_eq!(a.cluster.0.metrics.bus_malformed_total.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn newcomers_anywhere_find_the_last_event_of_a_cache_channel_once() {
    let [a, b, c] = three().await;
    a.publish("cache-x", "first");
    b.publish("cache-x", "second");
    eventually("the bus has it", || a.cluster.0.outgoing.bytes() + b.cluster.0.outgoing.bytes() == 0).await;
    let late = c.subscribe("cache-x", None).await;
    assert_eq!(late.heard(), ["second"]);
    // What was kept here before interest ended is older than what the bus has.
    drop(late);
    eventually("interest ends", || c.cluster.0.interests.is_empty()).await;
    a.publish("cache-x", "third");
    eventually("the bus has it", || a.cluster.0.outgoing.bytes() == 0).await;
    let later = c.subscribe("cache-x", None).await;
    assert_eq!(later.heard(), ["third"]);
    a.publish("cache-x", "fourth");
    eventually("it comes once", || later.heard() == ["fourth"]).await;
    let last = c.subscribe("cache-x", None).await;
    assert_eq!(last.heard(), ["fourth"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_misses_or_gets_twice_what_is_published_while_it_subscribes() {
    let [a, _, c] = three().await;
    let mut clients = Vec::new();
    for n in 0..40 {
        let channel = format!("cache-{n}");
        let publish = async {
            for step in 0..4 {
                for _ in 0..n % 7 {
                    tokio::task::yield_now().await;
                }
                a.publish(&channel, &step.to_string());
            }
        };
        let (client, ()) = tokio::join!(c.subscribe(&channel, None), publish);
        clients.push((client, Vec::new()));
    }
    let complete = |heard: &[String]| heard.last().is_some_and(|last| last == "3");
    eventually("everybody has the last", || {
        clients.iter_mut().for_each(|(client, heard)| heard.extend(client.heard()));
        clients.iter().all(|(_, heard)| complete(heard))
    })
    .await;
    for (n, (_, heard)) in clients.iter().enumerate() {
        let heard: Vec<_> = heard.iter().filter(|data| !data.contains("cache_miss")).cloned().collect();
        let expect: Vec<_> = (4 - heard.len()..4).map(|step| step.to_string()).collect();
        assert_eq!(heard, expect, "channel {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_heard_of_a_node_that_has_left() {
    let [a, b, c] = three().await;
    let watcher = a.subscribe("presence-x", Some("watcher")).await;
    let last = c.subscribe("presence-x", Some("last")).await;
    eventually("all are known", || b.users("presence-x").len() == 2 && a.cluster.others().len() == 2).await;
    watcher.heard();
    // Its last connection goes in the moment in which it leaves.
    drop(last);
    c.cluster.leave(Duration::from_secs(1)).await;
    sleep(Duration::from_millis(500)).await;
    c.kill();
    for node in [&a, &b] {
        assert_eq!(node.cluster.others().len(), 1);
    }
    assert_eq!(watcher.heard(), [r#"member_removed {"user_id":"last"}"#]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_bus_is_younger_than_what_it_keeps() {
    let [a, _b, c] = three().await;
    a.publish("cache-x", "old");
    eventually("the bus has it", || a.cluster.0.outgoing.bytes() == 0).await;
    c.link.cut();
    c.publish("cache-x", "new");
    sleep(Duration::from_millis(20)).await;
    c.link.mend();
    let client = c.subscribe("cache-x", None).await;
    assert_eq!(client.heard(), ["new"]);
    eventually("the bus has it", || c.cluster.0.outgoing.bytes() == 0).await;
    assert_eq!(a.subscribe("cache-x", None).await.heard(), ["new"]);
    assert_eq!(c.subscribe("cache-x", None).await.heard(), ["new"]);
}

/// A reader who takes nothing delays what comes for it, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_channel_on_which_much_comes_delays_no_other() {
    let [a, b, _c] = three().await;
    let (stuck, calm) = (b.subscribe("busy", None).await, b.subscribe("calm", None).await);
    let _watcher = b.subscribe("presence-x", Some("watcher")).await;
    b.running.send_replace(false);
    (0..1000).for_each(|_| a.publish("busy", &"x".repeat(1000)));
    a.publish("calm", "event");
    let _member = a.subscribe("presence-x", Some("member")).await;
    sleep(Duration::from_millis(500)).await;
    b.running.send_replace(true);
    let took = eventually("both are there", || b.users("presence-x").len() == 2 && calm.heard() == ["event"]).await;
    assert!(took <= Duration::from_millis(20), "{took:?}");
    assert!(!stuck.connection.outbox().is_closed());
}
