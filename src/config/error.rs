//! The lines that tell a person what is wrong with the configuration, where, and how to mend it.
//!
//! Must not know: which settings exist.

use config::{ConfigError, Value, ValueKind};
use std::fmt::Display;
use std::path::Path;

/// Longest piece of a value that a message repeats.
const SHOWN_CHARS: usize = 80;

/// Why the server refuses to start. Displays as one line for each mistake: key, value (secrets masked), origin, and what
/// to do.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Error(Vec<String>);

/// The mistakes that were found so far, in that order.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    lines: Vec<String>,
    /// Settings that were meant by names that are none: they are set, only not well.
    meant: Vec<String>,
}

impl Mistakes {
    /// Takes in what `error` says, unless it was said before.
    pub(super) fn note(&mut self, error: Error) {
        for line in error.0 {
            if !self.lines.contains(&line) {
                self.lines.push(line);
            }
        }
    }

    /// Something else, or nothing that is known, is named `name`.
    pub(super) fn unknown(&mut self, name: &str, origin: impl Display, meant: Option<String>, mend: &str) {
        let mend = meant.as_ref().map_or(mend.to_owned(), |meant| format!("did you mean {meant}?"));
        self.note(Error::new(&format!("{name} is not a setting ({origin}): {mend}")));
        self.meant.extend(meant);
    }

    /// The setting `name` has to be set, as by `example`, and is not.
    pub(super) fn missing(&mut self, name: &str, origin: impl Display, example: &str) {
        if !self.meant.iter().any(|meant| meant == name) {
            self.note(Error::new(&format!("{name} is not set ({origin}): add {example}")));
        }
    }

    /// What is `Ok`; otherwise nothing, with the mistake noted.
    pub(super) fn sift<T>(&mut self, result: Result<T, impl Into<Error>>) -> Option<T> {
        result.map_err(|error| self.note(error.into())).ok()
    }

    /// All of them as one error, if there are any.
    pub(super) fn end(self) -> Result<(), Error> {
        if self.lines.is_empty() { Ok(()) } else { Err(Error(self.lines)) }
    }
}

impl Error {
    /// A message of our own or of a library, made to fit on one line.
    pub(super) fn new(message: &str) -> Self {
        let parts = message.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty());
        Self(vec![parts.collect::<Vec<_>>().join(" ")])
    }

    /// One line for each mistake.
    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// The setting `key` holds `value`, which is not acceptable; `mend` says what would be.
    pub(super) fn setting(key: &str, value: &Value, mend: &str) -> Self {
        Self::new(&format!("{key} is {} ({}): {mend}", shown(key, value), origin(value)))
    }

    /// A file that cannot be opened or decoded.
    pub(super) fn unreadable(path: &Path, cause: &std::io::Error, mend: &str) -> Self {
        let (cause, mend) = match cause.kind() {
            std::io::ErrorKind::InvalidData if cause.get_ref().is_some() => {
                (cause.to_string(), "save it as UTF-8, in PowerShell with Set-Content -Encoding utf8")
            }
            kind => (Self::named(kind, cause), mend),
        };
        Self::new(&format!("{} cannot be read ({cause}): {mend}", path.display()))
    }

    fn named(kind: std::io::ErrorKind, cause: &std::io::Error) -> String {
        match kind {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            std::io::ErrorKind::InvalidData => "not UTF-8".to_owned(),
            _ => cause.to_string(),
        }
    }

    /// A file that is not JSON.
    pub(super) fn not_json(path: &Path, cause: &serde_json::Error) -> Self {
        let (place, text) = (format!("line {}, column {}", cause.line(), cause.column()), cause.to_string());
        let what = text.split(" at line ").next().unwrap_or_default();
        Self::new(&format!("{} {place}: not valid JSON: {what}", path.display()))
    }

    /// A file that is not TOML. The parser's excerpt of the line is left out, for a secret may stand on it.
    pub(super) fn syntax(path: &Path, cause: &ConfigError) -> Self {
        let text = cause.to_string();
        let excerpt = |line: &str| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').starts_with('|');
        let mut place = String::new();
        let mut what = Vec::new();
        for line in text.lines().filter(|line| !excerpt(line)) {
            match line.strip_prefix("TOML parse error at ") {
                Some(found) => place = format!(" {found}"),
                None => what.push(line),
            }
        }
        Self::new(&format!("{}{place}: not valid TOML: {}", path.display(), what.join("; ")))
    }
}

/// What the typed reading of the merged settings finds after every layer has passed its own check.
impl From<ConfigError> for Error {
    fn from(cause: ConfigError) -> Self {
        match cause {
            ConfigError::Type { origin, unexpected, expected, key } => {
                let (key, origin) = (key.unwrap_or_default(), origin.unwrap_or_else(|| "built in".to_owned()));
                let found = if is_secret(&key) { "***".to_owned() } else { unexpected.to_string() };
                Self::new(&format!("{key} is {found} ({origin}): must be {expected}"))
            }
            other => Self::new(&format!("{other}: correct this setting")),
        }
    }
}

/// Where a value came from.
pub(super) fn origin(value: &Value) -> impl Display + '_ {
    value.origin().unwrap_or("built in")
}

/// A value as a message may repeat it.
fn shown(key: &str, value: &Value) -> String {
    match (&value.kind, concealed(key, &value.kind)) {
        (ValueKind::String(text), _) if text.is_empty() => return "empty".to_owned(),
        (_, Some(secret)) if secret == "***" => return secret,
        (_, Some(url)) => return format!("{url:?}"),
        _ => {}
    }
    match &value.kind {
        ValueKind::String(text) if text.chars().count() > SHOWN_CHARS => {
            format!("{:?}...", text.chars().take(SHOWN_CHARS).collect::<String>())
        }
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(list) if list.is_empty() => "an empty list".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    }
}

