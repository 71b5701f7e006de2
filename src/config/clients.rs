//! What those who talk to the server are configured with: where it is, and what a Laravel app and the pages it builds are
//! told of it.
//!
//! Must not know: what is done with it.

use super::variables::Variables;
use super::{Config, Error, Server, Sources, Tls};
use std::collections::BTreeMap;
use std::fmt;

impl Config {
    /// Where the server listens and what it shows there, even if no app is configured.
    pub fn place(sources: &Sources) -> Result<(Server, Tls), Error> {
        match Self::load(sources) {
            Ok(config) => Ok((config.server, config.tls)),
            Err(_) => {
                // With an app that nobody has, everything else is read and checked as always.
                let mut sources = sources.clone();
                let named = ["app.id", "app.key", "app.secret"].map(|key| (key, "-".to_owned(), "no option"));
                sources.flags.extend(named);
                Self::load(&sources).map(|config| (config.server, config.tls))
            }
        }
    }
}

/// A variable that is set.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// Its text, as Laravel's `env()` sees it.
    pub text: String,
    /// Where it was set, such as `REVERB_HOST in .env line 3`.
    pub origin: String,
}

/// The name and the place alone: it may be a secret.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

/// Those of `names` that are set, and not to `null`.
pub fn given(sources: &Sources, names: &[&'static str]) -> Result<BTreeMap<&'static str, Given>, Error> {
    let variables = Variables::read(sources)?;
    let given = |name: &&'static str| variables.get(name).map(|(text, origin)| (*name, Given { text, origin }));
    Ok(names.iter().filter_map(given).collect())
}
