//! What stands in a file, once it is read: settings and apps, still unchecked against each other.
//!
//! Must not know: how files are read.

use super::merge::Layer;

/// An app as it is listed somewhere, with everything that is said of it there.
pub(super) struct Listed {
    /// What its settings' names begin with, such as `apps[0]`; empty where the app is the whole file.
    pub(super) place: String,
    pub(super) table: Layer,
    /// Where it is listed.
    pub(super) origin: String,
    /// Whether it is an app of Laravel Reverb, and so has Reverb's defaults.
    pub(super) reverb: bool,
}

/// What a file holds.
#[derive(Default)]
pub(super) struct Written {
    /// All but its apps.
    pub(super) settings: Layer,
    pub(super) apps: Vec<Listed>,
    /// Whether it could not be read to its end, so that what seems to be missing may stand in it.
    pub(super) broken: bool,
}

impl Listed {
    /// The full name of one of its settings.
    pub(super) fn name(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }
}
