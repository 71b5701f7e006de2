//! Processes of redis-server, each on a port of its own, which end with the test.

use crate::bus::PATIENCE;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::mpsc;
use tokio::time::timeout;

const READY: &str = "Ready to accept connections";

/// A folder that is gone after the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Arc<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("redis-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Arc::new(Self(path))
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server that can be stopped and started again where it was.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) folder: Arc<Folder>,
    options: Vec<String>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Server {
    /// A server with options that depend on its port and folder, once it is ready.
    pub(crate) async fn start(options: impl Fn(u16, &Folder) -> Vec<String>) -> Self {
        let folder = Folder::new();
        loop {
            let port = free_port();
            let options = options(port, &folder);
            let mut server = Self { port, folder: folder.clone(), options, running: None };
            // Another test may have taken the port meanwhile.
            if server.again().await {
                return server;
            }
        }
    }

    /// Starts a server that was stopped. `false` if it does not stay.
    pub(crate) async fn again(&mut self) -> bool {
        let mut child = Command::new("redis-server")
            .args(&self.options)
            .current_dir(&self.folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server must be installed (`make tools`)");
        let (sender, lines) = mpsc::unbounded_channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        self.running = Some(Running { child, lines });
        let ready = if self.options.iter().any(|option| option == "--sentinel") { "+monitor" } else { READY };
        self.says(ready).await
    }

    /// Waits for a line of the server's log. `false` if the server ended before.
    pub(crate) async fn says(&mut self, text: &str) -> bool {
        let lines = &mut self.running.as_mut().unwrap().lines;
        let find = async {
            while let Some(line) = lines.recv().await {
                if line.contains(text) {
                    return true;
                }
            }
            false
        };
        timeout(PATIENCE, find).await.unwrap_or_else(|_| panic!("redis-server never said {text:?}"))
    }

    /// Ends the process as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.child.kill().unwrap();
            running.child.wait().unwrap();
        }
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.running.as_ref().unwrap().child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// What an option was set to.
    pub(crate) fn option(&self, name: &str) -> String {
        self.options[self.options.iter().position(|option| option == name).unwrap() + 1].clone()
    }

    /// Gives a command through redis-cli.
    pub(crate) fn cli(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command).output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Options of a server that keeps nothing.
pub(crate) fn options(port: u16, more: &[&str]) -> Vec<String> {
    let port = port.to_string();
    let common = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--bind", "127.0.0.1", "--port", &port];
    common.iter().chain(more).map(|option| (*option).to_owned()).collect()
}

/// Below the ports that the system gives to clients: one that connects to such a port while nobody listens there may
/// meet itself.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = u16::try_from(10_000 + getrandom::u32().unwrap() % 22_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
