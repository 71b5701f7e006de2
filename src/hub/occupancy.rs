//! Who is present in a channel, here and on other nodes: distinct members and their connections. Pure data (M2, M5).

use crate::protocol::presence::Member;
use crate::protocol::{NodeId, UserId};
use indexmap::IndexMap;

/// The members of one presence channel; empty for every other channel.
#[derive(Debug, Default)]
pub(super) struct Occupancy {
    members: IndexMap<UserId, Present>,
}

/// A member as each node with connections of it introduces it, and how many: this one, and others.
#[derive(Debug, Default)]
struct Present {
    here: Option<(Member, usize)>,
    elsewhere: Vec<(NodeId, Member, usize)>,
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
    /// Counts a connection of `member` here. A member who is present here already keeps the info it came with (M5).
    pub(super) fn join(&mut self, member: &Member) -> Membership {
        let (present, member, membership) = self.present(member);
        present.here.get_or_insert((member, 0)).1 += 1;
        membership
    }

    /// Forgets one connection of the member `id` here.
    pub(super) fn leave(&mut self, id: &UserId) -> Membership {
        let Some(present) = self.members.get_mut(id) else { return Membership::Same };
        present.here = present.here.take().map(|(member, here)| (member, here - 1)).filter(|(_, here)| *here > 0);
        self.settle(id)
    }

    /// Takes note that `node` has `connections` of the member now.
    pub(super) fn set(&mut self, node: NodeId, member: &Member, connections: usize) -> Membership {
        if connections == 0 {
            return self.unset(node, &member.id);
        }
        let (present, member, membership) = self.present(member);
        match present.elsewhere.iter_mut().find(|(known, ..)| *known == node) {
            Some(known) => *known = (node, member, connections),
            None => {
                // Most members are on one node.
                present.elsewhere.reserve_exact(1);
                present.elsewhere.push((node, member, connections));
            }
        }
        membership
    }

    /// Takes note that `node` has no connection of the member `id` any more.
    pub(super) fn unset(&mut self, node: NodeId, id: &UserId) -> Membership {
        let Some(present) = self.members.get_mut(id) else { return Membership::Same };
        present.elsewhere.retain(|(known, ..)| *known != node);
        self.settle(id)
    }

    /// Members with connections on `node`.
    pub(super) fn of(&self, node: NodeId) -> impl Iterator<Item = &Member> {
        let there = move |present: &Present| present.elsewhere.iter().any(|(known, ..)| *known == node);
        self.members.values().filter(move |present| there(present)).map(Present::member)
    }

    /// Members with connections here, and how many.
    pub(super) fn here(&self) -> impl Iterator<Item = (&Member, usize)> {
        self.members.values().filter_map(Present::here)
    }

    /// The member `id` as this node introduces it, and its connections here, if it has some.
    pub(super) fn get(&self, id: &UserId) -> Option<(&Member, usize)> {
        self.members.get(id).and_then(Present::here)
    }

    /// Whether the member `id` is present, wherever that is.
    pub(super) fn has(&self, id: &UserId) -> bool {
        self.members.contains_key(id)
    }

    /// Distinct members, wherever they are.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The members, in no promised order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Member> + Clone {
        self.members.values().map(Present::member)
    }

    /// The place of a member who has a connection more in a moment, and the member as it is to be held there: once, if
    /// several nodes say the same of it.
    fn present(&mut self, member: &Member) -> (&mut Present, Member, Membership) {
        let mut membership = Membership::Same;
        let present = self.members.entry(member.id.clone()).or_insert_with(|| {
            membership = Membership::Added;
            Present::default()
        });
        let same = present.all().find(|known| known.info.get() == member.info.get());
        let member = same.unwrap_or(member).clone();
        (present, member, membership)
    }

    /// Forgets a member who has no connection left.
    fn settle(&mut self, id: &UserId) -> Membership {
        if self.members.get(id).is_some_and(|present| present.here.is_none() && present.elsewhere.is_empty()) {
            self.members.swap_remove(id);
            return Membership::Removed;
        }
        Membership::Same
    }
}

impl Present {
    fn here(&self) -> Option<(&Member, usize)> {
        self.here.as_ref().map(|(member, here)| (member, *here))
    }

    /// As each node introduces it.
    fn all(&self) -> impl Iterator<Item = &Member> {
        self.here().map(|(member, _)| member).into_iter().chain(self.elsewhere.iter().map(|(_, member, _)| member))
    }

    /// The member with the one info that all nodes agree on: the least text of those that count now. What a session said
    /// that is gone does not.
    fn member(&self) -> &Member {
        self.all().min_by_key(|member| member.info.get()).expect("a member without connections is forgotten")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;

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
    fn all_nodes_agree_on_the_info_of_a_session_that_is_there() {
        let tab =
            |tab: u8| Member::parse(&format!(r#"{{"user_id":1,"user_info":{{"tab":{tab}}}}}"#), 128, 1024).unwrap();
        let infos = |occupancy: &Occupancy| occupancy.iter().map(|m| m.info.get().to_owned()).collect::<Vec<_>>();
        let [mut one, mut two, mut third] = [(); 3].map(|()| Occupancy::default());
        one.join(&tab(2));
        two.join(&tab(1));
        one.set(NodeId(2), &tab(1), 1);
        two.set(NodeId(1), &tab(2), 1);
        third.set(NodeId(1), &tab(2), 1);
        third.set(NodeId(2), &tab(1), 1);
        assert_eq!([&one, &two, &third].map(infos), [[r#"{"tab":1}"#]; 3]);
        // Each node tells its own.
        assert_eq!(one.here().map(|(member, _)| member.info.get()).collect::<Vec<_>>(), [tab(2).info.get()]);
        two.leave(&tab(1).id);
        one.unset(NodeId(2), &tab(1).id);
        third.unset(NodeId(2), &tab(1).id);
        assert_eq!([&one, &two, &third].map(infos), [[r#"{"tab":2}"#]; 3]);
    }

    #[test]
    fn what_several_nodes_say_alike_is_held_once() {
        let (mut occupancy, held) = (Occupancy::default(), member(1));
        occupancy.join(&held);
        for node in 1..4 {
            occupancy.set(NodeId(node), &member(1), 1);
        }
        let infos: Vec<_> = occupancy.members[0].all().map(|member| &member.info).collect();
        assert!(infos.len() == 4 && infos.iter().all(|info| Arc::ptr_eq(info, &held.info)));
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
                        let of: Vec<_> = occupancy.of(NodeId(node)).map(|member| member.id.clone()).collect();
                        for id in of {
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
