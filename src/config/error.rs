//! The one line that tells a person what is wrong with the configuration, where, and how to mend it.
//!
//! Must not know: which settings exist.

use config::{ConfigError, Value, ValueKind};
use std::fmt::Display;
use std::path::Path;

/// Longest piece of a value that a message repeats.
const SHOWN_CHARS: usize = 80;

/// Why the server refuses to start. Displays as one line: key, value (secrets masked), origin, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    /// A message of our own or of a library, made to fit on one line.
    pub(super) fn new(message: &str) -> Self {
        Self(message.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
    }

    /// The setting `key` holds `value`, which is not acceptable; `mend` says what would be.
    pub(super) fn setting(key: &str, value: &Value, mend: &str) -> Self {
        Self::new(&format!("{key} is {} ({}): {mend}", shown(key, value), origin(value)))
    }

    /// A file that cannot be opened or decoded.
    pub(super) fn unreadable(path: &Path, cause: &std::io::Error, mend: &str) -> Self {
        let cause = match cause.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            std::io::ErrorKind::InvalidData => "not UTF-8".to_owned(),
            _ => cause.to_string(),
        };
        Self::new(&format!("{} cannot be read ({cause}): {mend}", path.display()))
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
    match &value.kind {
        ValueKind::String(text) if text.is_empty() => "empty".to_owned(),
        ValueKind::String(url) if is_url(key) || key.ends_with("].url") && url.contains('@') => {
            format!("{:?}", masked(url))
        }
        _ if is_secret(key) => "***".to_owned(),
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

/// Whether messages must not repeat the value of `key`. Keys of apps are public, but they stand next to the secrets
/// and people swap the two.
fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or_default();
    key.contains(".headers.")
        || ["secret", "key", "password", "sentinel_password", "token", "nkey_seed"].contains(&name)
}

/// Whether the value of `key` is a URL that may hold a password.
fn is_url(key: &str) -> bool {
    key.starts_with("redis.urls[") || key.starts_with("nats.servers[")
}

/// A URL without what may be a password.
pub(super) fn masked(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://***{}", &url[..scheme], &url[at..]),
        (None, Some(at)) => format!("***{}", &url[at..]),
        (Some(_), _) => url.to_owned(),
        (None, None) => "***".to_owned(),
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
