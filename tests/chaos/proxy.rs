//! A node's link to the bus, which can be made bad.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// What is carried at a time.
const CHUNK: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToBus,
    FromBus,
}

/// What the link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Closes every connection, and new ones at once.
    Cut,
    /// Carries everything later, in order.
    Delay(Duration),
    /// Carries nothing this way, while connections stay open. As on a real link nothing is lost from the middle: what
    /// waits goes on when the link is mended.
    Halve(Way),
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    /// A link to the bus on the port `bus`.
    pub(crate) async fn start(bus: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, modes) = watch::channel(Mode::Pass);
        // Ends with the runtime.
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                if *modes.borrow() != Mode::Cut {
                    tokio::spawn(carry(near, bus, modes.clone()));
                }
            }
        });
        Self { port, mode }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

/// Carries one connection until an end closes it, or it is cut.
async fn carry(near: TcpStream, bus: u16, modes: watch::Receiver<Mode>) {
    let Ok(far) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, bus))).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let mut cut = modes.clone();
    tokio::select! {
        () = pump(near_read, far_write, modes.clone(), Way::ToBus) => {}
        () = pump(far_read, near_write, modes, Way::FromBus) => {}
        _ = cut.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut modes: watch::Receiver<Mode>, way: Way) {
    let mut buffer = vec![0; CHUNK];
    let flows = |mode: &Mode| *mode != Mode::Halve(way);
    loop {
        if modes.wait_for(flows).await.is_err() {
            return;
        }
        let read = tokio::select! {
            biased;
            _ = modes.changed() => continue,
            read = from.read(&mut buffer) => read,
        };
        let Ok(read @ 1..) = read else { return };
        let mode = *modes.borrow();
        if let Mode::Delay(delay) = mode {
            sleep(delay).await;
        }
        if modes.wait_for(flows).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
