//! The variables of the servers that this one takes the place of. Those of Laravel Reverb win over those of soketi, and
//! these over those that a Laravel app has for Pusher and laravel-websockets.
//!
//! Must not know: what the settings do, and files.

use super::error::Mistakes;
use super::lookup::{Credentials, Family};
use super::merge::{Layer, merge};
use super::nearest::nearest;
use super::notes::Notes;
use super::variables::Variables;
use super::{pusher, reverb, scaling, soketi};

/// Families of other servers, the first that names an app first.
const FAMILIES: [Family; 3] = [Family::Reverb, Family::Soketi, Family::Pusher];

/// The first whose variables name an app. Ours do where they name all of it: one alone stands in for another server's.
fn named(variables: &Variables<'_>) -> Option<Family> {
    let is_set = |name: &String| variables.get(name).is_some_and(|(text, _)| !text.is_empty());
    let names = |family: Family| ["id", "key", "secret"].map(|name| family.variable(name));
    if names(Family::Own).iter().all(is_set) {
        return Some(Family::Own);
    }
    FAMILIES.into_iter().find(|family| names(*family).iter().any(is_set))
}

/// All that these variables say, still unchecked, and whose app it is. Beside an app of Reverb's those of other servers do
/// not count: what was left over from one of them must not change what Reverb would do.
pub(super) fn layer(
    variables: &Variables<'_>,
    file: &Layer,
    mistakes: &mut Mistakes,
    notes: &mut Notes,
) -> (Layer, Option<Family>) {
    let lookup = |name: &str| variables.get(name);
    let family = named(variables);
    let (pusher, soketi) = match family {
        Some(Family::Reverb) => Default::default(),
        Some(Family::Soketi) => {
            (pusher::layer(&lookup, family, notes), soketi::layer(&lookup, Credentials::All, notes))
        }
        Some(Family::Pusher) => {
            (pusher::layer(&lookup, family, notes), soketi::layer(&lookup, Credentials::Not, notes))
        }
        Some(Family::Own) | None => (Layer::default(), soketi::layer(&lookup, Credentials::Not, notes)),
    };
    // Where nobody names an app, Reverb's empty variables are the ones to complain of.
    let credentials = match family {
        Some(Family::Reverb) | None => Credentials::All,
        Some(Family::Own | Family::Soketi | Family::Pusher) => Credentials::Not,
    };
    let reverb = reverb::layer(&lookup, credentials, mistakes);
    let scaling = scaling::layer(&lookup, file, mistakes);
    without_effect(variables, family, notes);
    (merge(&[&pusher, &soketi, &reverb, &scaling]), family)
}

/// Notes the variables that are named as those of another server and have no effect.
fn without_effect(variables: &Variables<'_>, family: Option<Family>, notes: &mut Notes) {
    let families: [(&str, Vec<&str>, Vec<&str>); 3] = [
        ("REVERB_", reverb::names().collect(), reverb::OTHERS.to_vec()),
        ("SOKETI_", soketi::names().collect(), soketi::others().collect()),
        ("LARAVEL_WEBSOCKETS_", pusher::names().collect(), pusher::OTHERS.to_vec()),
    ];
    for name in variables.names() {
        let Some((prefix, known, others)) = families.iter().find(|(prefix, ..)| name.starts_with(prefix)) else {
            continue;
        };
        let counts = *prefix == "REVERB_" || family != Some(Family::Reverb);
        let Some((_, origin)) = variables.get(name).filter(|_| !counts || !known.contains(&name)) else { continue };
        let other = others.iter().any(|other| name == *other || other.ends_with('_') && name.starts_with(other));
        match nearest(name, known.iter().copied()).filter(|_| counts && !other) {
            Some(meant) => notes.warn(format!("{origin} has no effect: did you mean {meant}?")),
            None => notes.ignored.push(origin),
        }
    }
}

#[cfg(test)]
#[path = "aliases_tests.rs"]
mod tests;
