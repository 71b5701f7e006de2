//! Which node speaks for a channel where one has to: every node finds the same, without asking.

use crate::protocol::NodeId;

/// The home of an app's channel among `nodes` (rendezvous hashing): with a node more or less, only the channels that it
/// has or had move. `None` if there is no node.
pub(super) fn home(nodes: impl Iterator<Item = NodeId>, app: &str, channel: &str) -> Option<NodeId> {
    nodes.max_by_key(|node| (weight(*node, app, channel), *node))
}

/// FNV-1a, then a mixer, as neighbouring ids must not get neighbouring weights. The same in every version of the server:
/// nodes of different ones have to agree.
fn weight(node: NodeId, app: &str, channel: &str) -> u64 {
    let bytes = app.bytes().chain([0]).chain(channel.bytes()).chain(node.0.to_be_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn channels() -> impl Iterator<Item = String> {
        (0..3000).map(|n| format!("c-{n}"))
    }

    #[test]
    fn channels_are_spread_evenly_and_move_only_with_their_node() {
        let nodes = [NodeId(1), NodeId(2), NodeId(3)];
        let mut shares = BTreeMap::<_, usize>::new();
        for channel in channels() {
            let at = home(nodes.into_iter(), "app", &channel).unwrap();
            *shares.entry(at).or_default() += 1;
            let without = |gone| home(nodes.into_iter().filter(|node| *node != gone), "app", &channel).unwrap();
            for gone in nodes {
                assert_eq!(without(gone) == at, gone != at, "{channel} {gone}");
            }
            assert_eq!(home(nodes.into_iter().rev(), "app", &channel), Some(at), "whatever the order");
        }
        assert!(shares.values().all(|share| (850..1150).contains(share)), "{shares:?}");
    }

    #[test]
    fn every_version_finds_the_same() {
        let home = |n: usize| home([NodeId(1), NodeId(2)].into_iter(), "app", &channels().nth(n).unwrap()).unwrap().0;
        assert_eq!((0..12).map(home).collect::<Vec<_>>(), [1, 2, 2, 2, 2, 2, 1, 2, 2, 1, 1, 1]);
    }
}
