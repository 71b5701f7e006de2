//! One server: a process that is killed, stopped, paused and started again on the same port.

use super::api::{APP, KEY, SECRET};
use super::log::Log;
use super::servers::free_port;
use super::world::{Place, World, name};
use parking_lot::Mutex;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

pub(crate) struct Node {
    pub(crate) index: usize,
    pub(crate) port: u16,
    folder: PathBuf,
    world: World,
    running: Mutex<Option<Child>>,
}

/// The lines of the config file that have everything told to the back end on `port`, as soon as it takes it.
pub(crate) fn webhooks(port: u16) -> String {
    format!(
        "features.private_webhook_targets = true\n[webhooks]\ndebounce_ms = 500\nretry_after_secs = [1]\n\
         [[webhooks.endpoints]]\nurl = \"http://127.0.0.1:{port}/\"\n"
    )
}

impl Node {
    /// A node that reaches the bus as these lines of `.env` and of the config file say.
    pub(crate) fn start(world: &World, index: usize, folder: PathBuf, (env, config): (String, String)) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let env = format!("REVERB_APP_ID={APP}\nREVERB_APP_KEY={KEY}\nREVERB_APP_SECRET={SECRET}\n{env}");
        std::fs::write(folder.join(".env"), env).unwrap();
        // The first node lets little wait for the bus, and so refuses events while that is away.
        let little = if index == 0 { "cluster.outage_bytes = 65_536\n" } else { "" };
        std::fs::write(folder.join("fanfare.toml"), little.to_owned() + &config).unwrap();
        let node = Self { index, port: free_port(), folder, world: world.clone(), running: Mutex::default() };
        node.again();
        node
    }

    /// Starts its process, and waits until it listens.
    pub(crate) fn again(&self) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .args(["serve", "--debug", "--config", "fanfare.toml", "--drain-delay", "0", "--drain-window", "2"])
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .current_dir(&self.folder)
            .env_clear()
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let place = {
            let state = &mut *self.world.state();
            let node = &mut state.nodes[self.index];
            node.runs.push(None);
            node.up = None;
            Place { node: self.index, run: node.runs.len() - 1 }
        };
        let (errors, log) = (BufReader::new(child.stderr.take().unwrap()), Log::new(&self.world, place));
        std::thread::spawn(move || log.read(errors));
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(line.contains("Starting server on "), "node {} said {line:?}", name(self.index));
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        *self.running.lock() = Some(child);
        self.world.state().nodes[self.index].is_up = true;
    }

    pub(crate) fn signal(&self, signal: &str) {
        if let Some(child) = &*self.running.lock() {
            let status = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
            assert!(status.unwrap().success());
        }
    }

    /// Ends its process as a crash does. When that was.
    pub(crate) fn kill(&self) -> Instant {
        let Some(mut child) = self.running.lock().take() else { return Instant::now() };
        // Noted before clients notice.
        let now = Instant::now();
        self.ended(now);
        child.kill().unwrap();
        child.wait().unwrap();
        now
    }

    /// Tells its process to stop. When that was.
    pub(crate) fn stop(&self) -> Instant {
        let now = Instant::now();
        self.ended(now);
        self.signal("TERM");
        now
    }

    /// Waits until a process that was told to stop has ended.
    pub(crate) async fn stopped(&self) {
        let Some(mut child) = self.running.lock().take() else { return };
        let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        if !status.success() {
            self.world.blame(&format!("node {} was told to stop and ended with {status}", name(self.index)));
        }
    }

    /// Whether its process has ended by itself.
    pub(crate) fn has_died(&self) -> bool {
        self.running.lock().as_mut().is_some_and(|child| child.try_wait().unwrap().is_some())
    }

    fn ended(&self, now: Instant) {
        let node = &mut self.world.state().nodes[self.index];
        node.is_up = false;
        *node.runs.last_mut().expect("it runs") = Some(now);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A paused process does not mind being killed.
        if let Some(mut child) = self.running.lock().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
