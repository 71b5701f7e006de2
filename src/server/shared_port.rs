//! A port that processes share (`SO_REUSEPORT`): how one that is to end sends newcomers to the others.
//!
//! Linux chooses among the sockets of a port by their places: a socket that begins to listen gets the next one, and when
//! one is closed, the last takes its place. A program attached to the port says which; where what it says makes no sense
//! the system spreads newcomers as it does without. Nobody can ask which place a socket has, so that a process finds out
//! by a visit to the port: it comes back to itself or does not.
//!
//! Must not know: what is served there.

use nix::libc::{
    BPF_ABS, BPF_ALU, BPF_K, BPF_LD, BPF_MOD, BPF_RET, BPF_W, SKF_AD_OFF, SKF_AD_RANDOM, sock_filter, sock_fprog,
};
use nix::sys::socket::{SetSockOpt, sockopt::AttachReusePortCbpf};
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as Name, UnixListener};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{interval, sleep, timeout};

/// No socket has this place.
const NOBODY: u32 = u32::MAX;
/// Between two looks at who listens.
const LOOK: Duration = Duration::from_millis(100);
/// How long newcomers who were on their way here may take to arrive.
const ON_THEIR_WAY: Duration = Duration::from_secs(1);
/// How long others that are to end as well may keep this one waiting.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// How long a visit may take.
const VISIT_WITHIN: Duration = Duration::from_secs(1);

/// What this process does about the port.
#[derive(Debug)]
pub(super) struct SharedPort {
    /// Where its last visit came from, and whether it came to itself.
    visit: watch::Sender<(Option<SocketAddr>, bool)>,
    /// Held from when newcomers are sent away until the port is closed.
    turn: Mutex<Option<Turn>>,
}

/// The right to say where newcomers go, which one process has at a time: two that are to end would send them to each
/// other. It is a name that the system takes back with the process.
#[derive(Debug)]
struct Turn {
    _name: UnixListener,
}

impl SharedPort {
    /// Has the system spread newcomers over all who listen, whatever was arranged before by processes that have ended.
    pub(super) fn share(listener: &TcpListener) -> Self {
        // Who has it looks again, and finds this one.
        if let Some(_turn) = Turn::free(listener) {
            attach(listener, &mut [constant(NOBODY)]);
        }
        Self { visit: watch::Sender::new((None, false)), turn: Mutex::new(None) }
    }

    /// Whether this process has visited itself.
    pub(super) fn is_visit(&self, peer: SocketAddr) -> bool {
        self.visit.send_if_modified(|(from, came)| *from == Some(peer) && !std::mem::replace(came, true))
    }

    /// Whether others listen.
    pub(super) fn has_others(listener: &TcpListener) -> bool {
        group(listener).len() > 1
    }

    /// Sends newcomers to other processes once there are any, and waits until nobody is on the way here any more; `giving`
    /// hears whether it is at it. Connections are to be accepted meanwhile.
    pub(super) async fn given_way(&self, listener: &TcpListener, giving: impl Fn(bool)) {
        loop {
            if Self::has_others(listener) {
                giving(true);
                let turn = timeout(TURN_WITHIN, Turn::take(listener)).await.ok();
                if self.send_away(listener).await {
                    *self.turn.lock() = turn;
                    return;
                }
            }
            giving(false);
            sleep(LOOK).await;
        }
    }

