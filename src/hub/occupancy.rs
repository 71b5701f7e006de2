//! Who is present in a channel: distinct members and their connections. Pure data (M2, M5).

use crate::protocol::UserId;
use crate::protocol::presence::Member;
use indexmap::IndexMap;

/// The members of one presence channel; empty for every other channel.
#[derive(Debug, Default)]
pub(super) struct Occupancy {
    members: IndexMap<UserId, Present>,
}

#[derive(Debug)]
struct Present {
    member: Member,
    connections: usize,
}

/// What a join or a leave changed for everyone else. Callers act on it; nobody counts again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    /// The member's first connection came (M7).
    MemberAdded,
    /// The member's last connection went (M8).
    MemberRemoved,
    /// The member was and is present through another connection.
    None,
}

impl Occupancy {
    /// Counts a connection of `member`. A member who is present already keeps the info it came with (M5).
    pub(super) fn join(&mut self, member: &Member) -> Transition {
        if let Some(present) = self.members.get_mut(&member.id) {
            present.connections += 1;
            return Transition::None;
        }
        self.members.insert(member.id.clone(), Present { member: member.clone(), connections: 1 });
        Transition::MemberAdded
    }

    /// Forgets one connection of the member `id`.
    pub(super) fn leave(&mut self, id: &UserId) -> Transition {
        let Some(present) = self.members.get_mut(id) else { return Transition::None };
        present.connections -= 1;
        if present.connections > 0 {
            return Transition::None;
        }
        self.members.swap_remove(id);
        Transition::MemberRemoved
    }

    /// Whether the member `id` has a connection here.
    pub(super) fn contains(&self, id: &UserId) -> bool {
        self.members.contains_key(id)
    }

    /// Distinct members.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The members, in no promised order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Member> + Clone {
        self.members.values().map(|present| &present.member)
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
        assert_eq!(occupancy.join(&member(1)), Transition::MemberAdded);
        let other = Member::parse(r#"{"user_id":1,"user_info":{"tab":2}}"#, 128, 1024).unwrap();
        assert_eq!(occupancy.join(&other), Transition::None);
        assert_eq!(occupancy.iter().map(|m| m.info.get()).collect::<Vec<_>>(), ["{}"]);
        assert_eq!(occupancy.leave(&other.id), Transition::None);
        assert_eq!(occupancy.leave(&other.id), Transition::MemberRemoved);
        assert_eq!(occupancy.leave(&other.id), Transition::None);
    }

    proptest! {
        /// Any order of joins and leaves agrees with a plain count for each member.
        #[test]
        fn agrees_with_counting(steps in proptest::collection::vec((any::<bool>(), 0u8..4), 0..60)) {
            let (mut occupancy, mut model) = (Occupancy::default(), BTreeMap::<u8, usize>::new());
            for (joins, id) in steps {
                let count = model.entry(id).or_default();
                let expect = match (joins, *count) {
                    (true, 0) => Transition::MemberAdded,
                    (false, 1) => Transition::MemberRemoved,
                    _ => Transition::None,
                };
                let got = if joins { occupancy.join(&member(id)) } else { occupancy.leave(&member(id).id) };
                *count = if joins { *count + 1 } else { count.saturating_sub(1) };
                prop_assert_eq!(got, expect);
            }
            let mut present: Vec<_> = occupancy.iter().map(|m| m.id.as_str().to_owned()).collect();
            present.sort();
            let expect: Vec<_> = model.iter().filter(|(_, n)| **n > 0).map(|(id, _)| id.to_string()).collect();
            prop_assert_eq!(present, expect);
        }
    }
}
