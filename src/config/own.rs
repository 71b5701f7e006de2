//! Our own variables: `FANFARE__SERVER__PORT` is the setting `server.port`.
//!
//! Must not know: files, and the variables of other servers.

use super::error::Mistakes;
use super::merge::Layer;
use super::nearest::nearest;
use super::schema::GIVEN;
use super::variables::Variables;

const PREFIX: &str = "FANFARE__";

/// The variable of the setting with the dotted key `key`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

/// Everything that they say, still unchecked; one that is no setting is a mistake.
pub(super) fn layer(variables: &Variables<'_>, mistakes: &mut Mistakes) -> Layer {
    let known: Vec<_> = GIVEN.settings().into_iter().map(|(key, kind)| (variable(&key), key, kind)).collect();
    let mut layer = Layer::default();
    for name in variables.names().filter(|name| name.to_ascii_uppercase().starts_with(PREFIX)) {
        let Some((text, origin)) = variables.get(name) else { continue };
        let Some((_, key, kind)) = known.iter().find(|(variable, ..)| variable == name) else {
            let meant = nearest(&name.to_ascii_uppercase(), known.iter().map(|(variable, ..)| variable.as_str()));
            let mend = format!("{PREFIX}SERVER__PORT is port in [server], and so on for all of config/fanfare.toml");
            mistakes.unknown(name, origin, meant.map(str::to_owned), &mend);
            continue;
        };
        if !text.is_empty() || kind.may_be_empty() {
            layer.set(key, kind.read(&text, &origin));
        }
    }
    layer
}

#[cfg(test)]
#[path = "own_tests.rs"]
mod tests;
