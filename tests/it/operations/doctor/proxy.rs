//! A proxy in front of a server, that does one thing as it should not.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy, copy_bidirectional,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// What it does.
#[derive(Clone, Default)]
pub(super) struct Rules {
    /// What becomes of a path; those of which nothing becomes are answered with 404. Without this they stay.
    pub(super) path: Option<fn(&str) -> Option<String>>,
    /// The date that answers have.
    pub(super) date: Option<String>,
    /// Whether handshakes lose what makes them handshakes.
    pub(super) drops_upgrade: bool,
    /// Where it sends everybody, in place of handing anything on.
    pub(super) location: Option<&'static str>,
    /// What it proves itself with, if it speaks TLS.
    pub(super) tls: Option<TlsAcceptor>,
}

/// The proxy; it ends when it is dropped.
pub(super) struct Proxy {
    address: SocketAddr,
    task: AbortHandle,
}

impl Proxy {
    /// One in front of the server on that port of this machine.
    pub(super) async fn start(port: &str, rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, behind) = (listener.local_addr().unwrap(), format!("127.0.0.1:{port}"));
        let rules = Arc::new(rules);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (rules, behind) = (rules.clone(), behind.clone());
                connections.spawn(async move {
                    // Whoever is there may go at any time.
                    let _ = match &rules.tls {
                        None => pass(stream, &behind, &rules).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => pass(stream, &behind, &rules).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Self { address, task: task.abort_handle() }
    }

    pub(super) fn port(&self) -> String {
        self.address.port().to_string()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Hands on the first request by the rules, and everything after its answer's head as it is.
async fn pass(stream: impl AsyncRead + AsyncWrite + Unpin, behind: &str, rules: &Rules) -> std::io::Result<()> {
    let mut client = BufReader::new(stream);
    let head = head(&mut client).await?;
    let (method, rest) = head.split_once(' ').unwrap_or_default();
    let (target, rest) = rest.split_once(' ').unwrap_or_default();
    if let Some(place) = rules.location {
        let answer = format!(
            "HTTP/1.1 301 Moved Permanently\r\nLocation: {place}{target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        return client.write_all(answer.as_bytes()).await;
    }
    let path = rules.path.map_or_else(|| Some(target.to_owned()), |becomes| becomes(target));
    let Some(path) = path else {
        let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot here\n";
        return client.write_all(answer.as_bytes()).await;
    };
    let Ok(server) = TcpStream::connect(behind).await else {
        let answer = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(answer.as_bytes()).await;
    };
    let mut request = format!("{method} {path} {rest}");
    if rules.drops_upgrade {
        request = without(&without(&request, "upgrade"), "connection");
    }
    let mut server = BufReader::new(server);
    server.write_all(request.as_bytes()).await?;
    let length =
        head.lines().filter_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse::<u64>().ok());
    copy(&mut (&mut client).take(length.sum()), &mut server).await?;
    if let Some(date) = &rules.date {
        let answer = self::head(&mut server).await?;
        let answer = without(&answer, "date").replacen("\r\n", &format!("\r\nDate: {date}\r\n"), 1);
        client.write_all(answer.as_bytes()).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

async fn head(stream: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// The head without one header.
fn without(head: &str, name: &str) -> String {
    let is_it = |line: &&str| line.split_once(':').is_some_and(|(field, _)| field.eq_ignore_ascii_case(name));
    head.split_inclusive("\r\n").filter(|line| !is_it(line)).collect()
}
