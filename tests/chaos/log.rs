//! What a node logs: where channels and members come and go, every coming must be followed by a going.

use super::world::{Place, World};
use std::collections::HashMap;
use std::io::BufRead;

/// Lines kept for whoever wants to know what happened.
const KEPT: usize = 150;

/// The log of one process.
pub(crate) struct Log {
    world: World,
    place: Place,
    /// Unless transitions were left out.
    there: Option<HashMap<String, bool>>,
}

impl Log {
    pub(crate) fn new(world: World, place: Place) -> Self {
        Self { world, place, there: Some(HashMap::new()) }
    }

    /// Reads to the end.
    pub(crate) fn read(mut self, lines: impl BufRead) {
        for line in lines.lines().map_while(Result::ok) {
            self.line(&line);
        }
    }

    fn line(&mut self, line: &str) {
        if line.contains("panicked at") {
            self.world.blame(&format!("{}: {line}", self.place));
        }
        if let Some((what, comes)) = transition(line) {
            self.world.count("transitions");
            let Some(there) = &mut self.there else { return };
            if there.insert(what, comes).unwrap_or_default() == comes {
                self.world.blame(&format!("{} says twice in a row: {line}", self.place));
            }
        } else if line.contains("more has become of channels than is logged") {
            self.world.count("logs cut short");
            self.there = None;
        } else if !line.contains(" DEBUG ") {
            let recent = &mut self.world.state().logs;
            if recent.len() == KEPT {
                recent.pop_front();
            }
            recent.push_back(format!("{} {line}", self.place));
        }
    }
}

/// What comes or goes, and whether it comes.
fn transition(line: &str) -> Option<(String, bool)> {
    let (_, said) = line.split_once(" DEBUG ")?;
    let kinds = [
        ("channel occupied ", "channel", true),
        ("channel vacated ", "channel", false),
        ("member added ", "member", true),
        ("member removed ", "member", false),
    ];
    let (fields, kind, comes) =
        kinds.into_iter().find_map(|(text, kind, comes)| Some((said.trim_start().strip_prefix(text)?, kind, comes)))?;
    let part = |key: &str| fields.split(' ').find_map(|field| field.strip_prefix(key)).unwrap_or_default();
    Some((format!("{kind} {} {} {}", part("app.id="), part("channel.name="), part("user.id=")), comes))
}
