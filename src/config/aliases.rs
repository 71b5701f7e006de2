//! The variables of the servers that this one takes the place of. Those of Laravel Reverb win over those of soketi, and
//! these over those that a Laravel app has for Pusher and laravel-websockets.
//!
//! Must not know: what the settings do, and files.

use super::error::Mistakes;
use super::merge::{Layer, merge};
use super::nearest::nearest;
use super::notes::Notes;
use super::schema::GIVEN;
use super::variables::Variables;
use super::{own, pusher, reverb, scaling, soketi};

/// Text and where it came from.
pub(super) type Text = (String, String);

/// Finds the text of a variable that is set.
pub(super) type Lookup<'a> = dyn Fn(&str) -> Option<Text> + 'a;

/// Whether the variables that name an app count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Credentials {
    All,
    Not,
}

/// Whose variables name the app of the environment: never some of one server and some of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Own,
    Reverb,
    Soketi,
    Pusher,
}

impl Family {
    /// Those of other servers.
    const ALIASES: [Self; 3] = [Self::Reverb, Self::Soketi, Self::Pusher];

    /// The variable of an app's `id`, `key` or `secret`.
    pub(super) fn variable(self, name: &str) -> String {
        let prefix = match self {
            Self::Own => return own::variable(&format!("app.{name}")),
            Self::Reverb => "REVERB_APP_",
            Self::Soketi => "SOKETI_DEFAULT_APP_",
            Self::Pusher => "PUSHER_APP_",
        };
        format!("{prefix}{}", name.to_ascii_uppercase())
    }

    /// The first whose variables name an app. Ours do where they name all of it: one alone stands in for another server's.
    fn of(variables: &Variables<'_>) -> Option<Self> {
        let is_set = |name: &String| variables.get(name).is_some_and(|(text, _)| !text.is_empty());
        let names = |family: Self| ["id", "key", "secret"].map(|name| family.variable(name));
        if names(Self::Own).iter().all(is_set) {
            return Some(Self::Own);
        }
        Self::ALIASES.into_iter().find(|family| names(*family).iter().any(is_set))
    }
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
    let family = Family::of(variables);
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

/// Sets what `text` stands for.
pub(super) fn set(layer: &mut Layer, key: &str, text: &str, origin: &String) {
    let kind = GIVEN.of(key).expect("aliases are of settings of the schema");
    layer.set(key, kind.read(text, origin));
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
