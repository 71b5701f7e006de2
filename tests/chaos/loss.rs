//! What was accepted and did not arrive.

use super::publish::Published;
use super::world::{Place, State};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// In which nodes that can talk to each other hand over what they have, and make up for what was missed.
const HANDED_OVER: Duration = Duration::from_secs(4);
/// Nodes repeat what others have missed; until they do, only those without trouble count.
const REPEATED: bool = true;

/// In which an event reaches subscribers on the node that accepted it, whatever the bus does. A busy machine gets more
/// than it should take.
const HERE_WITHIN: Duration = Duration::from_secs(3);

/// Events that somebody waits for in vain, and how many have arrived or are excused.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) lost: Vec<String>,
    pub(crate) arrived: u64,
    /// By the processes that accepted them and those that should have got them, with the times of the first and the last.
    pub(crate) excused: BTreeMap<(Place, Place), (u64, Instant, Instant)>,
    pub(crate) slowest_here: Duration,
    pub(crate) slowest_there: Duration,
}

/// Looks for all that was published and whoever must have heard it.
pub(crate) fn count(state: &State, at: impl Fn(Instant) -> String) -> Count {
    let mut count = Count::default();
    for event in &state.published {
        for channel in &event.channels {
            for tab in &state.tabs {
                let is_due = tab.since(channel).is_some_and(|since| since < event.begun)
                    && event.except.as_ref() != Some(&tab.socket_id);
                if !is_due {
                    continue;
                }
                let place = tab.place.expect("it is subscribed");
                if let Some(heard) = tab.heard(channel, event.id) {
                    count.arrived += 1;
                    let took = heard.saturating_duration_since(event.begun);
                    let paused = state.nodes[place.node].paused.is_some_and(|paused| paused > event.begun);
                    if place != event.place {
                        count.slowest_there = took.max(count.slowest_there);
                    } else if !paused {
                        count.slowest_here = took.max(count.slowest_here);
                        if took > HERE_WITHIN {
                            let (id, begun, heard) = (event.id, at(event.begun), at(heard));
                            let text = format!("{} on {place}: event {id} of {begun} came at {heard}", tab.name);
                            count.lost.push(text);
                        }
                    }
                } else if is_excused(state, event, place) {
                    let first = (0, event.begun, event.accepted);
                    let (events, _, last) = count.excused.entry((event.place, place)).or_insert(first);
                    (*events, *last) = (*events + 1, event.accepted);
                } else {
                    let (begun, ended) = (at(event.begun), at(event.accepted));
                    count.lost.push(format!(
                        "{} of {} on {place} has not got event {} of {channel}, which {} accepted at {begun} to {ended}",
                        tab.name, tab.user, event.id, event.place
                    ));
                }
            }
        }
    }
    count
}

/// A node that is gone cannot hand over what it has: it counts if it had time to, in which nothing kept the two nodes
/// from talking to each other.
fn is_excused(state: &State, event: &Published, to: Place) -> bool {
    if event.place == to {
        return false;
    }
    if !REPEATED {
        let mut troubles = [event.place.node, to.node].into_iter().flat_map(|node| &state.nodes[node].troubles);
        let near = |(start, end): &(Instant, Option<Instant>)| {
            *start < event.accepted + HANDED_OVER && end.is_none_or(|end| end + HANDED_OVER > event.begun)
        };
        if troubles.any(near) {
            return true;
        }
    }
    state.ended(event.place).is_some() && handed_over(state, event, Some(to.node)).is_none()
}

/// When an event had certainly been handed to the bus and taken from it by the node `to`; `None` if its process may have
/// ended before, or it is too early to say.
pub(crate) fn handed_over(state: &State, event: &Published, to: Option<usize>) -> Option<Instant> {
    let nodes = || [event.place.node].into_iter().chain(to);
    let troubles = || nodes().flat_map(|node| &state.nodes[node].troubles);
    // The first moment from which on nothing went wrong for long enough.
    let mut well = event.accepted;
    loop {
        let over = troubles().filter(|(start, end)| *start < well + HANDED_OVER && end.is_none_or(|end| end > well));
        match over.map(|(_, end)| *end).max_by_key(|end| end.map_or((1, None), |end| (0, Some(end)))) {
            Some(Some(end)) => well = end,
            Some(None) => return None,
            None => {
                let over = well + HANDED_OVER;
                return Some(over).filter(|over| state.ended(event.place).is_none_or(|ended| ended >= *over));
            }
        }
    }
}
