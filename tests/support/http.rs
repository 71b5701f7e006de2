//! An HTTP/1.1 client on one keep-alive connection, which sends exactly what it is told to.

use super::nodes::{Place, Visit};
use super::{PATIENCE, credentials};
use fanfare::protocol::signature::Secret;
use md5::{Digest, Md5};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The app that requests are for.
#[derive(Clone, Copy)]
pub(crate) struct Credentials {
    pub(crate) id: &'static str,
    pub(crate) key: &'static str,
    pub(crate) secret: &'static str,
}

pub(crate) struct Http(pub(crate) BufReader<TcpStream>, Visit);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The status line and headers in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The path of one of the app's routes.
pub(crate) fn path(route: &str) -> String {
    format!("/apps/{}{route}", credentials().id)
}

/// Seconds since the epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The query that an SDK would send for a request made now.
pub(crate) fn signed(method: &str, path: &str, body: &str) -> String {
    let md5 = if body.is_empty() { String::new() } else { format!("&body_md5={}", hex::encode(Md5::digest(body))) };
    let query = format!("auth_key={}&auth_timestamp={}&auth_version=1.0{md5}", credentials().key, now());
    format!("{query}&auth_signature={}", sign(method, path, &query))
}

/// Path and signed query for a request with the parameters `more`.
pub(crate) fn signed_target(method: &str, path: &str, more: &str, body: &[u8]) -> String {
    let md5 = if body.is_empty() { String::new() } else { format!("&body_md5={}", hex::encode(Md5::digest(body))) };
    let all = format!("auth_key={}&auth_timestamp={}&auth_version=1.0{md5}&{more}", credentials().key, now());
    let mut pairs: Vec<_> = all.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_by_key(|pair| pair.split('=').next());
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    for pair in &pairs {
        let (name, value) = pair.split_once('=').unwrap();
        encoded.append_pair(name, value);
    }
    let signature = sign(method, path, &pairs.join("&"));
    format!("{path}?{}&auth_signature={signature}", encoded.finish())
}

pub(crate) fn sign(method: &str, path: &str, query: &str) -> String {
    Secret::new(credentials().secret).sign(&[method, "\n", path, "\n", query])
}

impl Http {
    pub(crate) async fn connect(place: impl Into<Place>) -> Self {
        let place = place.into();
        Self(BufReader::new(TcpStream::connect(place.address).await.unwrap()), place.visit())
    }

    /// Sends a request as it stands.
    pub(crate) async fn raw(&mut self, request: &[u8]) {
        self.0.get_mut().write_all(request).await.unwrap();
    }

    pub(crate) async fn request(&mut self, method: &str, target: &str, body: &str) -> Answer {
        self.send(method, target, "", body.as_bytes()).await
    }

    /// `headers` are whole lines.
    pub(crate) async fn send(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let asks =
            method == "GET" || [target.as_bytes(), body].iter().any(|part| part.windows(4).any(|w| w == b"info"));
        self.1.settle(asks).await;
        let length = body.len();
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n");
        self.raw(&[head.as_bytes(), body].concat()).await;
        self.answer().await
    }

    /// A signed GET with more query parameters, as they are before encoding.
    pub(crate) async fn get(&mut self, path: &str, query: &str) -> Answer {
        let target = signed_target("GET", path, query, b"");
        self.send("GET", &target, "", b"").await
    }

    /// A signed POST with more query parameters, as they are before encoding.
    pub(crate) async fn post(&mut self, path: &str, query: &str, body: impl AsRef<[u8]>) -> Answer {
        let target = signed_target("POST", path, query, body.as_ref());
        self.send("POST", &target, "", body.as_ref()).await
    }

    /// A signed request.
    pub(crate) async fn signed(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.request(method, &format!("{path}?{}", signed(method, path, body)), body).await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read()).await.expect("no answer")
    }

    async fn read(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).await.unwrap() > 0, "connection closed after {head:?}");
        }
        let head = head.to_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let mut body = vec![0; header("content-length:").map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await.unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, body: String::from_utf8(body).unwrap(), head }
    }
}
