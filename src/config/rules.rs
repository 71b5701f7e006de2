//! What a piece of text must look like to be a host, a path, a credential or an origin.
//!
//! Must not know: which setting the text belongs to.

use std::net::IpAddr;

/// Says how to mend a text that does not pass.
pub(super) type Rule = fn(&str) -> Result<(), &'static str>;

/// An IP address, or a name that could be resolved.
pub(super) fn host(text: &str) -> Result<(), &'static str> {
    let bare = bare_host(text);
    let label = |label: &str| {
        let inner = label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    // A last label of digits alone is a mistyped IPv4 address, or a port.
    let numeric = bare.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let name = bare.len() <= 253 && bare.split('.').all(label) && !numeric;
    if name || bare.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    Err("must be a host name or an IP address, without scheme, port or path")
}

/// An address, or a network.
pub(super) fn network(text: &str) -> Result<(), &'static str> {
    if text.parse::<IpAddr>().is_ok() || text.parse::<ipnet::IpNet>().is_ok() {
        return Ok(());
    }
    Err("must be an address or a network such as 10.0.0.0/8 or fd00::/8")
}

/// A name that is only shown.
pub(super) fn shown(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must be a host name, without blanks or control characters");
    }
    Ok(())
}

/// `host` without the brackets that people put around IPv6 addresses.
pub(super) fn bare_host(text: &str) -> &str {
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text)
}

/// Segments of a URL path. `{`, `*` and `:` mean something to the router, `%` would have to be decoded.
pub(super) fn path(text: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()+,;=@".contains(c);
    if text.chars().all(allowed) && !text.split('/').any(|segment| segment == "." || segment == "..") {
        return Ok(());
    }
    Err("must be a URL path such as /ws")
}

/// `""`, or a path with one slash before each segment and none at the end.
pub(super) fn normal_path(text: &str) -> String {
    text.split('/').filter(|segment| !segment.is_empty()).map(|segment| format!("/{segment}")).collect()
}

/// An app's id, which stands in paths of the HTTP API.
pub(super) fn id(text: &str) -> Result<(), &'static str> {
    secret(text)?;
    if text.contains(['/', '?', '#']) {
        return Err("must not contain / ? or #, for it stands in URLs");
    }
    Ok(())
}

/// An app's key, which stands in WebSocket paths and before the first colon of every `auth`.
pub(super) fn key(text: &str) -> Result<(), &'static str> {
    id(text)?;
    if text.contains(':') {
        return Err("must not contain a colon, which separates key and signature");
    }
    Ok(())
}

/// An app's secret: any text, but not one that was cut off or pasted with something around it.
pub(super) fn secret(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must not contain blanks or control characters");
    }
    Ok(())
}

/// A text that another program may understand.
pub(super) fn any(_: &str) -> Result<(), &'static str> {
    Ok(())
}

/// A text that another program may understand, but not nothing.
pub(super) fn some(text: &str) -> Result<(), &'static str> {
    if text.is_empty() { Err("must not be empty; remove it if there is none") } else { Ok(()) }
}

/// Where a Unix socket is. The system takes 108 bytes, the last of which ends the path.
pub(super) fn socket(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 107 || text.contains('\0') {
        return Err("must be a path of 1 to 107 bytes, as the system takes no longer one for a socket");
    }
    Ok(())
}

/// What topics and keys begin with.
pub(super) fn prefix(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 64 || text.chars().any(char::is_control) {
        return Err("must be 1 to 64 bytes of text, such as the app's name");
    }
    Ok(())
}

/// A secret that nobody guesses.
pub(super) fn cluster_key(text: &str) -> Result<(), &'static str> {
    if text.len() < 16 {
        return Err("must have 16 characters at least; `openssl rand -hex 32` prints one");
    }
    Ok(())
}

/// Where a Redis server is; whether it is well formed beyond that is for the client to say.
pub(super) fn redis_url(text: &str) -> Result<(), &'static str> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    if !["redis", "rediss", "tcp", "tls", "unix"].contains(&scheme) {
        return Err("must be a URL such as redis://user:password@host:6379/0, or rediss:// for TLS");
    }
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    let authority = place.rsplit('@').next().unwrap_or_default().split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    if scheme != "unix" && port.is_some_and(|port| !port.is_empty() && port.parse::<u16>().is_err()) {
        return Err("must have a port from 1 to 65535, and in user and password %XX for what is no letter or digit");
    }
    Ok(())
}

/// Where webhooks go to.
pub(super) fn endpoint(text: &str) -> Result<(), &'static str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(ENDPOINT)?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must not hold a user or a password: send an Authorization header instead, under headers");
    }
    let end = authority.rfind(':').filter(|at| !authority[*at..].ends_with(']')).unwrap_or(authority.len());
    let port = authority[end..].strip_prefix(':');
    let is_url = rest.bytes().all(|b| b.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&b));
    let named = host(&authority[..end]).is_ok() && port.is_none_or(|port| port.parse().is_ok_and(|port: u16| port > 0));
    if is_url && named { Ok(()) } else { Err(ENDPOINT) }
}

