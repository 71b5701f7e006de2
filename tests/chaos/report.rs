//! What a run comes to.

use super::bus::Kind;
use super::world::World;
use std::fmt::Write;
use std::time::Duration;

/// The report, with everything that helps to find what went wrong if something did.
pub(crate) fn write(world: &World, bus: Kind, seed: u64, clients: usize, lasted: Duration) -> String {
    let state = world.state();
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes everything");
    line(format!("chaos: seed {seed} over {bus}, {:.0} s, {clients} clients", lasted.as_secs_f64()));
    for (figure, number) in &state.figures {
        line(format!("  {figure}: {number}"));
    }
    for (what, longest) in &state.longest {
        line(format!("  {what}: {longest:.2?} at most"));
    }
    if state.violations.is_empty() {
        line("verdict: every invariant held".to_owned());
    } else {
        line("what was done:".to_owned());
        state.chronicle.iter().rev().take(60).rev().for_each(|done| line(format!("  {done}")));
        line("the last that nodes logged:".to_owned());
        state.logs.iter().for_each(|logged| line(format!("  {logged}")));
        line("violated:".to_owned());
        state.violations.iter().for_each(|violation| line(format!("  {violation}")));
        line(format!("verdict: FAILED; again with CHAOS_BUS={bus} CHAOS_SEED={seed}"));
    }
    text
}
