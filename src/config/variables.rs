//! Environment variables with their origins: the process's own, then those of the `.env` file, as Laravel's `env()`
//! sees them.
//!
//! Must not know: which variables matter.

use super::{Error, Sources, dotenv, text};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Every variable there is.
pub(super) struct Variables<'a> {
    environment: &'a BTreeMap<String, String>,
    path: PathBuf,
    file: BTreeMap<String, dotenv::Entry>,
}

impl<'a> Variables<'a> {
    /// The file given, or else `.env.{APP_ENV}` if there is one, or else `.env`.
    pub(super) fn file(sources: &Sources) -> PathBuf {
        let specific = sources.environment.get("APP_ENV").and_then(|name| laravel(name));
        let specific = specific.filter(|name| !name.is_empty());
        let specific =
            specific.map(|name| sources.directory.join(format!(".env.{name}"))).filter(|path| path.is_file());
        let given = sources.env_file.as_ref().map(|path| sources.directory.join(path));
        given.or(specific).unwrap_or_else(|| sources.directory.join(".env"))
    }

    /// Reads the file given, which must exist, or else `.env.{APP_ENV}` or `.env` if there is one.
    pub(super) fn read(sources: &'a Sources) -> Result<Self, Error> {
        let environment = &sources.environment;
        let (path, required) = (Self::file(sources), sources.env_file.is_some());
        let file = match text::read(&path) {
            Ok(text) => parse(&text, &path, environment)?,
            Err(e) if e.kind() == ErrorKind::NotFound && !required => BTreeMap::new(),
            Err(e) => return Err(Error::unreadable(&path, &e, "name a .env file that this user may read")),
        };
        Ok(Self { environment, path, file })
    }

    /// Those of the process alone, where the file cannot be read.
    pub(super) fn without_file(sources: &'a Sources) -> Self {
        let path = sources.directory.join(sources.env_file.as_deref().unwrap_or(Path::new(".env")));
        Self { environment: &sources.environment, path, file: BTreeMap::new() }
    }

    /// The name of every variable, in order and none twice.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.environment.keys().chain(self.file.keys()).map(String::as_str).collect::<BTreeSet<_>>().into_iter()
    }

    /// The text of `name` and where it came from; `None` if it is not set, or `null`.
    pub(super) fn get(&self, name: &str) -> Option<(String, String)> {
        if let Some(text) = self.environment.get(name) {
            return Some((laravel(text)?, format!("environment variable {name}")));
        }
        let entry = self.file.get(name)?;
        Some((laravel(&entry.value)?, format!("{name} in {} line {}", self.path.display(), entry.line)))
    }

    /// The `.env` file that was read, or would have been.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn parse(
    text: &str,
    path: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, dotenv::Entry>, Error> {
    dotenv::parse(text, environment)
        .map_err(|broken| Error::new(&format!("{} line {}: {}", path.display(), broken.line, broken.problem)))
}

/// What Laravel's `env()` makes of a variable's text; `None` is its `null`.
fn laravel(text: &str) -> Option<String> {
    let text = match text.to_ascii_lowercase().as_str() {
        "true" | "(true)" => "true",
        "false" | "(false)" => "false",
        "empty" | "(empty)" => "",
        "null" | "(null)" => return None,
        _ => ['"', '\''].into_iter().find_map(|q| text.strip_prefix(q)?.strip_suffix(q)).unwrap_or(text),
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(laravel(text).as_deref(), expect, "{text:?}");
    }

    #[test]
    fn words_of_laravel() {
        for text in ["true", "TRUE", "(true)", "(True)"] {
            check(text, Some("true"));
        }
        for text in ["false", "False", "(false)", "(FALSE)"] {
            check(text, Some("false"));
        }
        for text in ["empty", "EMPTY", "(empty)", ""] {
            check(text, Some(""));
        }
        for text in ["null", "Null", "(null)", "(NULL)"] {
            check(text, None);
        }
    }

    #[test]
    fn matching_quotes_are_stripped_once() {
        check("\"a b\"", Some("a b"));
        check("'a'", Some("a"));
        check("\"'a'\"", Some("'a'"));
        check("\"a'", Some("\"a'"));
        check("\"", Some("\""));
        check("\"null\"", Some("null"));
        check("a\"b\"", Some("a\"b\""));
    }
}
