//! What comes before HTTP on a new connection: the PROXY protocol's header and the TLS handshake.
//!
//! Must not know: how connections are accepted, and what is said on them.

use super::listener::Raw;
use super::tls::Tls;
use crate::transport::peer::{Peer, Proxies};
use crate::transport::stream::Stream;
use ppp::{HeaderResult, v1, v2};
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// The longest header of version 1 of the PROXY protocol (section 2.1).
const LINE_BYTES: usize = 107;
/// The largest header of version 2 that is read; with what load balancers add they have some hundred bytes.
const PROXY_BYTES: usize = 2048;
/// The first byte of a TLS handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// For whoever speaks HTTP where TLS is spoken.
const NO_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\
    Content-Length: 58\r\n\r\nThis port speaks TLS: connect with https:// or wss:// URL\n";

/// Whether the headers that `address` begins its connections with count where these are the trusted proxies.
pub fn counts(trusted: &[String], address: IpAddr) -> bool {
    let proxies = Proxies::new(trusted.iter().map(String::as_str));
    proxies.trust(Peer { address: Some(address.to_canonical()), tls: false })
}

/// How connections begin here.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    /// Whether they begin with a PROXY protocol header, which is a trusted proxy's.
    pub(super) proxy_protocol: bool,
    pub(super) proxies: Proxies,
    pub(super) tls: Option<Arc<Tls>>,
    /// How long all of it may take.
    pub(super) patience: Duration,
}

impl Arrivals {
    /// Takes a connection to where HTTP begins. An error says why it is of no use.
    pub(super) async fn receive(&self, raw: Raw) -> io::Result<(Stream, Peer)> {
        // The common case waits for nothing, and costs no timer.
        if !self.proxy_protocol && (self.tls.is_none() || matches!(raw, Raw::Unix(_))) {
            return Ok(plain(raw));
        }
        timeout(self.patience, self.begin(raw)).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }

    async fn begin(&self, mut raw: Raw) -> io::Result<(Stream, Peer)> {
        let told = match &mut raw {
            _ if !self.proxy_protocol => None,
            Raw::Tcp(_, address) if !self.proxies.trust(Peer { address: Some(*address), tls: false }) => {
                let why = format!("{address} is none of server.trusted_proxies");
                return Err(io::Error::new(ErrorKind::PermissionDenied, why));
            }
            Raw::Tcp(stream, _) => proxied(stream).await?,
            Raw::Unix(stream) => proxied(stream).await?,
        };
        let (stream, mut peer) = match (raw, &self.tls) {
            (Raw::Tcp(stream, address), Some(tls)) => {
                let stream = Box::new(secured(stream, tls).await?);
                (Stream::Tls(stream), Peer { address: Some(address), tls: true })
            }
            (raw, _) => plain(raw),
        };
        peer.address = told.map(|address| address.to_canonical()).or(peer.address);
        Ok((stream, peer))
    }
}

fn plain(raw: Raw) -> (Stream, Peer) {
    match raw {
        Raw::Tcp(stream, address) => (Stream::Tcp(stream), Peer { address: Some(address), tls: false }),
        Raw::Unix(stream) => (Stream::Unix(stream), Peer { address: None, tls: false }),
    }
}

async fn secured(mut stream: TcpStream, tls: &Tls) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != TLS_HANDSHAKE {
        stream.write_all(NO_TLS).await?;
        return Err(io::Error::new(ErrorKind::InvalidData, "the client does not speak TLS"));
    }
    TlsAcceptor::from(tls.config()).accept(stream).await
}

/// Reads the PROXY protocol's header, and not a byte more. The client's address, if the proxy knows one.
async fn proxied(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut header = Vec::new();
    while !is_whole(&header) {
        header.push(stream.read_u8().await?);
    }
    match HeaderResult::parse(&header) {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(ip) => Some(ip.source_address.into()),
            v1::Addresses::Tcp6(ip) => Some(ip.source_address.into()),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) => Ok(match (header.command, header.addresses) {
            (v2::Command::Local, _) => None,
            (_, v2::Addresses::IPv4(ip)) => Some(ip.source_address.into()),
            (_, v2::Addresses::IPv6(ip)) => Some(ip.source_address.into()),
            _ => None,
        }),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "no PROXY protocol header")),
    }
}

/// Whether nothing more belongs to the header, or it never becomes one.
fn is_whole(header: &[u8]) -> bool {
    let begins = |signature: &[u8]| header.iter().zip(signature).all(|(a, b)| a == b);
    if begins(v1::PROTOCOL_PREFIX.as_bytes()) {
        return header.ends_with(b"\n") || header.len() == LINE_BYTES;
    }
    // After the signature, version, family and, in two bytes, the length of the rest.
    let start = v2::PROTOCOL_PREFIX.len() + 4;
    let rest = header.get(start - 2..start).map(|length| usize::from(u16::from_be_bytes([length[0], length[1]])));
    !begins(v2::PROTOCOL_PREFIX) || rest.is_some_and(|rest| header.len() >= start + rest.min(PROXY_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(bytes: &[u8], expect: Result<Option<&str>, ErrorKind>) {
        let mut rest = bytes;
        let told = proxied(&mut rest).await.map_err(|error| error.kind());
        assert_eq!(told, expect.map(|address| address.map(|address| address.parse().expect("an address"))));
        if told.is_ok() {
            assert_eq!(rest, b"GET /", "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn headers_of_proxies() {
        check(b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\nGET /", Ok(Some("1.2.3.4"))).await;
        check(b"PROXY TCP6 2001:db8::1 ::1 1000 443\r\nGET /", Ok(Some("2001:db8::1"))).await;
        check(b"PROXY UNKNOWN\r\nGET /", Ok(None)).await;
        let signature = b"\r\n\r\n\0\r\nQUIT\n";
        let four =
            [&signature[..], b"\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x01\xbb", b"GET /"].concat();
        check(&four, Ok(Some("1.2.3.4"))).await;
        let local = [&signature[..], b"\x20\x00\x00\x00", b"GET /"].concat();
        check(&local, Ok(None)).await;
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        check(b"GET / HTTP/1.1\r\n\r\n", Err(ErrorKind::InvalidData)).await;
        check(b"PROXY TCP4 1.2.3.4", Err(ErrorKind::UnexpectedEof)).await;
        check(&[b"PROXY ", &[b'x'; 200][..]].concat(), Err(ErrorKind::InvalidData)).await;
        let large = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[0; 4096]].concat();
        check(&large, Err(ErrorKind::InvalidData)).await;
    }

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = String::from_utf8(NO_TLS.to_vec()).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
