//! Servers of a bus that tests start, and that end with them.

mod folder;

pub(crate) use folder::Folder;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than a server takes for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A kind of server.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// What it says when it is ready.
    pub(crate) ready: &'static str,
}

#[cfg(feature = "redis")]
pub(crate) const REDIS: Program = Program { name: "redis-server", ready: "Ready to accept connections" };
#[cfg(feature = "nats")]
pub(crate) const NATS: Program = Program { name: "nats-server", ready: "Server is ready" };

/// Options of a Redis that keeps nothing.
#[cfg(feature = "redis")]
pub(crate) fn redis_options(port: u16, more: &[&str]) -> Vec<String> {
    let port = port.to_string();
    let common = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--bind", "127.0.0.1", "--port", &port];
    common.iter().chain(more).map(|option| (*option).to_owned()).collect()
}

/// Options of a NATS that keeps what it keeps in its folder, which is where it runs.
#[cfg(feature = "nats")]
pub(crate) fn nats_options(port: u16, more: &[&str]) -> Vec<String> {
    let port = port.to_string();
    let common = ["--addr", "127.0.0.1", "--port", &port, "--store_dir", "."];
    common.iter().chain(more).map(|option| (*option).to_owned()).collect()
}

/// A server on a port of its own that can be stopped and started again where it was.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) folder: Arc<Folder>,
    pub(crate) options: Vec<String>,
    program: Program,
    pub(crate) running: Option<Process>,
}

impl Server {
    /// A server with options that depend on its port and folder, once it is ready.
    pub(crate) async fn start(program: Program, options: impl Fn(u16, &Folder) -> Vec<String>) -> Self {
        let folder = Folder::new();
        loop {
            let port = free_port();
            let options = options(port, &folder);
            let mut server = Self { port, folder: folder.clone(), options, program, running: None };
            // Another test may have taken the port meanwhile.
            if server.again().await {
                return server;
            }
        }
    }

    /// Starts a server that was stopped. `false` if it does not stay.
    pub(crate) async fn again(&mut self) -> bool {
        self.kill();
        // Where Debian has some servers, which is not on everyone's path.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        let mut command = Command::new(self.program.name);
        let process = Process::start(command.args(&self.options).current_dir(self.folder.path()).env("PATH", path));
        self.running = Some(process);
        self.says(self.program.ready).await
    }

    /// Waits for a line of the server's log. `false` if the server ended before.
    pub(crate) async fn says(&mut self, text: &str) -> bool {
        self.running.as_mut().unwrap().says(text).await
    }

    /// Ends the process as a crash does.
    pub(crate) fn kill(&mut self) {
        self.running = None;
    }
}

/// A process whose output is read.
pub(crate) struct Process {
    pub(crate) child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("{command:?}: {error} (`make tools` installs it)"));
        let (sender, lines) = mpsc::unbounded_channel();
        read(child.stdout.take().unwrap(), sender.clone());
        read(child.stderr.take().unwrap(), sender);
        Self { child, lines }
    }

    /// Waits for a line of its output. `false` if it ended before.
    async fn says(&mut self, text: &str) -> bool {
        let find = async {
            while let Some(line) = self.lines.recv().await {
                if line.contains(text) {
                    return true;
                }
            }
            false
        };
        timeout(PATIENCE, find).await.unwrap_or_else(|_| panic!("the process never said {text:?}"))
    }
}

impl Drop for Process {
    /// Ends it as a crash does.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: impl Read + Send + 'static, sender: mpsc::UnboundedSender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
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
