//! Connections to a server, with TLS or without.
//!
//! Must not know: what is said over them.

use super::address::Address;
use super::trust;
use crate::config::{Server, Tls};
use crate::server::counts;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long connecting may take, TLS included.
const PATIENCE: Duration = Duration::from_secs(5);
/// The PROXY protocol's header of a connection that is made for nobody else (section 2.1).
const FOR_NOBODY: &[u8] = b"PROXY UNKNOWN\r\n";

/// Bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection.
pub(super) type Link = Box<dyn Stream>;

/// A server, and how to be sure that it is the one.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: Address,
    /// Whose certificates are believed.
    pub(super) tls: Arc<ClientConfig>,
    /// Where connections begin with a PROXY protocol header: from whom the server takes one.
    pub(super) proxies: Option<Arc<[String]>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    /// Nothing by that name, or nothing that listens.
    #[error("cannot connect to {0}: {1}")]
    Refused(String, io::Error),
    /// What listens does not prove that it is the server, or speaks no TLS.
    #[error("cannot speak TLS with {0}: {1}")]
    Tls(String, io::Error),
    /// It shows another certificate than the one that it must show.
    #[error("{0} shows another certificate than stands in tls.cert_file: its log says why it has not read that one")]
    Stranger(String),
    /// It turns away who is no trusted proxy.
    #[error(
        "{0} takes connections from its trusted proxies alone (server.proxy_protocol), and {1}, this machine, is none \
         of them: add it to server.trusted_proxies"
    )]
    Distrusted(String, IpAddr),
    /// Nothing happened in time.
    #[error("{0} does not answer within {n} s", n = PATIENCE.as_secs())]
    Late(String),
}

impl Target {
    /// The server at `address`, whose certificate must stand in the PEM file `ca`, or be of an authority there; without
    /// a file, of one that browsers know. The error says how to mend it.
    pub(super) fn new(address: Address, ca: Option<&Path>) -> Result<Self, String> {
        Ok(Self { address, tls: Arc::new(trust::vouched(ca)?), proxies: None })
    }

    /// The server that is configured so, on this machine. If it speaks TLS it must show the certificate that it is
    /// configured with.
    pub(super) fn here(server: &Server, tls: &Tls) -> Result<Self, String> {
        let config = match &tls.cert_file {
            None => trust::vouched(None)?,
            Some(file) => trust::only(file)?,
        };
        Ok(Self { address: local(server, tls), tls: Arc::new(config), proxies: proxies(server) })
    }

    /// The same, whatever certificate it shows: one that was renewed may not be read yet, or be of no use.
    pub(super) fn nearby(server: &Server, tls: &Tls) -> Result<Self, String> {
        Ok(Self { address: local(server, tls), tls: Arc::new(trust::anybody()?), proxies: proxies(server) })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Link, Unreachable> {
        let place = self.address.authority();
        timeout(PATIENCE, self.link()).await.unwrap_or(Err(Unreachable::Late(place)))
    }

    async fn link(&self) -> Result<Link, Unreachable> {
        Ok(if self.address.secure { Box::new(self.secured().await?) } else { Box::new(self.plain().await?) })
    }

    async fn plain(&self) -> Result<TcpStream, Unreachable> {
        let connected = TcpStream::connect((&*self.address.host, self.address.port)).await;
        let refused = |error| Unreachable::Refused(self.address.authority(), error);
        let mut stream = connected.map_err(refused)?;
        // Small messages that wait for answers: there is nothing to gather.
        let _ = stream.set_nodelay(true);
        if let Some(proxies) = &self.proxies {
            let own = stream.local_addr().map_err(refused)?.ip();
            if !counts(proxies, own) {
                return Err(Unreachable::Distrusted(self.address.authority(), own));
            }
            stream.write_all(FOR_NOBODY).await.map_err(refused)?;
        }
        Ok(stream)
    }

    async fn secured(&self) -> Result<TlsStream<TcpStream>, Unreachable> {
        let failed = |error| Unreachable::Tls(self.address.authority(), error);
        let name = ServerName::try_from(self.address.host.clone()).map_err(|error| failed(io::Error::other(error)))?;
        let connected = TlsConnector::from(self.tls.clone()).connect(name, self.plain().await?).await;
        connected.map_err(|error| match trust::is_other(&error) {
            true => Unreachable::Stranger(self.address.authority()),
            false => failed(error),
        })
    }
}

/// Connects with TLS, to look at what is said about it.
pub(super) async fn connect_tls(target: &Target) -> Result<TlsStream<TcpStream>, Unreachable> {
    let late = |_| Unreachable::Late(target.address.authority());
    timeout(PATIENCE, target.secured()).await.map_err(late)?
}

/// Whose PROXY protocol headers the server wants, if it does.
fn proxies(server: &Server) -> Option<Arc<[String]>> {
    server.proxy_protocol.then(|| server.trusted_proxies.as_slice().into())
}

/// Where a server that is configured so is reached from this machine.
pub(super) fn local(server: &Server, tls: &Tls) -> Address {
    Address { secure: tls.cert_file.is_some(), ..Address::of(server) }
}
