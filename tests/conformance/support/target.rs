//! The server that a statement is run against: the one the suite is pointed at, or a process of its own.

use super::aim::{Aim, aim};
use super::{Answer, COUNT, Client, Credentials, Http, Needs, PATIENCE, Statement};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A server to talk to. One that was started for a statement ends with it.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// What stands before every path, such as `/ws`.
    pub(crate) prefix: String,
    process: Option<Process>,
}

struct Process {
    child: Child,
    config: PathBuf,
}

pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(format!("CONFORMANCE_{name}")).ok().filter(|text| !text.is_empty())
}

/// Whether the suite is pointed at a server that it did not start.
pub(crate) fn is_foreign() -> bool {
    variable("TARGET").is_some()
}

/// The app that statements use.
pub(crate) fn credentials() -> Credentials {
    static APP: OnceLock<[String; 3]> = OnceLock::new();
    let [id, key, secret] = APP.get_or_init(|| {
        let default = match is_foreign() {
            true => ["app-id", "app-key", "app-secret"],
            false => ["3", "278d425bdf160c739803", "7ad3773142a6692b25b8"],
        };
        let names = ["APP_ID", "KEY", "SECRET"];
        std::array::from_fn(|at| variable(names[at]).unwrap_or_else(|| default[at].to_owned()))
    });
    Credentials { id, key, secret }
}

/// Where a client of the app connects, below the target's prefix.
pub(crate) fn key_path(query: &str) -> String {
    format!("/app/{}?{query}", credentials().key)
}

impl Target {
    /// What the statement needs.
    pub(crate) async fn of(statement: &Statement) -> Self {
        let aim = aim().unwrap_or_else(|why| panic!("{why}"));
        match (aim, statement.needs) {
            (Some(Aim { address, prefix }), Needs::Nothing) => {
                Self { address: *address, prefix: prefix.clone(), process: None }
            }
            (_, Needs::App { config, .. }) => Self::start("", config),
            (_, Needs::Server { config, .. }) => Self::start(config, ""),
            _ => Self::start("", ""),
        }
    }

    /// Starts this crate's binary on a free port, with settings of the server and of the app.
    fn start(server: &str, app: &str) -> Self {
        let Credentials { id, key, secret } = credentials();
        // TOML takes JSON's strings.
        let [id, key, secret] = [id, key, secret].map(|text| json!(text));
        let config = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(super::unique("conformance-") + ".toml");
        let app = format!("[[apps]]\nid = {id}\nkey = {key}\nsecret = {secret}\n{app}\n");
        std::fs::write(&config, format!("[server]\nhost = \"127.0.0.1\"\nport = 0\n{server}\n{app}")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .args(["serve", "--config"])
            .arg(&config)
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("the server ended at once").unwrap();
        let (_, address) = line.split_once(" on ").expect("an announcement");
        let address = address.split(['/', ' ']).next().unwrap().parse().expect("an address");
        Self { address, prefix: String::new(), process: Some(Process { child, config }) }
    }

    /// Connects as a current pusher-js does.
    pub(crate) async fn connect(&self) -> Client {
        self.connect_as("protocol=7&client=js&version=8.6.0&flash=false").await
    }

    /// Connects with this query; the connection must be established.
    pub(crate) async fn connect_as(&self, query: &str) -> Client {
        let mut client = self.open_as(query).await;
        client.greeted().await;
        client
    }

    /// The WebSocket URL of a path below the target's prefix.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{}{path}", self.address, self.prefix)
    }

    /// Opens a WebSocket and reads nothing.
    pub(crate) async fn open(&self, path: &str) -> Client {
        let mut client = Client::open(self.address, &format!("{}{path}", self.prefix)).await;
        client.skips = Some(COUNT);
        client
    }

    /// Opens a WebSocket of the app with this query and reads nothing.
    pub(crate) async fn open_as(&self, query: &str) -> Client {
        self.open(&key_path(query)).await
    }

    /// A keep-alive connection to the HTTP API.
    pub(crate) async fn http(&self) -> Http {
        Http::connect(self.address).await
    }

    /// The path of one of the app's API routes.
    pub(crate) fn path(&self, route: &str) -> String {
        format!("{}{}", self.prefix, super::http::path(route))
    }

    /// A signed POST to one of the app's routes.
    pub(crate) async fn post(&self, route: &str, body: &str) -> Answer {
        self.http().await.signed("POST", &self.path(route), body).await
    }

    /// A signed GET of one of the app's routes, with more parameters in the query.
    pub(crate) async fn get(&self, route: &str, parameters: &str) -> Answer {
        self.http().await.get(&self.path(route), parameters).await
    }

    /// The JSON of a GET, which must be a 200.
    pub(crate) async fn look(&self, route: &str, parameters: &str) -> Value {
        let answer = self.get(route, parameters).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).expect("JSON")
    }

    /// Publishes an event, which must be accepted.
    pub(crate) async fn publish(&self, channel: &str, name: &str, data: &str) {
        self.trigger(&json!({ "name": name, "channels": [channel], "data": data })).await.ok();
    }

    /// `POST /events`.
    pub(crate) async fn trigger(&self, body: &Value) -> Answer {
        self.post("/events", &body.to_string()).await
    }

    /// Asks the process to stop in an orderly way.
    pub(crate) fn terminate(&self) {
        let id = self.process.as_ref().expect("only our own process is stopped").child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }
}

impl Answer {
    /// A 200 with a JSON object.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        assert!(self.head.contains("\r\ncontent-type: application/json"), "{}", self.head);
        let body: Value = serde_json::from_str(&self.body).expect("JSON");
        assert!(body.is_object(), "{body}");
        body
    }

    /// This status.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.body);
    }

    /// This status, and a text with `part` in it.
    #[track_caller]
    pub(crate) fn says(&self, status: u16, part: &str) {
        self.is(status);
        assert!(self.body.contains(part), "{:?} does not say {part:?}", self.body);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.config);
    }
}

/// Waits for something that a GET will say.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "never happened: {what}");
}
