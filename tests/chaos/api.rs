//! Signed requests to a node, which may die over them.

use fanfare::protocol::signature::Secret;
use md5::{Digest, Md5};
use serde_json::Value;
use std::io::{Error, Result};
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) const APP: &str = "3";
pub(crate) const KEY: &str = "278d425bdf160c739803";
pub(crate) const SECRET: &str = "7ad3773142a6692b25b8";

/// After which a node is taken for one that does not answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

/// A keep-alive connection.
pub(crate) struct Api(BufReader<TcpStream>);

/// `{key}:{signature}` of what is authorized.
pub(crate) fn auth(parts: &[&str]) -> String {
    format!("{KEY}:{}", Secret::new(SECRET).sign(parts))
}

impl Api {
    pub(crate) async fn connect(port: u16) -> Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await??;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Status and body of the answer to a POST.
    pub(crate) async fn post(&mut self, route: &str, body: &Value) -> Result<(u16, String)> {
        self.request("POST", route, "", &body.to_string()).await
    }

    /// The JSON of a GET, which must be a 200; `query` is one parameter more.
    pub(crate) async fn get(&mut self, route: &str, query: &str) -> Result<Value> {
        let (status, body) = self.request("GET", route, query, "").await?;
        if status != 200 {
            return Err(Error::other(format!("{status} {body}")));
        }
        Ok(serde_json::from_str(&body)?)
    }

    async fn request(&mut self, method: &str, route: &str, query: &str, body: &str) -> Result<(u16, String)> {
        let path = format!("/apps/{APP}{route}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut pairs = format!("auth_key={KEY}&auth_timestamp={now}&auth_version=1.0");
        if !body.is_empty() {
            pairs += &format!("&body_md5={}", hex::encode(Md5::digest(body)));
        }
        if !query.is_empty() {
            pairs = format!("{pairs}&{query}");
        }
        let signature = Secret::new(SECRET).sign(&[method, "\n", &path, "\n", &pairs]);
        let length = body.len();
        let request = format!(
            "{method} {path}?{pairs}&auth_signature={signature} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        timeout(PATIENCE, self.exchange(&request)).await?
    }

    async fn exchange(&mut self, request: &str) -> Result<(u16, String)> {
        self.0.get_mut().write_all(request.as_bytes()).await?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).await? == 0 {
                return Err(Error::other("closed"));
            }
        }
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
        self.0.read_exact(&mut body).await?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.ok_or_else(|| Error::other(head))?, String::from_utf8_lossy(&body).into_owned()))
    }
}
