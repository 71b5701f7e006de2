//! What a person should know of a configuration that is accepted.
//!
//! Must not know: which settings exist.

/// Remarks, each one line.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What may not do what was meant.
    pub(super) warnings: Vec<String>,
    /// Variables that are known and have no effect here, nor need one; with their origins.
    pub(super) ignored: Vec<String>,
}

impl Notes {
    /// Adds a warning, unless it is there.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}
