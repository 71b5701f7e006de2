//! Where the suite is pointed, found out once: what is wrong with it is told once, and not by each statement.

use super::PATIENCE;
use super::target::variable;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::OnceLock;

/// A server that somebody else started.
pub(crate) struct Aim {
    pub(crate) address: SocketAddr,
    /// What stands before every path, such as `/ws`.
    pub(crate) prefix: String,
}

/// The server of `CONFORMANCE_TARGET` if there is one, or why it cannot be judged and what to do about it.
pub(crate) fn aim() -> Result<Option<&'static Aim>, &'static str> {
    static AIM: OnceLock<Option<Result<Aim, String>>> = OnceLock::new();
    let aim = AIM.get_or_init(|| {
        let url = variable("TARGET")?;
        Some(Aim::at(&url).map_err(|why| format!("The target is {url:?}: {why}")))
    });
    aim.as_ref().map(Result::as_ref).transpose().map_err(String::as_str)
}

impl Aim {
    fn at(url: &str) -> Result<Self, String> {
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https" | "wss", _)) => {
                return Err(
                    "the suite speaks no TLS. Give it the port where the server speaks plain http://".to_owned()
                );
            }
            Some((_, rest)) => return Err(format!("its scheme must be http. Write http://{rest}")),
            None => return Err(format!("it has no scheme. Write http://{url}")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // The colons in an IPv6 address are in brackets.
        let has_port = authority.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        let addresses = authority.to_socket_addrs();
        let addresses =
            addresses.map_err(|why| format!("{authority} cannot be found ({why}). Correct host and port"))?;
        let path = path.trim_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("/{path}") };
        let mut last = None;
        // A name may have addresses where the server does not listen, such as `::1` for localhost.
        for address in addresses {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(_) => return Ok(Self { address, prefix }),
                Err(why) => last = Some(format!("nothing answers at {address} ({why})")),
            }
        }
        let why = last.unwrap_or_else(|| format!("{authority} has no address"));
        Err(format!("{why}. Start the server, or correct host and port"))
    }
}
