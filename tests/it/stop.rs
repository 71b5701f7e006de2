//! Stopping (PNG-12, E4).

use crate::support::{Client, KEY, TestServer, eventually};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

#[tokio::test]
async fn every_connection_is_told_to_reconnect() {
    let mut server = TestServer::start();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = server.connect().await;
        client.join("presence-a", r#"{"user_id":"1"}"#).await;
        clients.push(client);
    }
    let mut old = Client::connect(server.place(), &format!("/app/{KEY}?protocol=5")).await;
    let idle = server.http().await;
    let address = server.place().address;
    server.begin_stop().await;
    for client in &mut clients {
        assert_eq!(client.closed().await, (4200, "Generic reconnect immediately".to_owned()));
    }
    assert_eq!(old.next().await["data"]["code"], 4200);
    assert_eq!(old.closed().await.0, 4200);
    eventually("the port is free", || server.connections() == 0).await;
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    drop((clients, old, idle));
}

#[tokio::test]
async fn frames_that_wait_go_out_before_the_close() {
    let mut server = TestServer::start();
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let mut http = server.http().await;
    for n in 0..100 {
        http.trigger(&json!({ "name": n.to_string(), "channel": "a", "data": "" })).await.expect(200, "{}");
    }
    server.begin_stop().await;
    for n in 0..100 {
        assert_eq!(client.next().await["event"], n.to_string());
    }
    assert_eq!(client.closed().await.0, 4200);
}

#[tokio::test]
async fn clients_that_never_hang_up_do_not_hold_the_server() {
    let mut server = TestServer::start();
    let mut deaf = Vec::new();
    for _ in 0..5 {
        deaf.push(server.connect().await);
    }
    let half = server.http().await;
    let mut begun = server.http().await;
    begun.raw(b"POST /apps/3/events HTTP/1.1\r\nContent-Len").await;
    let start = Instant::now();
    server.begin_stop().await;
    drop(server);
    assert!(start.elapsed() < Duration::from_secs(10));
    drop((deaf, half, begun));
}
