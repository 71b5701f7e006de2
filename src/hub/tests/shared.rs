//! Several hubs that tell each other what is so on them, over links that delay, lose and break.

use super::*;
use crate::app::{Endpoint, Endpoints};
use crate::hub::{Change, Changes, Fact, SignIn, Transition};
use crate::protocol::{NodeId, UserId};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::SystemTime;

const NODES: usize = 3;

/// What one node tells another.
#[derive(Clone)]
enum News {
    Changed(Vec<Fact>),
    All(Vec<Fact>),
}

/// Three nodes, each with links to the other two.
struct Cluster {
    hubs: Vec<Arc<Hub>>,
    links: HashMap<(usize, usize), VecDeque<News>>,
}

impl Cluster {
    fn new(limits: &Limits) -> Self {
        let webhooks = Endpoints::new([Endpoint::default()]);
        let app = App { limits: limits.clone(), webhooks, ..App::new("1", "key", "secret") };
        let app = Arc::new(app);
        let hub = |_| Arc::new(Hub::new(app.clone(), Arc::default(), Instant::now()));
        let hubs: Vec<_> = (0..NODES).map(hub).collect();
        hubs.iter().for_each(|hub| hub.share());
        Self { hubs, links: HashMap::new() }
    }

    /// Puts on its links what `from` has to tell.
    fn tell(&mut self, from: usize) {
        let Changes { mut facts, all } = self.hubs[from].changes();
        facts.extend(self.hubs[from].numbers(true, Instant::now()));
        let news = if all { News::All(self.hubs[from].facts(Instant::now())) } else { News::Changed(facts) };
        for to in (0..NODES).filter(|to| *to != from) {
            self.links.entry((from, to)).or_default().push_back(news.clone());
        }
    }

    /// Lets the oldest news on a link arrive.
    fn deliver(&mut self, from: usize, to: usize) -> bool {
        let Some(news) = self.links.entry((from, to)).or_default().pop_front() else { return false };
        let (node, now) = (NodeId(from as u64), Instant::now());
        match news {
            News::Changed(facts) => facts.iter().for_each(|fact| drop(self.hubs[to].apply(node, fact, now))),
            News::All(facts) => self.hubs[to].replace(node, &facts, now),
        }
        true
    }

    /// Loses what is on a link. Afterwards `from` tells all that is so; `to` may have taken it for dead meanwhile.
    fn lose(&mut self, from: usize, to: usize, dead: bool) {
        self.links.remove(&(from, to));
        if dead {
            self.hubs[to].forget_node(NodeId(from as u64), Instant::now());
        }
        let all = News::All(self.hubs[from].facts(Instant::now()));
        self.links.entry((from, to)).or_default().push_back(all);
    }

    fn settle(&mut self) {
        (0..NODES).for_each(|node| self.tell(node));
        for (from, to) in (0..NODES).flat_map(|from| (0..NODES).map(move |to| (from, to))) {
            while self.deliver(from, to) {}
        }
    }
}

/// A member's connection, and who it believes is there.
struct Seat {
    connection: Registration,
    subscription: Option<Subscription>,
    user: String,
    sees: BTreeSet<String>,
}

impl Seat {
    /// Reads what came, and fails if somebody comes who is there or goes who is not.
    fn read(&mut self) {
        for frame in take(&self.connection) {
            let frame: Value = serde_json::from_slice(frame.payload()).unwrap();
            let data: Value = frame["data"].as_str().map_or(Value::Null, |data| serde_json::from_str(data).unwrap());
            let user = || data["user_id"].as_str().unwrap().to_owned();
            match frame["event"].as_str().unwrap() {
                "pusher_internal:subscription_succeeded" => {
                    let ids = data["presence"]["ids"].as_array().unwrap();
                    self.sees = ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
                }
                "pusher_internal:member_added" => assert!(self.sees.insert(user()), "added twice: {frame}"),
                "pusher_internal:member_removed" => assert!(self.sees.remove(&user()), "removed twice: {frame}"),
                _ => {}
            }
        }
    }
}