const ENDPOINT: &str = "must be a URL such as https://app.example/pusher/webhooks, with http:// or https://, in ASCII, what \
                        else it has percent-encoded";

/// The IP address that stands in a URL in place of a name.
pub(super) fn address(url: &str) -> Option<IpAddr> {
    let authority = url.split_once("://")?.1.split(['/', '?']).next()?;
    let bare = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(authority, |(host, _)| host);
    bare_host(bare).parse().ok()
}

/// A header that webhooks may have besides their own.
pub(super) fn header(name: &str) -> Result<(), &'static str> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err("must be the name of a header, such as X-Team");
    }
    let name = name.to_ascii_lowercase();
    let own = ["host", "connection", "content-type", "content-length", "transfer-encoding", "expect", "upgrade", "te"];
    if own.contains(&name.as_str()) || ["x-pusher-", "x-fanfare-"].iter().any(|prefix| name.starts_with(prefix)) {
        return Err("is set by the server itself: leave it out");
    }
    Ok(())
}

/// What a header holds.
pub(super) fn header_value(text: &str) -> Result<(), &'static str> {
    if text.trim() == text && text.bytes().all(|b| (b' '..=b'~').contains(&b) || b == b'\t') {
        return Ok(());
    }
    Err("must be printable ASCII, without blanks around it")
}

/// A pattern for origins.
pub(super) fn origin(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() || text.trim().contains(char::is_whitespace) {
        return Err("must be one host or origin such as app.example, or *");
    }
    Ok(())
}

/// An origin exactly as browsers send it: one that is written in another way would never be found.
pub(super) fn page(text: &str) -> Result<(), &'static str> {
    if text == "*" {
        return Ok(());
    }
    let parts = text.split_once("://").map(|(scheme, rest)| {
        let at = rest.rfind(':').filter(|at| !rest[*at..].ends_with(']')).unwrap_or(rest.len());
        (scheme, &rest[..at], rest[at..].strip_prefix(':'))
    });
    let Some((scheme, name, port)) = parts else { return Err(PAGE) };
    let lower = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase());
    let standard = matches!((scheme, port), ("http", Some("80")) | ("https", Some("443")));
    let number = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port));
    let named = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) && !scheme.is_empty();
    // An IPv6 address stands in brackets, and nothing else does.
    let bracketed = name.starts_with('[') == name.contains(':');
    if named && lower(scheme) && lower(name) && bracketed && host(name).is_ok() && number && !standard {
        return Ok(());
    }
    Err(PAGE)
}

const PAGE: &str = "must be an origin as browsers send it, such as https://admin.example or http://localhost:3000, \
                    in lower case and without a path, or *";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: Rule, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(rule(text), Ok(()), "{text:?}");
        }
        for text in bad {
            assert!(rule(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn texts() {
        let good = ["0.0.0.0", "::", "[::1]", "localhost", "ws.app.example", "redis_1", "münchen.de", "3com.com"];
        let bad = ["", "http://a.b", "a:80", "a/b", "1.2.3", "300.1.1.1", "8080", "a..b", "-a.b", "a b", "[a", "*"];
        check(host, &good, &bad);
        check(shown, &["a.test", "localhost:8080", "https://a.test"], &["", "a b", "a\n"]);
        check(
            path,
            &["", "/", "ws", "/ws/", "/a/b", "a.b-c_d~e"],
            &["/a b", "/{a}", "/*a", "/:a", "?a", "/../a", "%41"],
        );
        check(id, &["123456", "app-id", "a:b", "ünï"], &["", "a b", "a/b", "a?b", "a#b", "a\nb", "\u{7f}"]);
        check(key, &["aA0_-", &"k".repeat(64)], &["", "a:b", "a/b", " a"]);
        check(secret, &["a:b/c?#$\"'"], &["", "a b", "a\tb", "a\u{0}b"]);
        check(socket, &["a", "/run/fanfare.sock", &"s".repeat(107)], &["", &"s".repeat(108), "a\0"]);
        check(origin, &["*", "*.a.test", "https://a.test", " a.test "], &["", " ", "a.test b.test"]);
    }

    #[test]
    fn pages_are_named_as_browsers_name_them() {
        let good =
            ["*", "https://a.test", "http://localhost:3000", "http://[::1]", "http://[::1]:8080", "tauri://localhost"];
        let bad = [
            "",
            "null",
            "a.test",
            "://a.test",
            "https://",
            "https://a.test/",
            "https://a.test/x",
            "https://A.test",
            "HTTPS://a.test",
            "https://a.test:443",
            "http://a.test:80",
            "http://a.test:080",
            "http://a.test:",
            "http://a:b",
            "https://*.a.test",
            "https://me@a.test",
            "https://münchen.de",
            "http://::1",
            "http://[a.test]",
            "https://a.test b",
        ];
        check(page, &good, &bad);
    }

    #[test]
    fn paths_are_normalised() {
        for (text, expect) in [("", ""), ("/", ""), ("ws", "/ws"), ("/ws/", "/ws"), ("//a//b/", "/a/b")] {
            assert_eq!(normal_path(text), expect, "{text:?}");
        }
    }
}