    /// Sends newcomers to others until nobody comes here any more; `false` if there are none.
    async fn send_away(&self, listener: &TcpListener) -> bool {
        let mut is_last = false;
        let mut look = interval(LOOK);
        'anew: loop {
            let all = group(listener);
            let Some(others) = u32::try_from(all.len()).ok().and_then(|all| all.checked_sub(1)).filter(|n| *n > 0)
            else {
                return false;
            };
            // Once this one is gone there is no such place, and newcomers are spread again.
            let (mut last, mut before) = ([constant(others)], before(others));
            attach(listener, if is_last { &mut before } else { &mut last });
            let called = timeout(VISIT_WITHIN, self.call(listener)).await;
            let came = match called.unwrap_or_else(|late| Err(late.into())) {
                Ok(came) => came,
                Err(error) => {
                    tracing::warn!("newcomers cannot be sent to the process that takes over the port: {error}");
                    return false;
                }
            };
            let mut came = std::pin::pin!(came);
            let mut arrived = std::pin::pin!(sleep(ON_THEIR_WAY));
            loop {
                tokio::select! {
                    () = &mut came => {
                        is_last = !is_last;
                        continue 'anew;
                    }
                    () = &mut arrived => match group(listener) == all {
                        true => return true,
                        false => continue 'anew,
                    },
                    _ = look.tick() => if group(listener) != all {
                        is_last = false;
                        continue 'anew;
                    },
                }
            }
        }
    }

    /// Visits the port. What is returned resolves once it is this process that was visited.
    async fn call(&self, listener: &TcpListener) -> io::Result<impl Future<Output = ()> + use<>> {
        let mut place = listener.local_addr()?;
        let socket = if place.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        place.set_ip(match place.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        });
        let mut from = place;
        from.set_port(0);
        socket.bind(from)?;
        self.visit.send_replace((Some(socket.local_addr()?), false));
        let mut visit = self.visit.subscribe();
        socket.connect(place).await?;
        Ok(async move {
            if visit.wait_for(|(_, came)| *came).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

impl Turn {
    fn free(listener: &TcpListener) -> Option<Self> {
        let name = format!("fanfare/{}/giving way", listener.local_addr().ok()?);
        let name = UnixListener::bind_addr(&Name::from_abstract_name(name).ok()?).ok()?;
        Some(Self { _name: name })
    }

    async fn take(listener: &TcpListener) -> Self {
        loop {
            if let Some(turn) = Self::free(listener) {
                return turn;
            }
            sleep(LOOK).await;
        }
    }
}

/// The connections that wait to be accepted, however many.
pub(super) fn waiting(listener: &TcpListener) -> io::Result<Vec<TcpStream>> {
    // What the runtime knows of them may be older.
    let listener = std::net::TcpListener::from(listener.as_fd().try_clone_to_owned()?);
    let mut found = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nonblocking(true)?;
        found.push(TcpStream::from_std(stream)?);
    }
    Ok(found)
}

/// Says this place.
fn constant(place: u32) -> sock_filter {
    filter(BPF_RET | BPF_K, place)
}

/// Says any place before the one of this number.
fn before(number: u32) -> [sock_filter; 3] {
    let random = (SKF_AD_OFF + SKF_AD_RANDOM).cast_unsigned();
    // `BPF_A`, which is not among the names there are.
    let accumulator = 0x10;
    [
        filter(BPF_LD | BPF_W | BPF_ABS, random),
        filter(BPF_ALU | BPF_MOD | BPF_K, number),
        filter(BPF_RET | accumulator, 0),
    ]
}

fn filter(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Has the system ask `program` where newcomers go.
fn attach(listener: &TcpListener, program: &mut [sock_filter]) {
    let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    if let Err(error) = AttachReusePortCbpf.set(listener, &program) {
        tracing::warn!("newcomers cannot be sent to the process that takes over the port: {error}");
    }
}

/// The sockets that newcomers are spread over, by their inodes, this one among them; nothing where the system does not say.
fn group(listener: &TcpListener) -> Vec<u64> {
    let Ok(mine) = inode(listener) else { return Vec::new() };
    // /proc/net is the same, unless only processes are to be seen there.
    let lists = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(|file| listening(file).unwrap_or_default());
    for all in lists {
        if let Some((local, _)) = all.iter().find(|(_, inode)| *inode == mine) {
            let mut found: Vec<_> = all.iter().filter(|(of, _)| of == local).map(|(_, inode)| *inode).collect();
            found.sort_unstable();
            return found;
        }
    }
    Vec::new()
}

/// The sockets that listen, with their addresses.
fn listening(file: &str) -> io::Result<Vec<(String, u64)>> {
    let lines = BufReader::new(File::open(file)?).lines().skip(1);
    // They come first; there may be very many connections.
    let lines = lines.map_while(|line| line.ok().as_deref().and_then(listens));
    Ok(lines.collect())
}

/// The address and the inode of a socket that a line tells of, if it listens.
fn listens(line: &str) -> Option<(String, u64)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    (*state == "0A").then(|| Some(((*local).to_owned(), inode.parse().ok()?)))?
}

fn inode(listener: &TcpListener) -> io::Result<u64> {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd()))?;
    let digits: String = link.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    digits.parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

    #[test]
    fn lines_of_the_system() {
        let line =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 4711 1 0 100 0";
        assert_eq!(listens(line), Some(("0100007F:1F90".to_owned(), 4711)));
        assert_eq!(listens(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(listens("  sl  local_address rem_address   st tx_queue"), None);
    }

    #[tokio::test]
    async fn a_listener_finds_itself() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(group(&listener), [inode(&listener).unwrap()]);
        assert!(!SharedPort::has_others(&listener));
    }

    fn listener(port: u16) -> TcpListener {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseport(true).unwrap();
        socket.bind(([127, 0, 0, 1], port).into()).unwrap();
        socket.listen(100).unwrap()
    }

    /// Whether nobody comes to the one at `leaving` of those that are left of four once one is closed.
    async fn gives_way(closed: usize, leaving: usize) {
        let first = listener(0);
        let place = first.local_addr().unwrap();
        let mut all = vec![first];
        all.extend((0..3).map(|_| listener(place.port())));
        drop(all.remove(closed));
        let mine = all.remove(leaving);
        let shared = SharedPort::share(&mine);
        let (is_giving, came) = (AtomicBool::new(false), AtomicUsize::new(0));
        let accepted = async {
            loop {
                let (_, peer) = mine.accept().await.unwrap();
                came.fetch_add(usize::from(!shared.is_visit(peer)), Relaxed);
            }
        };
        tokio::select! {
            () = shared.given_way(&mine, |giving| is_giving.store(giving, Relaxed)) => {}
            () = accepted => {}
        }
        assert!(is_giving.load(Relaxed) && came.load(Relaxed) == 0);
        // Nobody comes once it is given, and one after the other those who stay get all.
        let others = Arc::new(all);
        let count = |n: usize| {
            let others = others.clone();
            async move {
                for _ in 0..n {
                    let visitor = TcpStream::connect(place).await.unwrap();
                    let accepts = others.iter().map(|one| Box::pin(one.accept()));
                    futures_util::future::select_all(accepts).await.0.unwrap();
                    drop(visitor);
                }
            }
        };
        count(50).await;
        assert!(waiting(&mine).unwrap().is_empty());
        drop((mine, shared));
        count(50).await;
    }

    #[tokio::test]
    async fn whichever_place_it_has_newcomers_go_to_others() {
        let all = (0..4).flat_map(|closed| (0..3).map(move |leaving| gives_way(closed, leaving)));
        futures_util::future::join_all(all).await;
    }
}
