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
}

impl ChannelKind {
    /// The kind of the channel called `name`.
    pub fn of(name: &str) -> Self {
        match name {
            _ if name.starts_with("private-") => Self::Private,
            _ if name.starts_with("presence-") => Self::Presence,
            _ => Self::Public,
        }
    }

    /// Whether subscribing takes a signature.
    pub fn is_guarded(self) -> bool {
        self != Self::Public
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
    /// Takes `name` if it has 1 to `max` characters of the alphabet (N1 to N4).
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
}

fn check(name: &str, max: usize) -> Result<(), InvalidName> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-=@,.;".contains(&b);
    match name {
        "" => Err(InvalidName::Empty),
        // Bytes and characters are the same where the alphabet is kept.
        _ if !name.bytes().all(allowed) => Err(InvalidName::Alphabet),
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
        assert_eq!(parse(&"a".repeat(164)), Ok("a".repeat(164)));
        assert_eq!(parse(&"a".repeat(165)), Err(InvalidName::TooLong(164)));
        assert_eq!(parse(""), Err(InvalidName::Empty));
        for name in ["a b", "a/b", "a:b", "a#b", "#server-to-user-1", "é", "a\n", "a\0"] {
            assert_eq!(parse(name), Err(InvalidName::Alphabet), "{name:?}");
        }
    }

    #[test]
    fn kinds_follow_the_anchored_prefix() {
        use ChannelKind::{Presence, Private, Public};
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
        ];
        for (name, kind) in cases {
            assert_eq!(ChannelKind::of(name), kind, "{name}");
        }
    }
}