/// What is shown in place of a value that is secret, or holds something that is.
pub(super) fn concealed(key: &str, kind: &ValueKind) -> Option<String> {
    let name = key.rsplit('.').next().unwrap_or_default();
    match kind {
        _ if is_secret(key) => Some("***".to_owned()),
        // Text that should have been JSON.
        ValueKind::String(_) if ["keys", "webhooks", "endpoints", "headers"].contains(&bare(name)) => {
            Some("***".to_owned())
        }
        // Whatever it is the value of: people paste URLs where names belong.
        ValueKind::String(url) if url.contains("://") && url.contains(['@', '?', '#']) => Some(masked(url)),
        // It may be nothing but a password.
        ValueKind::String(text) if is_url(key) && !text.contains("://") => Some(match text.contains('@') {
            true => masked(text),
            false => "***".to_owned(),
        }),
        _ => None,
    }
}

/// `keys` of `keys[1]`.
fn bare(name: &str) -> &str {
    name.split('[').next().unwrap_or_default()
}

/// Whether the value of `key` is never shown. Keys of apps are public, but they stand next to the secrets and people swap
/// the two.
fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or_default();
    key.contains(".headers.")
        || ["secret", "key", "password", "sentinel_password", "token", "nkey_seed"].contains(&name)
}

/// Whether the value of `key` is a URL that may hold a password.
fn is_url(key: &str) -> bool {
    key.starts_with("redis.urls") || key.starts_with("nats.servers")
}

/// A URL without what may be a password: its user, and its query.
pub fn masked(url: &str) -> String {
    let (place, rest) = url.find(['?', '#']).map_or((url, ""), |at| (&url[..at], &url[at..=at]));
    // Unless it is a password in which such a character was not encoded.
    let (place, rest) = if url[place.len()..].contains('@') { (url, "") } else { (place, rest) };
    let end = if rest.is_empty() { String::new() } else { format!("{rest}***") };
    let start = place.find("://").map_or("", |at| &place[..at + 3]);
    match place.rfind('@') {
        Some(at) => format!("{start}***{}{end}", &place[at..]),
        None => format!("{place}{end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, kind: impl Into<ValueKind>, expect: &str) {
        let value = Value::new(Some(&"here".to_owned()), kind);
        assert_eq!(Error::setting(key, &value, "mend it").to_string(), expect);
    }

    #[test]
    fn values_are_shown_on_one_line() {
        check("server.path", "a\nb", r#"server.path is "a\nb" (here): mend it"#);
        check("server.path", "", "server.path is empty (here): mend it");
        check("server.port", 70_000, "server.port is 70000 (here): mend it");
        check("server.host", "x".repeat(90), &format!("server.host is \"{}\"... (here): mend it", "x".repeat(80)));
    }

    #[test]
    fn secrets_are_masked() {
        check("app.secret", "hunter2", "app.secret is *** (here): mend it");
        check("apps[0].secret", 12, "apps[0].secret is *** (here): mend it");
        check("apps[0].key", "hunter2", "apps[0].key is *** (here): mend it");
        check("app.keys", "[{hunter2", "app.keys is *** (here): mend it");
        check("app.webhooks", "[{hunter2", "app.webhooks is *** (here): mend it");
        check("app.keys[1]", "hunter2", "app.keys[1] is *** (here): mend it");
        check("app.webhooks", ValueKind::Table(config::Map::new()), "app.webhooks is a table (here): mend it");
        check("redis.urls", "redis://:hunter2@a.test", r#"redis.urls is "redis://***@a.test" (here): mend it"#);
        check("server.host", "https://me:hunter2@b", r#"server.host is "https://***@b" (here): mend it"#);
        check("redis.urls[0]", "a://b/0?password=hunter2", r#"redis.urls[0] is "a://b/0?***" (here): mend it"#);
        check("app.webhooks[0].url", "http://me:hunter2@b", r#"app.webhooks[0].url is "http://***@b" (here): mend it"#);
    }

    #[test]
    fn urls_are_shown_without_user_and_query() {
        for (url, expect) in [
            ("redis://me:hunter2@a.test:1/0", "redis://***@a.test:1/0"),
            ("redis://:hunt@er2@b", "redis://***@b"),
            ("redis://:hunt?er2@b", "redis://***@b"),
            ("https://a.test/x?token=hunter2", "https://a.test/x?***"),
            ("https://a.test/x#hunter2", "https://a.test/x#***"),
            ("https://a.test/x?token=hunter@2", "https://***@2"),
            ("hunter2@c", "***@c"),
            ("10.0.0.1:4222", "10.0.0.1:4222"),
        ] {
            assert_eq!(masked(url), expect);
        }
    }

    #[test]
    fn typed_errors_keep_key_and_origin() {
        let value = Value::new(Some(&"here".to_owned()), "hunter2");
        let port = value.clone().into_int().unwrap_err().extend_with_key("server.port");
        assert_eq!(Error::from(port).to_string(), r#"server.port is string "hunter2" (here): must be an integer"#);
        let secret = value.into_int().unwrap_err().extend_with_key("app.secret");
        assert_eq!(Error::from(secret).to_string(), "app.secret is *** (here): must be an integer");
    }
}
