//! What an idle connection costs on the heap. A test of its own, because it counts every allocation of the process:
//! the clients here are plain sockets, which have none.

use fanfare::app::App;
use fanfare::config::{self, Config};
use fanfare::server::Server;
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};
use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CONNECTIONS: usize = 1000;
const BUDGET: usize = 3 * 1024;

const HANDSHAKE: &[u8] = b"GET /app/key?protocol=7&client=js&version=8.6.0&flash=false HTTP/1.1\r\nHost: localhost\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A masked text frame with a mask of zero.
fn frame(text: &[u8]) -> Vec<u8> {
    [&[0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0], text].concat()
}

fn live(stats: &Stats) -> isize {
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

/// Connects, subscribes and returns once the subscription is confirmed.
fn subscribed(address: SocketAddr, subscribe: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(HANDSHAKE).unwrap();
    let mut buffer = [0; 2048];
    let mut len = 0;
    let mut until = |needle: &[u8], stream: &mut TcpStream| {
        while !buffer[..len].windows(needle.len()).any(|window| window == needle) {
            let read = stream.read(&mut buffer[len..]).unwrap();
            assert!(read > 0, "closed: {}", String::from_utf8_lossy(&buffer[..len]));
            len += read;
        }
    };
    until(b"activity_timeout", &mut stream);
    stream.write_all(subscribe).unwrap();
    until(b"subscription_succeeded", &mut stream);
    stream
}

fn start() -> SocketAddr {
    let server = config::Server { host: "127.0.0.1".to_owned(), port: 0, ..config::Server::default() };
    let config = Config::new(server, vec![App::new("1", "key", "secret")]);
    let (started, start) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::bind(config, None).await.unwrap();
            started.send(server.local_addr().unwrap()).unwrap();
            server.run(async || std::future::pending().await).await;
        });
    });
    start.recv().unwrap()
}

#[test]
fn an_idle_subscribed_connection_stays_within_its_budget() {
    let address = start();
    let subscribe = frame(br#"{"event":"pusher:subscribe","data":{"channel":"my-channel"}}"#);
    // The first connections pay for what all share, such as buffers of the runtime.
    let _warm: Vec<_> = (0..50).map(|_| subscribed(address, &subscribe)).collect();
    let mut streams = Vec::with_capacity(CONNECTIONS);
    let before = live(&ALLOCATOR.stats());
    for _ in 0..CONNECTIONS {
        streams.push(subscribed(address, &subscribe));
    }
    let each = (live(&ALLOCATOR.stats()) - before).unsigned_abs() / CONNECTIONS;
    println!("heap: {each} bytes for each idle connection with one subscription");
    assert!(each <= BUDGET, "{each} bytes for each connection, more than {BUDGET}");
    assert!(each > 1000, "{each} bytes cannot be all that a connection takes: the test does not count");
}
