//! A port that processes share (`SO_REUSEPORT`): newcomers are sent to the one that stays.
//!
//! Linux chooses among the sockets of a port by their order, which is that in which they began to listen; when one is
//! closed, the last takes its place. A program attached to the port says which; where what it says makes no sense the
//! system spreads newcomers as it does without. Must not know: what is served there.

use nix::libc::{BPF_K, BPF_RET, sock_filter, sock_fprog};
use nix::sys::socket::{SetSockOpt, sockopt::AttachReusePortCbpf};
use std::io;
use std::os::fd::AsRawFd;
use tokio::net::TcpListener;

/// No socket has this place.
const NOBODY: u32 = u32::MAX;

/// This process's place among those that listen on the port.
#[derive(Debug)]
pub(super) struct SharedPort {
    port: u16,
    /// The sockets that listened before this one.
    older: Vec<u64>,
}

impl SharedPort {
    /// Who listens on the port already; to be asked before this process does.
    pub(super) fn look(port: u16) -> Self {
        Self { port, older: listening(port).unwrap_or_default() }
    }

    /// Has the system spread newcomers over all who listen, whatever was arranged before.
    pub(super) fn share(&self, listener: &TcpListener) {
        prefer(listener, NOBODY);
    }

    /// Sends newcomers to the other process that listens, if there is just one; those who are on their way here still
    /// arrive.
    pub(super) fn give_way(&self, listener: &TcpListener) {
        let mine = inode(listener).ok();
        let others: Vec<_> =
            listening(self.port).unwrap_or_default().into_iter().filter(|it| Some(*it) != mine).collect();
        if let [other] = others[..] {
            prefer(listener, u32::from(!self.older.contains(&other)));
        }
    }
}

/// Sends newcomers to the socket at this place.
fn prefer(listener: &TcpListener, place: u32) {
    let mut chosen = sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: place };
    let program = sock_fprog { len: 1, filter: &raw mut chosen };
    if let Err(error) = AttachReusePortCbpf.set(listener, &program) {
        tracing::warn!("newcomers cannot be sent to the process that takes over the port: {error}");
    }
}

/// The sockets that listen on the port, by their inodes, as `/proc/self/net/tcp` has them.
fn listening(port: u16) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    // /proc/net is the same, unless only processes are to be seen there.
    for file in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        found.extend(text.lines().filter_map(|line| listens(line, port)));
    }
    Ok(found)
}

/// The inode of a socket that a line tells of, if it listens on the port.
fn listens(line: &str, port: u16) -> Option<u64> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let of = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    (of == port && *state == "0A").then(|| inode.parse().ok())?
}

fn inode(listener: &TcpListener) -> io::Result<u64> {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd()))?;
    let digits: String = link.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    digits.parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_system() {
        let line =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 4711 1 0 100 0";
        assert_eq!((listens(line, 8080), listens(line, 8081)), (Some(4711), None));
        assert_eq!(listens(&line.replace(" 0A ", " 01 "), 8080), None);
        assert_eq!(listens("  sl  local_address rem_address   st tx_queue", 8080), None);
    }

    #[tokio::test]
    async fn a_listener_finds_itself() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listening(port).unwrap(), [inode(&listener).unwrap()]);
    }
}
