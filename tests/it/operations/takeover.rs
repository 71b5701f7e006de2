//! A new process takes over the port, or the socket, of one that drains.

use super::{env, free_port, publish};
use crate::binary::{Folder, Running};
use crate::support::{Http, KEY, PATIENCE, connect, eventually};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
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

/// Clients who come one after the other, and must all be greeted.
struct Visitors {
    done: Arc<AtomicBool>,
    visits: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Visitors {
    fn start(place: SocketAddr) -> Self {
        let (done, visits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let visitor = |_| {
            let (done, visits) = (done.clone(), visits.clone());
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    timeout(PATIENCE, visit(place)).await.expect("no answer").unwrap();
                    visits.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let tasks = (0..8).map(visitor).collect();
        Self { done, visits, tasks }
    }

    /// Waits for a hundred more.
    async fn more(&self) {
        let goal = self.visits.load(Ordering::Relaxed) + 100;
        eventually("a hundred visits", || self.visits.load(Ordering::Relaxed) >= goal).await;
    }

    async fn end(self) {
        self.done.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("every visit succeeds");
        }
    }
}

/// A process that shares its ports, that of metrics among them.
fn start(folder: &Folder, port: u16, metrics: u16) -> Running {
    folder.write("fanfare.toml", &format!("[metrics]\nport = {metrics}\n"));
    let port = port.to_string();
    let args = ["serve", "--host", "127.0.0.1", "--port", &port, "--reuse-port", "--config", "fanfare.toml"];
    Running::start(folder.fanfare(&[&args[..], &["--drain-delay", "0", "--drain-window", "1"]].concat()))
}

async fn stop(mut server: Running) {
    server.signal("-TERM");
    let (status, out) = tokio::task::spawn_blocking(move || server.ended()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_fails_while_processes_take_over_the_port_and_give_it_back() {
    let (folder, port, metrics) = (Folder::new(&env("")), free_port(), free_port());
    let first = start(&folder, port, metrics);
    let place: SocketAddr = first.address.parse().unwrap();
    let visitors = Visitors::start(place);
    visitors.more().await;
    let second = start(&folder, port, metrics);
    visitors.more().await;
    // The older one goes.
    stop(first).await;
    visitors.more().await;
    let third = start(&folder, port, metrics);
    visitors.more().await;
    // The younger one goes: the update was no good.
    stop(third).await;
    visitors.more().await;
    visitors.end().await;
    assert_eq!(publish(place, "a").await, 200);
    stop(second).await;
}

/// How many sockets listen on the port.
fn listeners(port: u16) -> usize {
    let text = std::fs::read_to_string("/proc/net/tcp").unwrap();
    text.lines().filter(|line| line.contains(&format!(":{port:04X} 00000000:0000 0A "))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_refused_by_processes_that_drain_while_others_start() {
    let (folder, port, metrics) = (Folder::new(&env("")), free_port(), free_port());
    let args = ["serve", "--host", "127.0.0.1", "--port", &port.to_string(), "--reuse-port", "--drain-delay", "0"];
    let mut first = Running::start(folder.fanfare(&args));
    let place: SocketAddr = first.address.parse().unwrap();
    let mut kept = Http::connect(place).await;
    assert_eq!(kept.request("GET", "/up", "").await.status, 200);
    // A hundred of them are closed a second, and none hangs up.
    let mut clients = Vec::new();
    for _ in 0..500 {
        clients.push(connect(place.into()).await);
    }
    first.signal("-TERM");
    let refused = async { while Http::connect(place).await.upgrade(&format!("/app/{KEY}")).await.status != 503 {} };
    timeout(PATIENCE, refused).await.expect("newcomers are sent away");
    let second = start(&folder, port, metrics);
    eventually("the first leaves the port", || listeners(port) == 1).await;
    assert_eq!(kept.request("GET", "/up", "").await.status, 200, "the first serves those it has");
    let visitors = Visitors::start(place);
    visitors.more().await;
    let third = start(&folder, port, metrics);
    visitors.more().await;
    let ending = tokio::spawn(stop(second));
    let fourth = start(&folder, port, metrics);
    visitors.more().await;
    ending.await.unwrap();
    visitors.more().await;
    // Two at once.
    let ending = [third, fourth].map(|server| tokio::spawn(stop(server)));
    let fifth = start(&folder, port, metrics);
    for ending in ending {
        ending.await.unwrap();
    }
    visitors.more().await;
    visitors.end().await;
    drop((kept, clients));
    assert_eq!(tokio::task::spawn_blocking(move || first.ended().0.code()).await.unwrap(), Some(0));
    stop(fifth).await;
}

#[tokio::test]
async fn without_a_successor_back_ends_are_served_until_the_last_connection_has_gone() {
    let folder = Folder::new(&env(""));
    let args = ["serve", "--host", "127.0.0.1", "--port", "0", "--reuse-port", "--drain-delay", "0"];
    let mut server = Running::start(folder.fanfare(&args));
    let place: SocketAddr = server.address.parse().unwrap();
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = connect(place.into()).await;
        client.subscribe("a").await;
        clients.push(client);
    }
    server.signal("-TERM");
    server.wait_for("Gracefully terminating connections.");
    let refused = async { while Http::connect(place).await.upgrade(&format!("/app/{KEY}")).await.status != 503 {} };
    timeout(PATIENCE, refused).await.expect("newcomers are sent away");
    assert_eq!(publish(place, "a").await, 200);
    for client in &mut clients {
        assert_eq!(client.closed_in_the_end().await, 4200);
    }
    drop(clients);
    assert_eq!(server.ended().0.code(), Some(0));
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
