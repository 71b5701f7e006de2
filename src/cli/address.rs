//! Where a server is reached.
//!
//! Must not know: how one connects, or what is asked there.

use crate::config::Server;
use hyper::Uri;
use std::fmt;
use std::net::IpAddr;

/// Scheme, host, port and path prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Whether TLS is spoken.
    pub(super) secure: bool,
    /// A name or an IP address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// What every route begins with: nothing, or `/prefix`.
    pub(super) path: String,
}

impl Address {
    /// Reads `http(s)://host[:port][/prefix]`; `ws` and `wss` stand for the same. The error says how to mend it.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{url:?} {why}: write https://host:port/prefix");
        let uri: Uri = url.trim().parse().map_err(|error| wrong(&format!("is not a URL ({error})")))?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(wrong("does not begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err("the URL has a user name or password in it: leave them out, requests are signed".to_owned());
        }
        if uri.query().is_some() {
            return Err(wrong("has a query"));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let names_port = authority.as_str().len() > authority.host().len();
        if host.is_empty() || names_port && authority.port_u16().is_none() {
            return Err(wrong("names no host, or no port after the colon"));
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { secure, host, port, path: prefix(uri.path()) })
    }

    /// Where a server that is configured so is reached from this machine.
    pub(super) fn of(server: &Server) -> Self {
        let host = match server.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(any)) if any.is_unspecified() => "127.0.0.1",
            Ok(IpAddr::V6(any)) if any.is_unspecified() => "::1",
            _ => &server.host,
        };
        Self { secure: false, host: host.to_owned(), port: server.port, path: server.path.clone() }
    }

    /// `host:port`, as a `Host` header has it.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// One slash before each segment and none at the end.
fn prefix(path: &str) -> String {
    path.split('/').filter(|segment| !segment.is_empty()).map(|segment| format!("/{segment}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (url, expect) in [
            ("http://a.test", "http://a.test:80"),
            ("wss://a.test", "https://a.test:443"),
            ("https://a.test:8443/ws/", "https://a.test:8443/ws"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            (" http://127.0.0.1:1//a//b ", "http://127.0.0.1:1/a/b"),
        ] {
            assert_eq!(Address::parse(url).map(|address| address.to_string()), Ok(expect.to_owned()), "{url}");
        }
        for url in
            ["", "a.test", "a.test:80", "ftp://a.test", "http://", "http://a.test:x", "http://a.test/?b", "http://a:"]
        {
            assert!(Address::parse(url).unwrap_err().contains("write https://host:port/prefix"), "{url}");
        }
        assert!(!Address::parse("http://user:secret@a.test").unwrap_err().contains("secret"));
    }

    #[test]
    fn a_server_on_every_address_is_asked_on_this_machine() {
        let reached = ["0.0.0.0", "::", "10.0.0.1", "ws.app.test"].map(|host| {
            let server = Server { host: host.to_owned(), ..Server::default() };
            Address::of(&server).authority()
        });
        assert_eq!(reached, ["127.0.0.1:8080", "[::1]:8080", "10.0.0.1:8080", "ws.app.test:8080"]);
    }
}
