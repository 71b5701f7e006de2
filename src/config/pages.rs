//! Patterns for origins of pages that no page has.
//!
//! Must not know: which apps have them.

use std::net::Ipv6Addr;

/// What to write in place of a pattern that matches no origin that a browser sends: `scheme://host[:port]` in lower case
/// and in ASCII, without the port that a scheme has anyway. Patterns without a scheme are compared with the host alone.
/// `None` for one that may match.
pub(super) fn instead(pattern: &str) -> Option<String> {
    let pattern = pattern.trim();
    let (scheme, rest) = match pattern.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://").to_ascii_lowercase(), rest.trim_end_matches('/')),
        None => (String::new(), pattern),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
    let (host, port) = match colon {
        _ if authority.parse::<Ipv6Addr>().is_ok() => (format!("[{authority}]"), ""),
        Some(at) => (authority[..at].to_owned(), &authority[at..]),
        None => (authority.to_owned(), ""),
    };
    let counts =
        !scheme.is_empty() && !matches!((scheme.as_str(), port), (_, ":") | ("http://", ":80") | ("https://", ":443"));
    let right = format!("{scheme}{}{}", host.to_ascii_lowercase(), if counts { port } else { "" });
    // Nor does a browser name a user, and what stands there may be a password.
    if host.is_empty() || pattern.contains('@') {
        return Some("one such as app.example".to_owned());
    }
    if !right.is_ascii() {
        return Some(format!("{right} with its name in punycode (xn--...), as browsers send it"));
    }
    let written = if scheme.is_empty() { pattern } else { pattern.trim_end_matches('/') };
    (right != written).then_some(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Origins;

    #[test]
    fn patterns_that_never_match_are_told_from_those_that_may() {
        let good = [
            "*",
            "a.test",
            " a.test ",
            "*.a.test",
            "[::1]",
            "https://a.test",
            "https://a.test/",
            "http://a.test:443",
            "http://localhost:*",
            "*://a.test",
            "http://[::1]:8080",
            "capacitor://localhost",
            "xn--mnchen-3ya.de",
        ];
        for pattern in good {
            assert_eq!(instead(pattern), None, "{pattern}");
        }
        for (pattern, expect, page) in [
            ("https://a.test/app", "https://a.test", "https://a.test"),
            ("https://a.test/*", "https://a.test", "https://a.test"),
            ("HTTPS://A.test", "https://a.test", "https://a.test"),
            ("A.Test", "a.test", "https://a.test"),
            ("a.test/", "a.test", "https://a.test"),
            ("a.test:8080", "a.test", "https://a.test:8080"),
            ("localhost:*", "localhost", "http://localhost:5173"),
            ("::1", "[::1]", "http://[::1]:5173"),
            ("https://a.test:443", "https://a.test", "https://a.test"),
            ("http://a.test:80/", "http://a.test", "http://a.test"),
        ] {
            assert_eq!(instead(pattern).as_deref(), Some(expect), "{pattern}");
            assert!(!Origins::new([pattern]).allow(Some(page)), "{pattern} matches");
            assert!(Origins::new([expect]).allow(Some(page)), "{expect} does not match");
        }
        assert_eq!(
            instead("münchen.de").as_deref(),
            Some("münchen.de with its name in punycode (xn--...), as browsers send it")
        );
        for pattern in ["/app", "https://me:hunter2@a.test"] {
            assert_eq!(instead(pattern).as_deref(), Some("one such as app.example"));
        }
    }
}
