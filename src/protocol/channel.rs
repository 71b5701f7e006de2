//! Channel names and what their prefixes mean (spec 2.1, 2.2).

use std::fmt;
use std::sync::Arc;

/// What a channel asks of its subscribers, told by the anchored prefix of its name; the dash is part of it (N7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Anyone may subscribe.
    Public,
    /// `private-`: a signature is needed.
    Private,
    /// `presence-`: a signature is needed, and subscribers see each other.
    Presence,
    /// `#server-to-user-{id}`: only for connections signed in as `{id}` (U10).
    User,
}

/// What starts the name of a user's own channel (4.2).
const USER: &str = "#server-to-user-";
/// Prefixes of channels whose last event newcomers get (2.7).
const CACHE: [&str; 4] = ["cache-", "private-cache-", "private-encrypted-cache-", "presence-cache-"];

impl ChannelKind {
    /// The kind of the channel called `name`.
    pub fn of(name: &str) -> Self {
        match name {
            _ if name.starts_with("private-") => Self::Private,
            _ if name.starts_with("presence-") => Self::Presence,
            _ if name.starts_with(USER) => Self::User,
            _ => Self::Public,
        }
    }

    /// Whether subscribing takes a signature.
    pub fn is_guarded(self) -> bool {
        matches!(self, Self::Private | Self::Presence)
    }
}

/// A valid channel name; cloning shares the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChannelName(Arc<str>);

/// Why a text is no channel name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing at all (N4).
    #[error("a channel name may not be empty")]
    Empty,
    /// Longer than the app allows (N2).
    #[error("a channel name may have at most {0} characters")]
    TooLong(usize),
    /// A character outside the alphabet (N1, N3).
    #[error("a channel name may only have letters, digits and _ - = @ , . ;")]
    Alphabet,
}

impl ChannelName {
    /// Takes `name` if it has 1 to `max` characters of the alphabet, or is that of a user's channel (N1 to N4).
    pub fn parse(name: &str, max: usize) -> Result<Self, InvalidName> {
        check(name, max).map(|()| Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the prefix says.
    pub fn kind(&self) -> ChannelKind {
        ChannelKind::of(&self.0)
    }

    /// Whether newcomers get the channel's last event (2.7).
    pub fn is_cache(&self) -> bool {
        CACHE.iter().any(|prefix| self.0.starts_with(prefix))
    }

    /// Whether the name is that of a user's own channel, which only publishing and subscribing know (U12, U13).
    pub fn is_user(&self) -> bool {
        self.kind() == ChannelKind::User
    }

    /// The id in the name of a user's own channel.
    pub fn user(&self) -> Option<&str> {
        self.0.strip_prefix(USER)
    }
}

/// Whether `text` keeps to the characters of channel names and of signed-in users' ids (N1, U3).
pub(super) fn in_alphabet(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-=@,.;".contains(&b))
}

fn check(name: &str, max: usize) -> Result<(), InvalidName> {
    let rest = name.strip_prefix(USER).filter(|id| !id.is_empty()).unwrap_or(name);
    match name {
        "" => Err(InvalidName::Empty),
        // Bytes and characters are the same where the alphabet is kept.
        _ if !in_alphabet(rest) => Err(InvalidName::Alphabet),
        _ if name.len() > max => Err(InvalidName::TooLong(max)),
        _ => Ok(()),
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_the_alphabet_and_the_length() {
        let parse = |name: &str| ChannelName::parse(name, 164).map(|name| name.as_str().to_owned());
        assert_eq!(parse("foo-bar_1234@=,.;"), Ok("foo-bar_1234@=,.;".to_owned()));
        assert_eq!(parse("#server-to-user-1"), Ok("#server-to-user-1".to_owned()));
        assert_eq!(parse(&"a".repeat(164)), Ok("a".repeat(164)));
        assert_eq!(parse(&"a".repeat(165)), Err(InvalidName::TooLong(164)));
        assert_eq!(parse(""), Err(InvalidName::Empty));
        for name in ["a b", "a/b", "a:b", "a#b", "#server-to-user-", "#server-to-user-a b", "#a", "é", "a\n", "a\0"] {
            assert_eq!(parse(name), Err(InvalidName::Alphabet), "{name:?}");
        }
    }

    #[test]
    fn kinds_follow_the_anchored_prefix() {
        use ChannelKind::{Presence, Private, Public, User};
        let cases = [
            ("private-a", Private),
            ("private-encrypted-a", Private),
            ("private-cache-a", Private),
            ("presence-a", Presence),
            ("presence-cache-a", Presence),
            ("private-", Private),
            ("private", Public),
            ("privatefoo", Public),
            ("presencefoo", Public),
            ("my-private-a", Public),
            ("Private-a", Public),
            ("#server-to-user-1", User),
        ];
        for (name, kind) in cases {
            assert_eq!(ChannelKind::of(name), kind, "{name}");
        }
    }

    #[test]
    fn cache_channels_follow_the_anchored_prefix() {
        let is_cache = |name| ChannelName::parse(name, 164).unwrap().is_cache();
        for name in ["cache-x", "private-cache-x", "private-encrypted-cache-x", "presence-cache-x"] {
            assert!(is_cache(name), "{name}");
        }
        for name in ["my-cache-x", "private-foo-cache-1", "cachefoo", "cache", "presence-encrypted-cache-x", "Cache-x"]
        {
            assert!(!is_cache(name), "{name}");
        }
    }
}
