//! The config file of a server that is started for a statement.

use super::{Credentials, Needs, Receiver, credentials, unique};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long webhooks wait before they tell that somebody has gone: more than a client takes to come back at once.
pub(crate) const DEBOUNCE: Duration = Duration::from_millis(500);
/// The pauses before webhooks are tried again, in seconds; each may be a fifth shorter.
pub(crate) const RETRIES: [u32; 2] = [1, 2];

/// For the receiver, which is on this machine.
const OPEN: &str = "features = { private_webhook_targets = true }";

/// A config file that is gone after the statement, and the journal that it names.
pub(super) struct Settings {
    file: PathBuf,
    journal: PathBuf,
}

impl Settings {
    /// Settings of the server and of the app, whose webhooks go to `receiver`.
    pub(super) fn of(needs: &Needs, receiver: Option<&Receiver>) -> Self {
        let name = unique("conformance-");
        let path = |end: &str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{end}"));
        let settings = Self { file: path("toml"), journal: path("journal") };
        let (server, app) = match needs {
            Needs::Server { config, .. } => ((*config).to_owned(), String::new()),
            Needs::App { config, .. } | Needs::One { config, .. } => (String::new(), (*config).to_owned()),
            Needs::Webhooks { endpoint } => {
                let url = receiver.expect("webhooks go somewhere").url();
                (settings.webhooks(), format!("{OPEN}\n[[apps.webhooks]]\nurl = {url:?}\n{endpoint}"))
            }
            Needs::Nothing | Needs::Us { .. } | Needs::Nodes { .. } => (String::new(), String::new()),
        };
        let Credentials { id, key, secret } = credentials();
        // TOML takes JSON's strings.
        let [id, key, secret] = [id, key, secret].map(|text| json!(text));
        let app = format!("[[apps]]\nid = {id}\nkey = {key}\nsecret = {secret}\n{app}\n");
        let text = format!("[server]\nhost = \"127.0.0.1\"\nport = 0\n{server}\n{app}");
        std::fs::write(&settings.file, text).unwrap();
        settings
    }

    fn webhooks(&self) -> String {
        let (debounce, journal) = (DEBOUNCE.as_millis(), json!(self.journal));
        format!("[webhooks]\ndebounce_ms = {debounce}\nretry_after_secs = {RETRIES:?}\njournal = {journal}\n")
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        let lock = self.journal.with_extension("journal.lock");
        for path in [&self.file, &self.journal, &lock] {
            let _ = std::fs::remove_file(path);
        }
    }
}
