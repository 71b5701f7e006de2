//! Other ways in than a plain TCP port: a Unix socket, and the PROXY protocol.

use super::{env, place, serve};
use crate::binary::{Folder, Running};
use crate::support::{Http, KEY};
use futures_util::StreamExt;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Greets a client that says that it speaks for `forwarded`.
async fn greeted(stream: impl AsyncRead + AsyncWrite + Unpin, forwarded: &str) {
    let mut request = format!("ws://localhost/app/{KEY}?protocol=7").into_client_request().unwrap();
    if !forwarded.is_empty() {
        request.headers_mut().insert("X-Forwarded-For", forwarded.parse().unwrap());
    }
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    let message = socket.next().await.unwrap().unwrap();
    assert!(message.to_string().contains("pusher:connection_established"), "{message}");
}

/// Stops the server, and reads who came according to its log.
fn clients(folder: &Folder, mut server: Running) -> Vec<String> {
    server.signal("-TERM");
    assert_eq!(server.ended().0.code(), Some(0));
    let log = folder.read("log");
    let lines = log.lines().filter(|line| line.contains("connection established"));
    lines.map(|line| line.split("client=").nth(1).unwrap_or("nobody knows").to_owned()).collect()
}

fn logged(folder: &Folder, more: &[&str]) -> Running {
    let args = ["serve", "--host", "127.0.0.1", "--port", "0", "--debug", "--drain-delay", "0"];
    let mut command = folder.fanfare(&[&args[..], more].concat());
    command.stderr(folder.create("log"));
    Running::start(command)
}

#[tokio::test]
async fn a_unix_socket_is_a_way_in_and_goes_with_the_server() {
    let folder = Folder::new(&env(""));
    let server = logged(&folder, &["--unix-socket", "fanfare.sock"]);
    let path = folder.path("fanfare.sock");
    greeted(UnixStream::connect(&path).await.unwrap(), "").await;
    greeted(UnixStream::connect(&path).await.unwrap(), "1.2.3.4").await;
    greeted(TcpStream::connect(place(&server)).await.unwrap(), "1.2.3.5").await;
    let mut socket = UnixStream::connect(&path).await.unwrap();
    socket.write_all(b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(r#"{"health":"OK"}"#), "{answer}");
    assert_eq!(clients(&folder, server), ["nobody knows", "1.2.3.4", "1.2.3.5"]);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
    let folder = Folder::new(&env(""));
    let is_socket = |path: &Path| path.metadata().is_ok_and(|found| found.file_type().is_socket());
    let path = folder.path("fanfare.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(is_socket(&path));
    let mut first = logged(&folder, &["--unix-socket", "fanfare.sock"]);
    greeted(UnixStream::connect(&path).await.unwrap(), "").await;
    let output = folder.output(&["serve", "--host", "127.0.0.1", "--port", "0", "--unix-socket", "fanfare.sock"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(r#"server.unix_socket "fanfare.sock": another process listens there"#), "{error}");
    let second = logged(&folder, &["--unix-socket", "fanfare.sock", "--reuse-port"]);
    first.signal("-TERM");
    assert_eq!(first.ended().0.code(), Some(0));
    greeted(UnixStream::connect(&path).await.unwrap(), "").await;
    drop(second);
    folder.write("plain", "a file");
    for path in ["plain", "missing/fanfare.sock"] {
        let output = folder.output(&["serve", "--host", "127.0.0.1", "--port", "0", "--unix-socket", path]);
        assert_eq!(output.status.code(), Some(1));
    }
    assert_eq!(folder.read("plain"), "a file");
}

#[tokio::test]
async fn a_socket_may_have_as_long_a_path_as_the_system_takes() {
    let folder = Folder::new(&env(""));
    let name = "d".repeat(98);
    std::fs::create_dir(folder.path(&name)).unwrap();
    std::os::unix::fs::symlink(&name, folder.path("short")).unwrap();
    let server = logged(&folder, &["--unix-socket", &format!("{name}/fan.sock")]);
    greeted(UnixStream::connect(folder.path("short/fan.sock")).await.unwrap(), "").await;
    assert_eq!(std::fs::read_dir(folder.path(&name)).unwrap().count(), 1);
    assert_eq!(clients(&folder, server).len(), 1);
    for command in ["serve", "check"] {
        let output = folder.output(&[command, "--unix-socket", &format!("{name}/fan.socks")]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{error}");
        assert!(error.contains("(--unix-socket): must be a path of 1 to 107 bytes"), "{error}");
    }
}

#[tokio::test]
async fn the_proxy_protocol_names_the_client() {
    let folder = Folder::new(&env(""));
    folder.write("fanfare.toml", "[server]\nproxy_protocol = true\nhandshake_timeout_secs = 1\n");
    let server = logged(&folder, &["--config", "fanfare.toml"]);
    for header in [
        &b"PROXY TCP4 1.2.3.4 127.0.0.1 1 2\r\n"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x05\x06\x07\x08\0\0\0\0\0\0\0\0",
    ] {
        let mut stream = TcpStream::connect(place(&server)).await.unwrap();
        stream.write_all(header).await.unwrap();
        greeted(stream, "").await;
    }
    for nonsense in [&b"GET /up HTTP/1.1\r\n\r\n"[..], b"PROX"] {
        let mut stream = TcpStream::connect(place(&server)).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        // Closed or reset, and nothing is said.
        assert!(matches!(stream.read(&mut [0; 10]).await, Ok(0) | Err(_)));
    }
    assert_eq!(clients(&folder, server), ["1.2.3.4", "5.6.7.8"]);
}

#[tokio::test]
async fn strangers_are_not_believed_whom_they_speak_for() {
    let folder = Folder::new(&env(""));
    folder.write("fanfare.toml", "[server]\ntrusted_proxies = [\"10.0.0.0/8\"]\n");
    let server = logged(&folder, &["--config", "fanfare.toml"]);
    greeted(TcpStream::connect(place(&server)).await.unwrap(), "1.2.3.4").await;
    assert_eq!(clients(&folder, server), ["127.0.0.1"]);
}

#[tokio::test]
async fn a_request_needs_no_more_than_a_port() {
    let folder = Folder::new(&env(""));
    let server = serve(&folder, &["--drain-delay", "0"]);
    assert_eq!(Http::connect(place(&server)).await.request("GET", "/up", "").await.status, 200);
}
