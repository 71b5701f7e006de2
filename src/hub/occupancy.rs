//! Who is present in a channel, here and on other nodes: distinct members and their connections. Pure data (M2, M5).

use crate::protocol::presence::Member;
use crate::protocol::{NodeId, UserId};
use indexmap::IndexMap;

/// The members of one presence channel; empty for every other channel.
#[derive(Debug, Default)]
pub(super) struct Occupancy {
    members: IndexMap<UserId, Present>,
}

#[derive(Debug)]
struct Present {
    member: Member,
    here: usize,
    /// Other nodes with connections of the member, and how many.
    elsewhere: Vec<(NodeId, usize)>,
}

/// What a join or a leave changed for everyone else. Callers act on it; nobody counts again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    /// The member's first connection came (M7).
    Added,
    /// The member's last connection went (M8).
    Removed,
    /// The member was and is present through another connection.
    Same,
}

impl Occupancy {
    /// Counts a connection of `member` here. A member who is present already keeps the info it came with (M5).
    pub(super) fn join(&mut self, member: &Member) -> Membership {
        let (present, membership) = self.present(member);
        present.here += 1;
        membership
    }

    /// Forgets one connection of the member `id` here.
    pub(super) fn leave(&mut self, id: &UserId) -> Membership {
        match self.members.get_mut(id) {
            Some(present) if present.here > 0 => {
                present.here -= 1;
                self.settle(id)
            }
            _ => Membership::Same,
        }
    }

    /// Takes note that `node` has `connections` of the member now.
    pub(super) fn set(&mut self, node: NodeId, member: &Member, connections: usize) -> Membership {
        if connections == 0 {
            return self.unset(node, &member.id);
        }
        let (present, membership) = self.present(member);
        // Two nodes may take the member in at once, each with other info: all of them settle on the same.
        if member.info.get() < present.member.info.get() {
            present.member = member.clone();
        }
        match present.elsewhere.iter_mut().find(|(known, _)| *known == node) {
            Some((_, count)) => *count = connections,
            None => present.elsewhere.push((node, connections)),
        }
        membership
    }

    /// Takes note that `node` has no connection of the member `id` any more.
    pub(super) fn unset(&mut self, node: NodeId, id: &UserId) -> Membership {
        match self.members.get_mut(id) {
            Some(present) if present.elsewhere.iter().any(|(known, _)| *known == node) => {
                present.elsewhere.retain(|(known, _)| *known != node);
                self.settle(id)
            }
            _ => Membership::Same,
        }
    }

    /// Members with connections on `node`.
    pub(super) fn of(&self, node: NodeId) -> Vec<UserId> {
        let there = |present: &&Present| present.elsewhere.iter().any(|(known, _)| *known == node);
        self.members.values().filter(there).map(|present| present.member.id.clone()).collect()
    }

    /// Members with connections here, and how many.
    pub(super) fn here(&self) -> impl Iterator<Item = (&Member, usize)> {
        self.members.values().filter(|present| present.here > 0).map(|present| (&present.member, present.here))
    }

    /// The member `id`, and its connections here.
    pub(super) fn get(&self, id: &UserId) -> Option<(&Member, usize)> {
        self.members.get(id).map(|present| (&present.member, present.here))
    }

