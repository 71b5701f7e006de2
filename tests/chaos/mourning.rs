//! Those who were on a node that is gone, until nobody takes them for present.

use super::channels;
use super::world::{Place, State, World};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// A node that says nothing is given up after 7 s, and looked after once a second.
const KILLED: Duration = Duration::from_secs(10);
/// A second is promised; a busy machine gets more.
const STOPPED: Duration = Duration::from_secs(3);

/// A dead link is noticed in less.
const UNNOTICED: Duration = Duration::from_secs(5);
/// After a trouble, in which nodes hear of each other again.
const LINKED_AGAIN: Duration = Duration::from_secs(2);

pub(crate) struct Mourning {
    world: World,
    place: Place,
    gone: BTreeSet<(&'static str, String)>,
}

impl Mourning {
    /// Of the members who are on that node alone.
    pub(crate) fn of(world: &World, node: usize) -> Self {
        let state = world.state();
        let place = Place { node, run: state.nodes[node].runs.len() - 1 };
        let there = state.tabs.iter().filter(|tab| tab.place == Some(place));
        let on_it = there.flat_map(|tab| {
            let presence = tab.subscriptions.keys().filter(|channel| channels::is_presence(channel));
            presence.map(|channel| (*channel, tab.user.clone()))
        });
        let gone = on_it.filter(|(channel, user)| !is_elsewhere(&state, place, channel, user)).collect();
        drop(state);
        Self { world: world.clone(), place, gone }
    }

    pub(crate) async fn killed(self, at: Instant) {
        self.watch(at, KILLED, "members of a killed node gone").await;
    }

    pub(crate) async fn stopped(self, at: Instant) {
        self.watch(at, STOPPED, "members of a stopped node gone").await;
    }

    async fn watch(mut self, at: Instant, mut within: Duration, what: &'static str) {
        let mut since = at;
        while !self.gone.is_empty() {
            sleep(Duration::from_millis(20)).await;
            {
                let state = &mut *self.world.state();
                // Nodes that cannot hear of each other are told from dead ones only once they can.
                let troubles = || state.nodes.iter().flat_map(|node| &node.troubles);
                // Who could not hear the farewell takes the node for one that was killed.
                let deaf = |(start, end): &(Instant, Option<Instant>)| {
                    *start < at + STOPPED && end.is_none_or(|end| end + UNNOTICED > at)
                };
                if troubles().any(deaf) {
                    within = within.max(KILLED);
                }
                let well = troubles().map(|(_, end)| end.unwrap_or_else(Instant::now) + LINKED_AGAIN).max();
                since = since.max(well.unwrap_or(since));
                let place = self.place;
                // Nor is anybody gone who was on another node that was killed, until that is given up.
                let others = state.nodes.iter().flat_map(|node| &node.runs).flatten();
                let other = others.filter(|end| **end != at && **end + KILLED > at).max();
                if let Some(other) = other {
                    since = since.max(*other + KILLED);
                }
                // Who comes back is present rightly.
                self.gone.retain(|(channel, user)| !is_elsewhere(state, place, channel, user));
                let before = self.gone.len();
                self.gone.retain(|(channel, user)| {
                    state.tabs.iter().any(|tab| tab.roster(channel).is_some_and(|roster| roster.contains(user)))
                });
                if self.gone.len() < before {
                    if since == at {
                        state.lasted(what, at.elapsed());
                    }
                    *state.figures.entry(what).or_default() += u64::try_from(before - self.gone.len()).unwrap();
                }
            }
            if since.elapsed() > within {
                let left: Vec<_> = self.gone.iter().take(5).collect();
                let text = format!("{within:?} after the end of {} somebody takes for present: {left:?}", self.place);
                return self.world.blame(&text);
            }
        }
    }
}

/// Whether the user is in the channel, or about to be, by another process.
fn is_elsewhere(state: &State, place: Place, channel: &str, user: &str) -> bool {
    let mut tabs = state.tabs.iter().filter(|tab| tab.user == user && tab.place.is_some_and(|at| at != place));
    tabs.any(|tab| tab.subscriptions.contains_key(channel))
}
