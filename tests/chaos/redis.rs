//! The bus: a redis-server on a port of its own, which can be killed and started again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) struct Redis {
    pub(crate) port: u16,
    folder: PathBuf,
    running: Option<Child>,
}

impl Redis {
    pub(crate) fn start(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let mut redis = Self { port: free_port(), folder, running: None };
        redis.again();
        redis
    }

    /// Starts it where it was, and waits until it is ready.
    pub(crate) fn again(&mut self) {
        let port = self.port.to_string();
        let mut child = Command::new("redis-server")
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--bind", "127.0.0.1", "--port", &port])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server must be installed (`make tools`)");
        let mut output = BufReader::new(child.stdout.take().unwrap());
        self.running = Some(child);
        let mut line = String::new();
        while !line.contains("Ready to accept connections") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "redis-server ended instead of listening on {port}");
        }
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ends all its connections of a type; how many there were. `None` if it is not running.
    pub(crate) fn kill_clients(&self, kind: &str) -> Option<u32> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.write_all(format!("CLIENT KILL TYPE {kind}\r\n").as_bytes()).ok()?;
        let mut answer = String::new();
        while !answer.ends_with("\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            answer.push(char::from(byte[0]));
        }
        answer.trim().strip_prefix(':')?.parse().ok()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Below the ports that the system gives to clients: one that connects to such a port while nobody listens there may
/// meet itself.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = u16::try_from(10_000 + getrandom::u32().unwrap() % 22_000).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