    /// Distinct members, wherever they are.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The members, in no promised order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Member> + Clone {
        self.members.values().map(|present| &present.member)
    }

    /// The place of a member who has a connection more in a moment.
    fn present(&mut self, member: &Member) -> (&mut Present, Membership) {
        let mut membership = Membership::Same;
        let present = self.members.entry(member.id.clone()).or_insert_with(|| {
            membership = Membership::Added;
            Present { member: member.clone(), here: 0, elsewhere: Vec::new() }
        });
        (present, membership)
    }

    /// Forgets a member who has no connection left.
    fn settle(&mut self, id: &UserId) -> Membership {
        if self.members.get(id).is_some_and(|present| present.here == 0 && present.elsewhere.is_empty()) {
            self.members.swap_remove(id);
            return Membership::Removed;
        }
        Membership::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn member(id: u8) -> Member {
        Member::parse(&format!(r#"{{"user_id":{id}}}"#), 128, 1024).unwrap()
    }

    #[test]
    fn a_second_connection_changes_nothing_and_keeps_the_first_info() {
        let mut occupancy = Occupancy::default();
        assert_eq!(occupancy.join(&member(1)), Membership::Added);
        let other = Member::parse(r#"{"user_id":1,"user_info":{"tab":2}}"#, 128, 1024).unwrap();
        assert_eq!(occupancy.join(&other), Membership::Same);
        assert_eq!(occupancy.iter().map(|m| m.info.get()).collect::<Vec<_>>(), ["{}"]);
        assert_eq!(occupancy.set(NodeId(1), &other, 1), Membership::Same);
        assert_eq!(occupancy.leave(&other.id), Membership::Same);
        assert_eq!(occupancy.unset(NodeId(1), &other.id), Membership::Same);
        assert_eq!(occupancy.leave(&other.id), Membership::Removed);
        assert_eq!(occupancy.leave(&other.id), Membership::Same);
    }

    #[test]
    fn nodes_that_take_a_member_in_at_once_settle_on_one_info() {
        let tab =
            |tab: u8| Member::parse(&format!(r#"{{"user_id":1,"user_info":{{"tab":{tab}}}}}"#), 128, 1024).unwrap();
        let infos = |occupancy: &Occupancy| occupancy.iter().map(|m| m.info.get().to_owned()).collect::<Vec<_>>();
        let [mut one, mut two, mut third] = [(); 3].map(|()| Occupancy::default());
        one.join(&tab(1));
        two.join(&tab(2));
        one.set(NodeId(2), &tab(2), 1);
        two.set(NodeId(1), &tab(1), 1);
        third.set(NodeId(2), &tab(2), 1);
        third.set(NodeId(1), &tab(1), 1);
        assert_eq!([&one, &two, &third].map(infos), [[r#"{"tab":1}"#]; 3]);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Join(u8),
        Leave(u8),
        Set(u64, u8, usize),
        Forget(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (id, node) = (0u8..4, 0u64..3);
        prop_oneof![
            4 => id.clone().prop_map(Step::Join),
            4 => id.clone().prop_map(Step::Leave),
            4 => (node.clone(), id, 0usize..3).prop_map(|(node, id, count)| Step::Set(node, id, count)),
            1 => node.prop_map(Step::Forget),
        ]
    }

    proptest! {
        /// Any order of joins, leaves, news and deaths agrees with a plain count for each member and node, and each
        /// member comes and goes in turns.
        #[test]
        fn agrees_with_counting(steps in proptest::collection::vec(step(), 0..80)) {
            // Connections of each member by node, of which this one is `None`.
            let (mut occupancy, mut model) = (Occupancy::default(), BTreeMap::<u8, BTreeMap<Option<u64>, usize>>::new());
            for step in steps {
                let before = model.clone();
                let mut told = BTreeMap::new();
                match step {
                    Step::Join(id) => {
                        *model.entry(id).or_default().entry(None).or_default() += 1;
                        told.insert(id, occupancy.join(&member(id)));
                    }
                    Step::Leave(id) => {
                        let here = model.entry(id).or_default().entry(None).or_default();
                        *here = here.saturating_sub(1);
                        told.insert(id, occupancy.leave(&member(id).id));
                    }
                    Step::Set(node, id, count) => {
                        model.entry(id).or_default().insert(Some(node), count);
                        told.insert(id, occupancy.set(NodeId(node), &member(id), count));
                    }
                    Step::Forget(node) => {
                        for nodes in model.values_mut() {
                            nodes.remove(&Some(node));
                        }
                        for id in occupancy.of(NodeId(node)) {
                            told.insert(id.as_str().parse().unwrap(), occupancy.unset(NodeId(node), &id));
                        }
                    }
                }
                let sum = |of: &BTreeMap<u8, BTreeMap<_, usize>>, id| of.get(&id).map_or(0, |nodes| nodes.values().sum());
                for id in 0..4 {
                    let expect = match (sum(&before, id), sum(&model, id)) {
                        (0, 1..) => Membership::Added,
                        (1.., 0) => Membership::Removed,
                        _ => Membership::Same,
                    };
                    prop_assert_eq!(told.get(&id).copied().unwrap_or(Membership::Same), expect, "{} after {:?}", id, step);
                }
                let mut present: Vec<u8> = occupancy.iter().map(|m| m.id.as_str().parse().unwrap()).collect();
                present.sort_unstable();
                prop_assert_eq!(present, (0..4).filter(|id| sum(&model, *id) > 0).collect::<Vec<_>>());
                for id in 0..4 {
                    let here = model.get(&id).and_then(|nodes| nodes.get(&None)).copied().unwrap_or(0);
                    prop_assert_eq!(occupancy.get(&member(id).id).map_or(0, |(_, here)| here), here);
                }
            }
        }
    }
}
