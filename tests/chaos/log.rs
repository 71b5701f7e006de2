//! What a node logs: where channels and members come and go, every coming must be followed by a going.

use super::world::{Place, World};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::time::Instant;

/// Lines kept for whoever wants to know what happened.
const KEPT: usize = 150;

/// The log of one process.
pub(crate) struct Log {
    world: World,
    place: Place,
}

impl Log {
    pub(crate) fn new(world: &World, place: Place) -> Self {
        world.state().nodes[place.node].present = Some(BTreeMap::new());
        Self { world: world.clone(), place }
    }

    /// Reads to the end.
    pub(crate) fn read(self, lines: impl BufRead) {
        for line in lines.lines().map_while(Result::ok) {
            self.line(&line);
        }
    }

    fn line(&self, line: &str) {
        if line.contains("panicked at") {
            self.world.blame(&format!("{}: {line}", self.place));
        }
        if !self.is_current() {
            return;
        }
        if let Some((what, comes)) = transition(line) {
            self.take(what, comes, line);
        } else if line.contains("more has become of channels than webhooks could be made of") {
            self.world.count("logs cut short");
            self.world.state().nodes[self.place.node].present = None;
        } else if !line.contains(" DEBUG ") {
            let state = &mut *self.world.state();
            match line {
                _ if line.contains("link to the bus is up") => state.nodes[self.place.node].up = Some(Instant::now()),
                _ if line.contains("link to the bus is down") => state.nodes[self.place.node].up = None,
                _ => {}
            }
            if state.logs.len() == KEPT {
                state.logs.pop_front();
            }
            state.logs.push_back(format!("{} {line}", self.place));
        }
    }

    /// What a process that is gone has said last does not matter.
    fn is_current(&self) -> bool {
        self.world.state().nodes[self.place.node].runs.len() == self.place.run + 1
    }

    fn take(&self, what: String, comes: bool, line: &str) {
        self.world.count("transitions");
        let before = match &mut self.world.state().nodes[self.place.node].present {
            Some(present) => present.insert(what, comes).unwrap_or_default(),
            None => return,
        };
        if before == comes {
            self.world.blame(&format!("{} says twice in a row: {line}", self.place));
        }
    }
}

/// What comes or goes, and whether it comes.
fn transition(line: &str) -> Option<(String, bool)> {
    let (_, said) = line.split_once(" DEBUG ")?;
    let kinds =
        [("channel occupied ", true), ("channel vacated ", false), ("member added ", true), ("member removed ", false)];
    let said = said.trim_start();
    let (fields, comes) = kinds.into_iter().find_map(|(text, comes)| Some((said.strip_prefix(text)?, comes)))?;
    let part = |key: &str| fields.split(' ').find_map(|field| field.strip_prefix(key)).unwrap_or_default();
    let part = |key| part(key).trim_matches('"');
    Some((format!("{} {}", part("channel.name="), part("user.id=")).trim().to_owned(), comes))
}
