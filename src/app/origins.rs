//! The `Origin` check of the WebSocket handshake (spec C3, Reverb's `allowed_origins`).

/// Patterns that a page's origin must match: `*`, a host, a host with `*` in it, or a full origin such as
/// `https://app.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Default for Origins {
    fn default() -> Self {
        Self(vec!["*".to_owned()])
    }
}

impl Origins {
    /// Takes the patterns as they were written; surrounding blanks and empty ones are dropped.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        Self(patterns.into_iter().map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect())
    }

    /// Whether a page whose `Origin` header is `origin` may connect. Patterns without a scheme are compared with the
    /// host alone; a missing header matches only `*`.
    pub fn allow(&self, origin: Option<&str>) -> bool {
        let origin = origin.unwrap_or_default();
        let host = host(origin);
        self.0.iter().any(|pattern| match pattern.as_str() {
            "*" => true,
            full if full.contains("://") => matches(full.trim_end_matches('/'), origin),
            bare => !host.is_empty() && matches(bare, host),
        })
    }
}

/// The host of `scheme://host[:port]`, with the brackets of an IPv6 literal.
fn host(origin: &str) -> &str {
    let authority = origin.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Whole-string, case-sensitive match in which `*` stands for any run of characters, as in Laravel's `Str::is`.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], origin: Option<&str>, expect: bool) {
        assert_eq!(Origins::new(patterns.iter().copied()).allow(origin), expect, "{patterns:?} {origin:?}");
    }

    #[test]
    fn hosts_compare_without_scheme_and_port() {
        check(&["laravel.com"], Some("https://laravel.com"), true);
        check(&["laravel.com"], Some("http://laravel.com:3000"), true);
        check(&["laravel.com"], Some("https://sub.laravel.com"), false);
        check(&["a.test", " laravel.com "], Some("https://laravel.com"), true);
        check(&["[::1]"], Some("http://[::1]:5173"), true);
    }

    #[test]
    fn stars_stand_for_any_run() {
        check(&["*.laravel.com"], Some("https://sub.laravel.com"), true);
        check(&["*.laravel.com"], Some("https://laravel.com"), false);
        check(&["a*b*c"], Some("https://a1b2c"), true);
        check(&["a*b*c"], Some("https://ac"), false);
        check(&["ab*ba"], Some("https://aba"), false);
    }

    #[test]
    fn full_origins_compare_whole() {
        check(&["https://laravel.com/"], Some("https://laravel.com"), true);
        check(&["https://laravel.com"], Some("http://laravel.com"), false);
    }

    #[test]
    fn a_missing_origin_needs_the_star() {
        check(&["laravel.com"], None, false);
        check(&["*"], None, true);
        check(&[], Some("https://laravel.com"), false);
    }
}