/// Who was there after all that became of a channel, which must have been occupied before anybody came and vacated
/// after everybody had gone; `None` if it is not occupied.
fn occupants(transitions: &[Transition]) -> Option<BTreeSet<String>> {
    let mut present = None;
    for Transition { change, .. } in transitions {
        match (change, &mut present) {
            (Change::Occupied, none @ None) => *none = Some(BTreeSet::new()),
            (Change::Vacated, some) if some.as_ref().is_some_and(BTreeSet::is_empty) => *some = None,
            (Change::MemberAdded(id), Some(users)) if !users.contains(id.as_str()) => {
                users.insert(id.as_str().to_owned());
            }
            (Change::MemberRemoved(id), Some(users)) if users.contains(id.as_str()) => {
                users.remove(id.as_str());
            }
            _ => panic!("{change:?} at a wrong time among {transitions:?}"),
        }
    }
    present
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Join { node: usize, user: u8, info: u8 },
    Leave { seat: usize },
    Tell { node: usize },
    Deliver { from: usize, to: usize },
    Lose { from: usize, to: usize, dead: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let link = || (0..NODES, 1..NODES).prop_map(|(from, step)| (from, (from + step) % NODES));
    prop_oneof![
        4 => (0..NODES, 0u8..4, 0u8..3).prop_map(|(node, user, info)| Step::Join { node, user, info }),
        4 => (0usize..16).prop_map(|seat| Step::Leave { seat }),
        4 => (0..NODES).prop_map(|node| Step::Tell { node }),
        6 => link().prop_map(|(from, to)| Step::Deliver { from, to }),
        1 => (link(), any::<bool>()).prop_map(|((from, to), dead)| Step::Lose { from, to, dead }),
    ]
}

proptest! {
    /// However news is delayed and lost: nobody comes twice or goes twice for any client, and once everything has
    /// arrived every client, and every node, knows who is there; and all nodes have the same info of each member, the
    /// least of those that the first connections on each node came with.
    #[test]
    fn everybody_agrees_in_the_end(steps in proptest::collection::vec(step(), 0..80)) {
        let mut cluster = Cluster::new(&Limits::default());
        let channel = name("presence-a");
        let mut seats: Vec<(usize, Seat)> = Vec::new();
        // Connections of each member on each node, and the info of the first.
        let mut infos = BTreeMap::<(String, usize), (usize, String)>::new();
        for step in steps {
            match step {
                Step::Join { node, user, info } => {
                    let (hub, user, info) = (&cluster.hubs[node], user.to_string(), info.to_string());
                    let connection = hub.register(None, Instant::now()).unwrap();
                    let member = Member::introduced(&user, &info).unwrap();
                    let joined = hub.subscribe(&channel, &connection, Some(&member), Instant::now()).unwrap().0;
                    infos.entry((user.clone(), node)).or_insert((0, info)).0 += 1;
                    let seat = Seat { connection, subscription: Some(joined), user, sees: BTreeSet::new() };
                    seats.push((node, seat));
                }
                Step::Leave { seat } => {
                    if seat < seats.len() {
                        let (node, mut seat) = seats.swap_remove(seat);
                        seat.subscription.take();
                        infos.get_mut(&(seat.user, node)).unwrap().0 -= 1;
                        infos.retain(|_, (connections, _)| *connections > 0);
                    }
                }
                Step::Tell { node } => cluster.tell(node),
                Step::Deliver { from, to } => drop(cluster.deliver(from, to)),
                Step::Lose { from, to, dead } => cluster.lose(from, to, dead),
            }
            seats.iter_mut().for_each(|(_, seat)| seat.read());
        }
        cluster.settle();
        let mut truth = BTreeMap::<&str, usize>::new();
        for (_, seat) in &mut seats {
            seat.read();
        }
        seats.iter().for_each(|(_, seat)| *truth.entry(&seat.user).or_default() += 1);
        let present: BTreeSet<_> = truth.keys().map(|user| (*user).to_owned()).collect();
        for (node, seat) in &seats {
            prop_assert_eq!(&seat.sees, &present, "a client of node {}", node);
        }
        let mut least = BTreeMap::<String, String>::new();
        for ((user, _), (_, info)) in infos {
            let known = least.entry(user).or_insert_with(|| info.clone());
            *known = info.min(known.clone());
        }
        for hub in &cluster.hubs {
            let members = hub.members(&channel);
            let members = members.iter().map(|member| (member.id.as_str().to_owned(), member.info.get().to_owned()));
            prop_assert_eq!(members.collect::<BTreeMap<_, _>>(), least.clone());
            let (transitions, _) = hub.transitions();
            prop_assert_eq!(occupants(&transitions), (!seats.is_empty()).then(|| present.clone()));
            let counts = Counts { subscriptions: seats.len(), users: present.len() };
            prop_assert_eq!(hub.counts(&channel), counts);
            prop_assert_eq!(hub.channels.len(), usize::from(!seats.is_empty()));
        }
        for node in 1..NODES {
            cluster.hubs[0].forget_node(NodeId(node as u64), Instant::now());
        }
        let here = seats.iter().filter(|(node, _)| *node == 0).count();
        prop_assert_eq!(cluster.hubs[0].counts(&channel).subscriptions, here);
    }
}

#[test]
fn a_user_is_online_while_signed_in_anywhere() {
    let mut cluster = Cluster::new(&Limits::default());
    let at = |secs| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(secs);
    let (ann, bob) = (UserId::new("ann"), UserId::new("bob"));
    let sign_in = |connection: &Registration, user: &UserId, watch: &[UserId], secs| {
        connection.sign_in(SignIn { user, watch, answers: &[], at: at(secs) });
    };
    let watcher = cluster.hubs[0].register(None, Instant::now()).unwrap();
    sign_in(&watcher, &ann, std::slice::from_ref(&bob), 1);
    let told = |watcher: &Registration| take(watcher).iter().map(text).collect::<Vec<_>>().join(" ");
    assert!(told(&watcher).contains(r#"\"name\":\"offline\",\"user_ids\":[\"bob\"]"#));
    let here = cluster.hubs[1].register(None, Instant::now()).unwrap();
    let there = cluster.hubs[2].register(None, Instant::now()).unwrap();
    sign_in(&there, &bob, &[], 20);
    cluster.settle();
    assert!(told(&watcher).contains(r#"\"name\":\"online\",\"user_ids\":[\"bob\"]"#));
    sign_in(&here, &bob, &[], 30);
    cluster.settle();
    assert_eq!(told(&watcher), "");
    for hub in &cluster.hubs {
        let online = hub.user(&bob).unwrap();
        assert_eq!((online.connections, online.since), (2, at(20)));
        assert_eq!(hub.stats_everywhere(Instant::now()).users, 2);
    }
    cluster.hubs[0].forget_node(NodeId(2), Instant::now());
    assert_eq!(told(&watcher), "");
    drop(here);
    cluster.settle();
    assert!(told(&watcher).contains(r#"\"name\":\"offline\",\"user_ids\":[\"bob\"]"#));
    assert_eq!(cluster.hubs[0].user(&bob), None);
    drop((watcher, there));
}

#[test]
fn the_quota_counts_connections_of_every_node() {
    let mut cluster = Cluster::new(&Limits { max_connections: 3, ..Limits::default() });
    let mut connections = vec![
        cluster.hubs[0].register(None, Instant::now()).unwrap(),
        cluster.hubs[1].register(None, Instant::now()).unwrap(),
    ];
    cluster.settle();
    connections.push(cluster.hubs[2].register(None, Instant::now()).unwrap());
    cluster.settle();
    for hub in &cluster.hubs {
        assert!(hub.register(None, Instant::now()).is_err());
    }
    connections.clear();
    cluster.settle();
    assert!(cluster.hubs[0].register(None, Instant::now()).is_ok());
}

#[test]
fn the_peak_is_known_to_those_who_ask_after_it() {
    let mut cluster = Cluster::new(&Limits::default());
    let mut connections = vec![cluster.hubs[0].register(None, Instant::now()).unwrap()];
    connections.push(cluster.hubs[1].register(None, Instant::now()).unwrap());
    cluster.settle();
    connections.push(cluster.hubs[0].register(None, Instant::now()).unwrap());
    cluster.settle();
    connections.clear();
    cluster.settle();
    let peaks = cluster.hubs.iter().map(|hub| hub.stats_everywhere(Instant::now()).peak_connections);
    assert_eq!(peaks.collect::<Vec<_>>(), [3; NODES]);
}
