//! Who is at the other end of a connection, and for whom it speaks.
//!
//! Must not know: how the connection was accepted, and what limits there are.

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its address; `None` on a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether it speaks TLS to this server.
    pub tls: bool,
}

/// The proxies whose word about their clients counts. Who connects over a Unix socket is one.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<[IpNet]>);

impl Proxies {
    /// Trusts everybody in `networks`: addresses, or networks such as `10.0.0.0/8`. Others are passed over.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Self {
        Self(networks.into_iter().filter_map(network).collect())
    }

    /// Whether it is a proxy of ours, whose word counts.
    pub fn trust(&self, peer: Peer) -> bool {
        peer.address.is_none_or(|address| self.trusts(address))
    }

    /// The address of the client that sends a request with `headers` through `peer`: the last one in
    /// `X-Forwarded-For` that is not a proxy of ours, for what stands before it anybody may have written. `None` if
    /// nobody knows it.
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> Option<IpAddr> {
        let named = headers.get_all(FORWARDED_FOR).into_iter().rev().filter_map(|value| value.to_str().ok());
        let mut named = named.flat_map(|value| value.rsplit(',')).map_while(address);
        let mut client = peer.address;
        while client.is_none_or(|client| self.trusts(client)) {
            match named.next() {
                Some(before) => client = Some(before),
                None => break,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The network that `text` names: an address stands for itself.
pub fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// An address as proxies write it: some add the port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: Option<&str>, headers: &[&'static str], expect: Option<&str>) {
        let proxies = Proxies::new(["127.0.0.0/8", "::1", "10.1.2.3"]);
        let peer = Peer { address: peer.map(|address| address.parse().expect("an address")), tls: false };
        let headers = headers.iter().map(|value| (FORWARDED_FOR, value.parse().expect("a header value"))).collect();
        assert_eq!(proxies.client(peer, &headers).map(|client| client.to_string()).as_deref(), expect, "{headers:?}");
    }

    #[test]
    fn only_proxies_are_believed() {
        check(Some("8.8.8.8"), &["1.2.3.4"], Some("8.8.8.8"));
        check(Some("127.0.0.1"), &["1.2.3.4"], Some("1.2.3.4"));
        check(Some("127.0.0.1"), &[], Some("127.0.0.1"));
        check(None, &["1.2.3.4"], Some("1.2.3.4"));
        check(None, &[], None);
    }

    #[test]
    fn what_stands_before_the_last_stranger_is_hearsay() {
        check(Some("127.0.0.1"), &["6.6.6.6, 1.2.3.4, 10.1.2.3"], Some("1.2.3.4"));
        check(Some("127.0.0.1"), &["6.6.6.6", "1.2.3.4,10.1.2.3"], Some("1.2.3.4"));
        check(Some("127.0.0.1"), &["10.1.2.3, 127.0.0.9"], Some("10.1.2.3"));
        check(Some("127.0.0.1"), &["1.2.3.4, unknown, 10.1.2.3"], Some("10.1.2.3"));
    }

    #[test]
    fn addresses_come_in_many_forms() {
        for (text, expect) in [
            ("1.2.3.4:56", "1.2.3.4"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
        ] {
            check(Some("127.0.0.1"), &[text], Some(expect));
        }
    }
}
