//! What the node tells the others of itself: that it is alive, and what is so in its hubs, in numbered messages. Whoever
//! misses one sees the gap and asks for everything.

use super::Cluster;
use super::complaint::Complaint;
use super::interests::Interests;
use super::room;
use super::wire::{Said, Told};
use crate::hub::{Fact, Hub};
use crate::protocol::NodeId;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of facts in one message, unless a single fact is larger, or the bus takes less.
const PART: usize = 256 * 1024;
/// Who asks for everything so soon after it was told will hear it.
const TOLD_JUST_NOW: Duration = Duration::from_millis(500);

/// What has been told.
#[derive(Debug)]
pub(super) struct Telling {
    cluster: Cluster,
    /// The number of the last change told.
    serial: u64,
    /// When everything was told last, and to whom: nodes that were not there yet have not heard it.
    told_all: Option<(Instant, Vec<NodeId>)>,
    /// That something is too large to be told.
    too_large: Complaint,
}

impl Telling {
    /// Nothing yet.
    pub(super) fn new(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone(), serial: 0, told_all: None, too_large: Complaint::default() }
    }

    /// Tells that this node is there; the message's number.
    pub(super) fn alive(&self) -> u64 {
        self.cluster.tell(Said::Alive { serial: self.serial, about: self.cluster.about().into() })
    }

    /// Leaves a gap so that the others ask for everything.
    pub(super) fn skip(&mut self) {
        self.serial += 1;
    }

    /// Tells members and users who came and went.
    pub(super) fn changes(&mut self) {
        let (mut told, mut all) = (Vec::new(), false);
        for (app, hub) in self.cluster.0.hubs.all().iter() {
            let changes = hub.changes();
            all |= changes.all;
            told.extend(changes.facts.into_iter().map(|fact| Told { app: app.clone(), fact }));
        }
        if all {
            // There is too much to tell it one by one.
            self.skip();
        }
        self.tell(told);
    }

    /// Tells how many connections there are where that has changed, and lets go of topics that nobody needs.
    /// What apps add up to is told if it is `due`.
    pub(super) fn numbers(&mut self, due: bool) {
        let (now, mut told) = (super::now(), Vec::new());
        let Self { cluster, .. } = self;
        for (app, hub) in cluster.0.hubs.all().iter() {
            for fact in hub.numbers(due, now) {
                if let Fact::Connections { channel, connections: 0 } = &fact {
                    cluster.0.interests.idle(cluster.topic(app, channel), now);
                }
                if !matches!(&fact, Fact::Connections { channel, .. } if channel.is_user()) {
                    told.push(Told { app: app.to_owned(), fact });
                }
            }
        }
        let subscribed = |app: &str, channel: &_| cluster.0.hubs.get(app).is_some_and(|hub| hub.is_subscribed(channel));
        let interests: &Interests = &cluster.0.interests;
        interests.release(now, subscribed, |topic| cluster.0.broker.unsubscribe(topic));
        self.tell(told);
    }

    fn tell(&mut self, told: Vec<Told>) {
        if !self.cluster.is_up() {
            return;
        }
        for part in self.parts(told) {
            self.serial += 1;
            self.cluster.tell(Said::Changed { serial: self.serial, told: part });
        }
    }

    /// Tells everything to all `others`, in one go and in order with the changes, unless `asker` will hear what they have
    /// just been told.
    pub(super) fn all(&mut self, asker: NodeId, others: Vec<NodeId>, now: Instant) {
        let just_now = |told| now.saturating_duration_since(told) < TOLD_JUST_NOW;
        if self.told_all.as_ref().is_some_and(|(told, to)| just_now(*told) && to.contains(&asker)) {
            return;
        }
        self.told_all = Some((now, others));
        self.changes();
        let hubs = self.cluster.0.hubs.all();
        let told = |(app, hub): (&String, &Arc<Hub>)| {
            let app = app.clone();
            hub.facts(now).into_iter().map(move |fact| Told { app: app.clone(), fact })
        };
        let mut all = self.parts(hubs.iter().flat_map(told).collect());
        if all.is_empty() {
            all.push(Vec::new());
        }
        let parts = u32::try_from(all.len()).expect("no node has that many facts");
        for (part, told) in (0..).zip(all) {
            self.cluster.tell(Said::All { serial: self.serial, part, parts, told });
        }
    }

    /// Facts in parts that the bus takes.
    fn parts(&mut self, told: Vec<Told>) -> Vec<Vec<Told>> {
        let room = self.cluster.room();
        parts(room::fitting(told, room, &mut self.too_large), PART.min(room))
    }

    /// What was told just now does not count for a node that could not hear.
    pub(super) fn was_away(&mut self, node: NodeId) {
        if let Some((_, to)) = &mut self.told_all {
            to.retain(|told| *told != node);
        }
    }
}

/// Facts in parts of so many bytes, unless a single one is larger.
fn parts(told: Vec<Told>, most: usize) -> Vec<Vec<Told>> {
    let (mut parts, mut bytes) = (Vec::<Vec<Told>>::new(), 0);
    for told in told {
        bytes += told.size();
        match parts.last_mut() {
            Some(part) if bytes <= most => part.push(told),
            _ => {
                bytes = told.size();
                parts.push(vec![told]);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ChannelName;

    #[test]
    fn facts_are_told_in_parts_that_a_bus_takes() {
        let told = |n: usize| {
            let channel = ChannelName::parse(&format!("{n:0>164}"), 164).unwrap();
            Told { app: "1".to_owned(), fact: Fact::Connections { channel, connections: n } }
        };
        assert!(parts(Vec::new(), PART).is_empty());
        let parts = parts((0..5000).map(told).collect(), PART);
        let sizes: Vec<usize> = parts.iter().map(|part| part.iter().map(Told::size).sum()).collect();
        assert!(parts.len() > 2 && sizes.iter().all(|size| *size <= PART), "{sizes:?}");
        assert!(sizes[..sizes.len() - 1].iter().all(|size| *size > PART / 2), "{sizes:?}");
        let numbers = parts.iter().flatten().map(|told| match &told.fact {
            Fact::Connections { connections, .. } => *connections,
            fact => panic!("{fact:?}"),
        });
        assert!(numbers.eq(0..5000));
    }
}
