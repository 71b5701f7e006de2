//! Variables of other servers as they are looked up, and whose they are.
//!
//! Must not know: which variables there are.

use super::merge::Layer;
use super::own;
use super::schema::GIVEN;

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
}

/// Sets what `text` stands for.
pub(super) fn set(layer: &mut Layer, key: &str, text: &str, origin: &String) {
    let kind = GIVEN.of(key).expect("aliases are of settings of the schema");
    layer.set(key, kind.read(text, origin));
}

/// A variable that is set to more than nothing.
pub(super) fn given(lookup: &Lookup<'_>, name: &str) -> Option<Text> {
    lookup(name).filter(|(text, _)| !text.is_empty())
}
