//! Names of topics, fit for every driver.

use std::fmt::{self, Write};
use std::sync::Arc;

/// A topic's name: parts joined by dots. Two different lists of parts never have one name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

impl Topic {
    /// The topic named by `parts`. What a driver gives a meaning to (dots, wildcards, hash tags, blanks), and whatever
    /// is not ASCII, is written as `%` and two hexadecimal digits for each byte; an empty part as a lone `%`.
    pub fn new(parts: &[&str]) -> Self {
        let mut name = String::new();
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                name.push('.');
            }
            if part.is_empty() {
                name.push('%');
            }
            for byte in part.bytes() {
                if byte.is_ascii_alphanumeric() || b"-_=@,;#$:".contains(&byte) {
                    name.push(char::from(byte));
                } else {
                    write!(name, "%{byte:02x}").expect("text can be written to a String");
                }
            }
        }
        Self(name.into())
    }

    /// A topic by the name that [`Topic::as_str`] gave, as it comes back from a bus.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_readable_and_mean_nothing_to_a_driver() {
        let name = |parts: &[&str]| Topic::new(parts).as_str().to_owned();
        assert_eq!(name(&["reverb", "app-id", "private-orders.1"]), "reverb.app-id.private-orders%2e1");
        assert_eq!(name(&["a", "#server-to-user-1", ""]), "a.#server-to-user-1.%");
        assert_eq!(name(&["*", ">", "{x}", "a b", "é", "%"]), "%2a.%3e.%7bx%7d.a%20b.%c3%a9.%25");
    }

    proptest! {
        #[test]
        fn different_parts_have_different_names(
            one in proptest::collection::vec(".{0,3}", 1..4), two in proptest::collection::vec(".{0,3}", 1..4)
        ) {
            let name = |parts: &[String]| Topic::new(&parts.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(name(&one) == name(&two), one == two);
            let means_nothing = |byte: u8| byte.is_ascii_graphic() && !b"*>{}".contains(&byte);
            prop_assert!(name(&one).as_str().bytes().all(means_nothing), "{:?}", name(&one));
        }
    }
}
