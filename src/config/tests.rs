use super::*;
use crate::app::MessageRate;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// The least that makes an app.
pub(super) const APP: &[(&str, &str)] =
    &[("REVERB_APP_ID", "123456"), ("REVERB_APP_KEY", "laravel-key"), ("REVERB_APP_SECRET", "laravel-secret")];

const ENV: &str = "REVERB_APP_ID=123456\nREVERB_APP_KEY=laravel-key\nREVERB_APP_SECRET=laravel-secret\n";

/// A folder of its own for one test, gone with it.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("fanfare-config-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn with(self, file: &str, text: &(impl AsRef<[u8]> + ?Sized)) -> Self {
        std::fs::write(self.0.join(file), text).unwrap();
        self
    }

    pub(super) fn sources(&self) -> Sources {
        Sources {
            directory: self.0.clone(),
            environment: BTreeMap::new(),
            env_file: None,
            config_file: None,
            flags: Vec::new(),
        }
    }

    /// `sources` with the file `fanfare.toml`.
    fn toml(self, text: &str) -> (Self, Sources) {
        let folder = self.with("fanfare.toml", text);
        let sources = Sources { config_file: Some("fanfare.toml".into()), ..folder.sources() };
        (folder, sources)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn set(sources: &mut Sources, variables: &[(&str, &str)]) {
    sources.environment.extend(variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
}

/// The message for `variables` beside those of [`APP`], with `DIR` for the folder.
pub(super) fn load_error(mut sources: Sources, variables: &[(&str, &str)]) -> String {
    set(&mut sources, APP);
    set(&mut sources, variables);
    error(&sources)
}

fn error(sources: &Sources) -> String {
    let message = Config::load(sources).unwrap_err().to_string();
    assert!(!message.contains(['\n', '\r']), "{message:?}");
    message.replace(sources.directory.to_str().unwrap(), "DIR")
}

mod endpoints;
mod layers;
mod refusals;
