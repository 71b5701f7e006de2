//! Once nothing goes wrong and nobody does anything, everybody must come to the same view, which is the truth.

use super::api::Api;
use super::cached;
use super::channels;
use super::cluster::Cluster;
use super::loss;
use super::webhooks::WEBHOOKS;
use super::world::{State, World, name};
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// In which that must be so.
const SETTLED_WITHIN: Duration = Duration::from_secs(12);
/// Or, for what webhooks tell while some wait for a back end that fails now and then, in which.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
/// Of what is wrong in one quiet no more is told.
const TOLD: usize = 12;

/// What is so: connections and members by channel.
#[derive(Debug, Default, PartialEq, Eq)]
struct Truth {
    connections: BTreeMap<String, u64>,
    members: BTreeMap<String, BTreeSet<String>>,
}

/// Waits until all is well, and takes note of what is not in time. Whether it was.
pub(crate) async fn settle(world: &World, cluster: &Cluster, what: &'static str) -> bool {
    let start = Instant::now();
    loop {
        let wrong = differences(world, cluster).await;
        if wrong.is_empty() {
            world.tell(&format!("{what} after {:?}", start.elapsed()));
            world.state().lasted(what, start.elapsed());
            return true;
        }
        let waits = wrong.iter().all(|wrong| wrong.starts_with(WEBHOOKS)) && webhooks_wait(cluster).await;
        if start.elapsed() > if waits { TOLD_WITHIN } else { SETTLED_WITHIN } {
            wrong.iter().take(TOLD).for_each(|wrong| world.blame(&format!("in the quiet: {wrong}")));
            if wrong.len() > TOLD {
                world.blame(&format!("in the quiet: {} more of that", wrong.len() - TOLD));
            }
            for node in &cluster.nodes {
                if let Ok(endpoint) = webhooks(node.port).await {
                    let (state, waiting, oldest) = (&endpoint["state"], &endpoint["waiting"], &endpoint["oldest_ms"]);
                    let name = name(node.index);
                    world.tell(&format!("webhooks of {name}: {state}, {waiting} wait for {oldest} ms"));
                }
            }
            return false;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// How webhooks do on a node.
async fn webhooks(port: u16) -> std::io::Result<Value> {
    let mut answer = Api::connect(port).await?.get("/webhooks", "").await?;
    Ok(answer["endpoints"][0].take())
}

async fn webhooks_wait(cluster: &Cluster) -> bool {
    let waiting = join_all(cluster.nodes.iter().map(|node| webhooks(node.port))).await;
    waiting.into_iter().flatten().any(|endpoint| endpoint["waiting"] != 0)
}

/// Adds up what has arrived, and forgets it: it has been looked for.
pub(crate) fn close_accounts(world: &World) {
    let count = loss::count(&world.state(), |at| world.at(at));
    for ((from, to), (events, first, last)) in &count.excused {
        let (first, last) = (world.at(*first), world.at(*last));
        world.tell(&format!("{events} events of {from} at {first} to {last} are lost for {to}, which is excused"));
    }
    let state = &mut *world.state();
    *state.figures.entry("deliveries checked").or_default() += count.arrived;
    *state.figures.entry("losses excused").or_default() +=
        count.excused.values().map(|(events, ..)| events).sum::<u64>();
    state.lasted("delivery on the same node", count.slowest_here);
    state.lasted("delivery to another node", count.slowest_there);
    state.published.clear();
    cached::forget(state);
}

async fn differences(world: &World, cluster: &Cluster) -> Vec<String> {
    let mut wrong = Vec::new();
    wrong.extend(
        cluster.nodes.iter().filter(|node| node.has_died()).map(|node| format!("{} is dead", name(node.index))),
    );
    let truth = {
        let state = world.state();
        let truth = Truth::of(&state);
        let unsettled = state.tabs.iter().filter(|tab| !tab.is_settled());
        wrong.extend(unsettled.map(|tab| format!("{} waits: {:?}, {:?}", tab.name, tab.place, tab.subscriptions)));
        wrong.extend(rosters(&state, &truth));
        wrong.extend(logs(&state, &truth));
        wrong.extend(state.webhooks.wrong(&truth.there().into_iter().collect(), &truth.counts()));
        wrong.extend(loss::count(&state, |at| world.at(at)).lost);
        let heard =
            |id: &u64| state.tabs.iter().any(|tab| channels::all().any(|channel| tab.heard(channel, *id).is_some()));
        let refused = state.refused.iter().filter(|id| heard(id));
        wrong.extend(refused.map(|id| format!("event {id} was refused and delivered")));
        truth
    };
    if wrong.is_empty() {
        for node in &cluster.nodes {
            match seen(node.port, &truth).await {
                Ok(seen) if seen == truth => {}
                Ok(seen) => wrong.push(format!("node {} says {}", name(node.index), seen.unlike(&truth))),
                Err(error) => wrong.push(format!("node {} does not say what is so: {error}", name(node.index))),
            }
        }
    }
    if wrong.is_empty() {
        for node in &cluster.nodes {
            let of_node = |what| format!("a newcomer on node {}: {what}", name(node.index));
            match cached::newcomer(node.port).await {
                Ok(first) => wrong.extend(cached::wrong(&world.state(), &first).into_iter().map(of_node)),
                Err(error) => wrong.push(of_node(error.to_string())),
            }
        }
    }
    wrong
}

fn rosters(state: &State, truth: &Truth) -> Vec<String> {
    let mut wrong = Vec::new();
    for tab in &state.tabs {
        for (channel, members) in &truth.members {
            if let Some(roster) = tab.roster(channel).filter(|roster| *roster != members) {
                let place = tab.place.expect("it is subscribed");
                let (missing, extra) = (members.difference(roster), roster.difference(members));
                wrong.push(format!(
                    "{} of {} on {place} takes {:?} for absent and {:?} for present in {channel}",
                    tab.name,
                    tab.user,
                    missing.collect::<Vec<_>>(),
                    extra.collect::<Vec<_>>()
                ));
            }
        }
    }
    wrong
}

/// What is there according to what nodes have logged.
fn logs(state: &State, truth: &Truth) -> Vec<String> {
    let there = truth.there();
    let logged = state.nodes.iter().enumerate().filter_map(|(node, state)| Some((node, state.present.as_ref()?)));
    let mut wrong = Vec::new();
    for (node, present) in logged {
        let logged: BTreeSet<_> = present.iter().filter(|(_, is)| **is).map(|(what, _)| what.clone()).collect();
        if logged != there {
            let (missing, extra): (Vec<_>, Vec<_>) =
                (there.difference(&logged).collect(), logged.difference(&there).collect());
            wrong.push(format!("node {} has logged no end of {extra:?} and no beginning of {missing:?}", name(node)));
        }
    }
    wrong
}

/// What a node's API says, of every channel.
async fn seen(port: u16, truth: &Truth) -> std::io::Result<Truth> {
    let mut api = Api::connect(port).await?;
    let list = api.get("/channels", "").await?;
    let listed = list["channels"].as_object().into_iter().flat_map(|channels| channels.keys());
    let mut seen = Truth::default();
    for channel in listed.map(String::as_str).chain(truth.connections.keys().map(String::as_str)) {
        let is_presence = channels::is_presence(channel);
        let info = if is_presence { "info=subscription_count,user_count" } else { "info=subscription_count" };
        let answer = api.get(&format!("/channels/{channel}"), info).await?;
        seen.connections.insert(channel.to_owned(), answer["subscription_count"].as_u64().unwrap_or_default());
        if is_presence {
            let users = api.get(&format!("/channels/{channel}/users"), "").await?;
            let users = users["users"].as_array().into_iter().flatten();
            let users: BTreeSet<_> = users.filter_map(|user| user["id"].as_str()).map(str::to_owned).collect();
            if answer["user_count"].as_u64() != u64::try_from(users.len()).ok() {
                return Err(std::io::Error::other(format!("{answer} of {channel} with the users {users:?}")));
            }
            seen.members.insert(channel.to_owned(), users);
        }
    }
    Ok(seen)
}

impl Truth {
    fn of(state: &State) -> Self {
        let mut truth = Self::default();
        for tab in &state.tabs {
            for channel in channels::all().filter(|channel| tab.since(channel).is_some()) {
                *truth.connections.entry(channel.to_owned()).or_default() += 1;
                if channels::is_presence(channel) {
                    truth.members.entry(channel.to_owned()).or_default().insert(tab.user.clone());
                }
            }
        }
        truth
    }

    /// Channels and members, each by its name.
    fn there(&self) -> BTreeSet<String> {
        let of = |(channel, users): (&String, &BTreeSet<String>)| {
            users.iter().map(|user| format!("{channel} {user}")).collect::<Vec<_>>()
        };
        self.connections.keys().cloned().chain(self.members.iter().flat_map(of)).collect()
    }

    /// Numbers of subscribers that webhooks tell of.
    fn counts(&self) -> BTreeMap<String, u64> {
        let told = self.connections.iter().filter(|(channel, _)| !channels::is_presence(channel));
        told.map(|(channel, count)| (channel.clone(), *count)).collect()
    }

    /// Where it is not as `truth` is.
    fn unlike(&self, truth: &Self) -> String {
        let mut unlike = Vec::new();
        for channel in self.connections.keys().chain(truth.connections.keys()).collect::<BTreeSet<_>>() {
            let of = |truth: &Self| (truth.connections.get(channel).copied(), truth.members.get(channel).cloned());
            if of(self) != of(truth) {
                unlike.push(format!("{channel} has {:?}, not {:?}", of(self), of(truth)));
            }
        }
        unlike.join("; ")
    }
}
