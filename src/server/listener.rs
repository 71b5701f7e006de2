//! Where clients come in: a TCP port, and perhaps a Unix socket.
//!
//! Must not know: what clients say.

use super::Fatal;
#[cfg(target_os = "linux")]
use super::shared_port::SharedPort;
use crate::config;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream, lookup_host};

/// Connections that may wait to be accepted; the system has a bound of its own.
const BACKLOG: u32 = 4096;

/// A connection that nothing has been read from.
#[derive(Debug)]
pub(super) enum Raw {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

/// What is listened on. It stops with its drop.
#[derive(Debug)]
pub(super) struct Listener {
    /// `None` once it was left to other processes.
    tcp: Option<TcpListener>,
    unix: Option<Local>,
    /// Where other processes may listen on the port too.
    #[cfg(target_os = "linux")]
    shared: Option<SharedPort>,
}

/// A Unix socket and its file, which goes with it.
#[derive(Debug)]
struct Local {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Listener {
    /// Takes the configured port and socket.
    pub(super) async fn bind(settings: &config::Server) -> Result<Self, Fatal> {
        let config::Server { host, port, reuse_port, unix_socket, .. } = settings;
        let tcp = tcp(host, *port, *reuse_port).await.map_err(|error| unbound(host, *port, error))?;
        #[cfg(target_os = "linux")]
        let shared = reuse_port.then(|| SharedPort::share(&tcp));
        let local = |path: &PathBuf| {
            Local::bind(path, *reuse_port).map_err(|error| Fatal::Socket { path: path.clone(), error })
        };
        Ok(Self {
            tcp: Some(tcp),
            unix: unix_socket.as_ref().map(local).transpose()?,
            #[cfg(target_os = "linux")]
            shared,
        })
    }

    /// A port that somebody else has taken.
    pub(super) fn plain(tcp: TcpListener) -> Self {
        Self {
            tcp: Some(tcp),
            unix: None,
            #[cfg(target_os = "linux")]
            shared: None,
        }
    }

    /// The address of the port.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.as_ref().ok_or(ErrorKind::NotConnected)?.local_addr()
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Raw> {
        let tcp = async {
            let Some(tcp) = &self.tcp else { return pending().await };
            loop {
                let (stream, peer) = tcp.accept().await?;
                if !self.is_visit(peer) {
                    return raw(stream, peer);
                }
            }
        };
        let Some(local) = &self.unix else { return tcp.await };
        tokio::select! {
            accepted = tcp => accepted,
            accepted = local.listener.accept() => accepted.map(|(stream, _)| Raw::Unix(stream)),
        }
    }

    /// Closes the port. What has come there and was not accepted is returned.
    pub(super) fn close_port(&mut self) -> Vec<Raw> {
        #[cfg(target_os = "linux")]
        let left = self.tcp.as_ref().map_or_else(Vec::new, |tcp| super::shared_port::waiting(tcp).unwrap_or_default());
        #[cfg(not(target_os = "linux"))]
        let left: Vec<TcpStream> = Vec::new();
        self.tcp = None;
        #[cfg(target_os = "linux")]
        drop(self.shared.take());
        left.into_iter().filter_map(|stream| stream.peer_addr().and_then(|peer| raw(stream, peer)).ok()).collect()
    }
}

#[cfg(target_os = "linux")]
impl Listener {
    fn is_visit(&self, peer: SocketAddr) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.is_visit(peer))
    }

    /// Whether other processes listen on the port.
    pub(super) fn has_successor(&self) -> bool {
        self.shared.is_some() && self.tcp.as_ref().is_some_and(SharedPort::has_others)
    }

    /// Sends newcomers to other processes once any listen on the port, and waits until nobody is on the way here any more;
    /// `giving` hears whether it is at it. Connections are to be accepted meanwhile, and the port to be closed then.
    pub(super) async fn given_way(&self, giving: impl Fn(bool)) {
        match (&self.shared, &self.tcp) {
            (Some(shared), Some(tcp)) => shared.given_way(tcp, giving).await,
            _ => pending().await,
        }
    }
}

/// Elsewhere the system does not say who listens.
#[cfg(not(target_os = "linux"))]
impl Listener {
    fn is_visit(&self, _: SocketAddr) -> bool {
        false
    }

    pub(super) fn has_successor(&self) -> bool {
        false
    }

    pub(super) async fn given_way(&self, _: impl Fn(bool)) {
        pending().await
    }
}

fn raw(stream: TcpStream, peer: SocketAddr) -> io::Result<Raw> {
    // The server writes whole batches, so waiting to fill packets would only delay them.
    stream.set_nodelay(true)?;
    Ok(Raw::Tcp(stream, peer.ip().to_canonical()))
}

/// Takes the port; others may take it too if `reuse`.
pub(super) async fn tcp(host: &str, port: u16, reuse: bool) -> io::Result<TcpListener> {
    let mut last = io::Error::new(ErrorKind::AddrNotAvailable, "the name has no address");
    for address in lookup_host((host, port)).await? {
        let bound = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // The port is free as soon as its last listener is gone, whatever its connections still do.
            socket.set_reuseaddr(true)?;
            if reuse {
                socket.set_reuseport(true)?;
            }
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        match bound() {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn unbound(host: &str, port: u16, error: io::Error) -> Fatal {
    let host = host.to_owned();
    let hint = match error.kind() {
        ErrorKind::AddrInUse => "another process listens there: stop it or choose another port",
        ErrorKind::PermissionDenied => "ports below 1024 need privileges: choose another port",
        _ => {
            let setting = "server.host (--host, REVERB_SERVER_HOST or the config file)";
            let hint = "it must be an address or a name of this machine, such as 0.0.0.0";
            return Fatal::Host { setting, host, error, hint };
        }
    };
    Fatal::Bind { host, port, error, hint }
}

impl Local {
    /// Listens at `path`: in the place of a process that has ended and, if `take`, of one that still listens. Nobody who
    /// connects meanwhile finds nothing there.
    fn bind(path: &Path, take: bool) -> io::Result<Self> {
        if std::fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "it is a file of another kind"));
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) if !take => return Err(io::Error::new(ErrorKind::AddrInUse, "another process listens there")),
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                return Err(error);
            }
            _ => {}
        }
        let (listener, fresh) = beside(path)?;
        // Who may connect is for the folder to say, as with a port it is for a firewall.
        std::fs::set_permissions(&fresh, PermissionsExt::from_mode(0o666))?;
        let inode = std::fs::metadata(&fresh)?.ino();
        std::fs::rename(&fresh, path)?;
        Ok(Self { listener, path: path.to_owned(), inode })
    }
}

/// Listens in the folder of `path`, at a name that nothing has. It is no longer than that of `path`, as all of it must fit
/// into what the system takes.
fn beside(path: &Path) -> io::Result<(UnixListener, PathBuf)> {
    for name in ('a'..='z').chain('0'..='9') {
        let fresh = path.with_file_name(String::from(name));
        match UnixListener::bind(&fresh) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            bound => return Ok((bound?, fresh)),
        }
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, "its folder is full of files with names of one letter"))
}

impl Drop for Local {
    fn drop(&mut self) {
        // Another process may listen there by now.
        if std::fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
