//! A new process takes over the port, or the socket, of one that drains.

use super::{env, free_port, publish};
use crate::binary::{Folder, Running};
use crate::support::{KEY, PATIENCE};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::client_async;

/// Connects as a client does, and reads the greeting.
async fn visit(place: SocketAddr) -> Result<(), String> {
    use futures_util::StreamExt;
    let stream = TcpStream::connect(place).await.map_err(|error| error.to_string())?;
    let url = format!("ws://{place}/app/{KEY}?protocol=7");
    let (mut socket, _) = client_async(url, stream).await.map_err(|error| error.to_string())?;
    match socket.next().await {
        Some(Ok(message)) if message.to_string().contains("pusher:connection_established") => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_fails_while_a_second_process_takes_over_the_port() {
    let folder = Folder::new(&env(""));
    let port = free_port().to_string();
    let start = || {
        let args = ["serve", "--host", "127.0.0.1", "--port", &port, "--reuse-port"];
        Running::start(folder.fanfare(&[&args[..], &["--drain-delay", "0", "--drain-window", "1"]].concat()))
    };
    let mut old = start();
    let place: SocketAddr = old.address.parse().unwrap();
    let (done, visits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let visitors: Vec<_> = (0..8)
        .map(|_| {
            let (done, visits) = (done.clone(), visits.clone());
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    timeout(PATIENCE, visit(place)).await.expect("no answer").unwrap();
                    visits.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let more = |count: usize| {
        let (visits, goal) = (visits.clone(), visits.load(Ordering::Relaxed) + count);
        timeout(PATIENCE, async move {
            while visits.load(Ordering::Relaxed) < goal {
                sleep(Duration::from_millis(5)).await;
            }
        })
    };
    more(100).await.expect("the old one serves");
    let mut new = start();
    more(100).await.expect("both serve");
    old.signal("-TERM");
    let (status, out) = tokio::task::spawn_blocking(move || old.ended()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{out}");
    more(100).await.expect("the new one serves");
    done.store(true, Ordering::Relaxed);
    for visitor in visitors {
        visitor.await.expect("every visit succeeds");
    }
    assert_eq!(publish(place, "a").await, 200);
    new.signal("-TERM");
    assert_eq!(new.ended().0.code(), Some(0));
}

#[test]
fn without_the_option_a_port_has_one_process() {
    let folder = Folder::new(&env(""));
    let port = free_port().to_string();
    let args = ["serve", "--host", "127.0.0.1", "--port", &port];
    let _first = Running::start(folder.fanfare(&[&args[..], &["--reuse-port"]].concat()));
    let output = folder.output(&args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("another process listens there"), "{error}");
}
