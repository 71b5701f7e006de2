//! Three nodes that share a log over a bus that fails in every way: what back ends are told alternates and ends as it is,
//! whoever dies, is cut off, stands still or has no endpoints for a while, and however many at once.

mod sim;
mod step;

use super::super::op::Op;
use super::{World, known, user};
use crate::app::EventKind;
use crate::hub::Change;
use proptest::prelude::*;
use sim::{NODES, Sim};
use std::collections::BTreeSet;
use step::Step;

/// Longer than it takes until everybody is of one mind.
const SETTLED: u64 = 60_000;

/// What happens; that the log is lost only if it may be, which is much less often than that nothing else happens.
fn step(wipes: bool) -> impl Strategy<Value = Step> {
    let node = || 0..NODES;
    prop_oneof![
        12 => (node(), (0..3usize, 0..2usize)).prop_map(|(node, client)| Step::Toggle { node, client }),
        3 => node().prop_map(|node| Step::Say { node }),
        6 => prop_oneof![1..300u64, 1000..9000u64].prop_map(Step::Pass),
        2 => (node(), any::<bool>(), any::<bool>(), 500..12_000u64)
            .prop_map(|(node, says, hears, millis)| Step::Break { node, says, hears, millis }),
        1 => (node(), 100..12_000u64, any::<bool>())
            .prop_map(|(node, millis, forgets)| Step::Kill { node, millis, forgets }),
        1 => node().prop_map(|node| Step::Stop { node }),
        1 => any::<bool>().prop_map(move |forgets| if wipes { Step::Wipe } else { Step::KillAll { forgets } }),
        1 => (500..12_000u64).prop_map(|millis| Step::Bus { millis }),
        1 => (node(), 500..12_000u64).prop_map(|(node, millis)| Step::Freeze { node, millis }),
        1 => (node(), 100..12_000u64).prop_map(|(node, millis)| Step::Unconfigure { node, millis }),
    ]
}

/// What back ends know, and what waits for them, in no particular order.
fn state(steps: &[Op]) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for step in steps {
        match step {
            Op::Occupied { channels, .. } => told.extend(channels.iter().cloned()),
            Op::Members { channel, users, .. } => told.extend(users.iter().map(|user| format!("{channel} {user}"))),
            Op::Open { event, .. } => _ = told.insert(format!("{} waits: {}", event.id, event.body)),
            _ => {}
        }
    }
    told
}

/// Everybody, wherever they are, as what back ends are to know.
fn there(sim: &Sim) -> BTreeSet<String> {
    let mut there = BTreeSet::new();
    for (channel, user) in sim.nodes.iter().flat_map(|node| &node.clients) {
        there.insert(format!("presence-{channel}"));
        there.insert(format!("presence-{channel} {user}"));
    }
    there
}

/// Whether all nodes are of one mind, and nothing waits.
fn is_settled(sim: &Sim) -> Result<(), TestCaseError> {
    for node in &sim.nodes {
        prop_assert_eq!(state(&node.office.desk.steps()), there(sim), "{}", node.id);
        prop_assert!(node.queue.is_empty(), "{:?} waits at {}", node.queue, node.id);
    }
    prop_assert!(sim.dead.is_empty());
    Ok(())
}

/// Runs steps, and then waits until everything is settled.
fn run(steps: Vec<Step>) -> Result<Sim, TestCaseError> {
    let mut sim = Sim::new();
    sim.pass(6000);
    steps.into_iter().for_each(|step| sim.run(step));
    sim.pass(SETTLED);
    is_settled(&sim)?;
    Ok(sim)
}

/// What a server knows that was alone is not forgotten when there are more.
#[test]
fn who_was_alone_before_knows_most() {
    for ids in 0..5 {
        let mut alone = World::acting();
        alone.change("presence-0", Change::Occupied);
        alone.change("presence-0", Change::MemberAdded(user("0")));
        let mut sim = Sim::begun_with(ids, alone.ops.clone());
        sim.run(Step::Toggle { node: 0, client: (0, 0) });
        sim.pass(SETTLED);
        is_settled(&sim).unwrap();
        let told: BTreeSet<_> = sim.told.iter().map(|event| event.id).collect();
        assert_eq!(told, alone.told.iter().map(|event| event.id).collect(), "what waited is sent, and nothing else");
    }
}

/// Who knows nothing must not begin anew before who knows has noticed that the log is gone.
#[test]
fn a_log_that_is_gone_is_made_anew_by_who_knows_most() {
    for phase in (0..10_000).step_by(500) {
        let mut sim = Sim::new();
        sim.pass(6000);
        sim.run(Step::Toggle { node: 0, client: (0, 0) });
        sim.pass(1000 + phase);
        sim.run(Step::Delete);
        sim.run(Step::Kill { node: 1, millis: 100, forgets: true });
        sim.pass(SETTLED);
        is_settled(&sim).unwrap();
        known(&sim.told);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is in trouble at once, nothing is told twice, and in the end back ends know how it is.
    #[test]
    fn nodes_tell_as_one(steps in proptest::collection::vec(step(false), 1..60)) {
        let mut sim = run(steps)?;
        sim.check_said()?;
        sim.told.retain(|event| event.kind != EventKind::ClientEvent);
        let told: Vec<_> =
            sim.told.iter().map(|event| format!("{} {} {}", event.time_ms, event.id, event.body)).collect();
        let known = std::panic::catch_unwind(|| known(&sim.told));
        let known = known.map_err(|_| TestCaseError::fail(format!("{told:#?}")))?;
        let known: BTreeSet<_> = known.keys().map(|what| what.trim().to_owned()).collect();
        prop_assert_eq!(known, there(&sim), "{:#?}", told);
    }

    /// Even where the bus forgets what it was to keep, everybody comes to know how it is.
    #[test]
    fn nodes_come_to_one_mind(steps in proptest::collection::vec(step(true), 1..60)) {
        run(steps)?;
    }
}
