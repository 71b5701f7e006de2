//! How soon a node notices that its link to the bus is dead, and that it is not any more: as it says in its log.

use super::proxy::Mode;
use super::world::{Node, World, name};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Each connection is asked once a second whether it lives, and has two seconds to answer.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);
/// A second is promised. A question that was asked just before takes two to be given up, and a busy machine gets more.
const UP_WITHIN: Duration = Duration::from_secs(4);

/// Waits, for as long as a link is bad, until its node says that it is down.
pub(crate) async fn noticed(world: &World, node: usize, mode: Mode, lasting: Duration) {
    if matches!(mode, Mode::Halve(_)) {
        watch(world, node, (lasting, NOTICED_WITHIN), 1, "dead link noticed", |node| node.up.is_none()).await;
    }
}

/// Waits until a node says that its link is up again.
pub(crate) async fn up_again(world: World, node: usize) {
    let within = (UP_WITHIN + Duration::from_secs(1), UP_WITHIN);
    watch(&world, node, within, 0, "link up again", |node| node.up.is_some()).await;
}

async fn watch(
    world: &World,
    node: usize,
    (lasting, within): (Duration, Duration),
    troubles: usize,
    what: &'static str,
    is_so: impl Fn(&Node) -> bool,
) {
    let (start, known) = (Instant::now(), world.state().nodes[node].troubles.len());
    while start.elapsed() < lasting {
        let (well, done) = {
            let node = &world.state().nodes[node];
            let open = node.troubles.iter().filter(|(_, end)| end.is_none()).count();
            (node.is_up && node.troubles.len() == known && open <= troubles, is_so(node))
        };
        if !well {
            // Something else has happened to it.
            return;
        }
        if done {
            return world.state().lasted(what, start.elapsed());
        }
        if start.elapsed() > within {
            return world.blame(&format!("node {}: not in {within:?}: {what}", name(node)));
        }
        sleep(Duration::from_millis(20)).await;
    }
}
