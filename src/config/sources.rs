//! All that configuration is read from, passed in so that tests need not touch the process.
//!
//! Must not know: which source wins.

use super::merge::Layer;
use super::schema::GIVEN;
use super::variables::Variables;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// All that configuration is read from.
#[derive(Clone)]
pub struct Sources {
    /// The Laravel app's folder: `.env` is looked for here, and relative paths start here.
    pub directory: PathBuf,
    /// Variables of the process.
    pub environment: BTreeMap<String, String>,
    /// A file to read instead of `.env`; it must exist.
    pub env_file: Option<PathBuf>,
    /// A TOML file; it must exist. Without one none is looked for.
    pub config_file: Option<PathBuf>,
    /// Dotted key such as `server.port`, value, and how the person wrote it: `--port`.
    pub flags: Vec<(&'static str, String, &'static str)>,
}

/// What this machine calls itself; `localhost` if it does not say.
pub fn machine() -> String {
    // Asked for rather than read from /proc, of which a unit that is walled in sees processes alone.
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}

/// Names only: among the values of the environment are secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("directory", &self.directory)
            .field("environment", &self.environment.keys())
            .field("env_file", &self.env_file)
            .field("config_file", &self.config_file)
            .field("flags", &self.flags.iter().map(|(key, ..)| key).collect::<Vec<_>>())
            .finish()
    }
}

impl Sources {
    /// The current directory and the environment of this process; variables that are not UTF-8 are passed over.
    pub fn process() -> Self {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self {
            directory: std::env::current_dir().unwrap_or_default(),
            environment: std::env::vars_os().filter_map(text).collect(),
            env_file: None,
            config_file: None,
            flags: Vec::new(),
        }
    }

    /// The files that are read, or would be if they were there; `apps` is [`Server::apps`](super::Server::apps).
    pub fn files(&self, apps: Option<&Path>) -> Vec<PathBuf> {
        let named = [self.config_file.as_deref(), apps].into_iter().flatten().map(|path| self.directory.join(path));
        named.chain([Variables::file(self)]).collect()
    }

    /// The flags as the topmost layer.
    pub(super) fn flags(&self) -> Layer {
        let mut layer = Layer::default();
        for (key, text, written) in &self.flags {
            // A key that is no setting stays in, for the check to name it.
            let kind = GIVEN.of(key).unwrap_or(GIVEN);
            layer.set(key, kind.read(text, &(*written).to_owned()));
        }
        layer
    }
}
