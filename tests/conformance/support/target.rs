//! The server that a statement is run against: the one the suite is pointed at, a process of its own, or three nodes.

use super::aim::{Aim, aim};
use super::nodes::{Kind, Nodes, Place};
use super::receiver::Receiver;
use super::settings::Settings;
use super::{Answer, COUNT, Client, Credentials, Http, Needs, PATIENCE, Statement};
use fanfare::config::{Config, Sources};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The query with which a current pusher-js connects.
const PUSHER_JS: &str = "protocol=7&client=js&version=8.6.0&flash=false";

/// A server to talk to. One that was started for a statement ends with it.
pub(crate) struct Target {
    /// Where its webhooks go. It ends before the server, which would wait for it.
    receiver: Option<Receiver>,
    server: Server,
    /// What stands before every path, such as `/ws`.
    pub(crate) prefix: String,
}

enum Server {
    Foreign(SocketAddr),
    Process(Process),
    Nodes(Nodes),
}

/// This crate's binary.
struct Process {
    child: Child,
    address: SocketAddr,
    _settings: Settings,
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
        let receiver = matches!(statement.needs, Needs::Webhooks { .. }).then(Receiver::start);
        let settings = || Settings::of(&statement.needs, receiver.as_ref());
        let server = match (aim, statement.needs) {
            (Some(Aim { address, prefix }), Needs::Nothing) => {
                return Self { receiver, server: Server::Foreign(*address), prefix: prefix.clone() };
            }
            (_, Needs::Us { .. } | Needs::One { .. }) => Server::one(settings()),
            (_, Needs::Nodes { .. }) => Server::three(Kind::wanted().unwrap_or(Kind::Memory), &settings()),
            _ => match Kind::wanted() {
                None => Server::one(settings()),
                Some(kind) => Server::three(kind, &settings()),
            },
        };
        if let (Some(_), Server::Nodes(nodes)) = (&receiver, &server) {
            eventually("all nodes tell", || all_tell(nodes)).await;
        }
        Self { receiver, server, prefix: String::new() }
    }

    /// Where the app's webhooks go.
    pub(crate) fn receiver(&self) -> &Receiver {
        self.receiver.as_ref().expect("the statement needs webhooks")
    }

    /// Where to connect: where there are several nodes, at another one each time.
    pub(crate) fn place(&self) -> Place {
        match &self.server {
            Server::Foreign(address) | Server::Process(Process { address, .. }) => (*address).into(),
            Server::Nodes(nodes) => nodes.place(),
        }
    }

    /// Connects to the node number `n` as a current pusher-js does.
    pub(crate) async fn connect_to(&self, n: usize) -> Client {
        let Server::Nodes(nodes) = &self.server else { panic!("there is one node") };
        let mut client = Client::connect(nodes.at(n), &key_path(PUSHER_JS)).await;
        client.skips = Some(COUNT);
        client
    }

    /// Connects as a current pusher-js does.
    pub(crate) async fn connect(&self) -> Client {
        self.connect_as(PUSHER_JS).await
    }

    /// Connects with this query; the connection must be established.
    pub(crate) async fn connect_as(&self, query: &str) -> Client {
        let mut client = self.open_as(query).await;
        client.greeted().await;
        client
    }

    /// The WebSocket URL of a path below the target's prefix.
    pub(crate) fn url(&self, place: &Place, path: &str) -> String {
        format!("ws://{place}{}{path}", self.prefix)
    }

    /// Opens a WebSocket and reads nothing.
    pub(crate) async fn open(&self, path: &str) -> Client {
        let mut client = Client::open(self.place(), &format!("{}{path}", self.prefix)).await;
        client.skips = Some(COUNT);
        client
    }

    /// Opens a WebSocket of the app with this query and reads nothing.
    pub(crate) async fn open_as(&self, query: &str) -> Client {
        self.open(&key_path(query)).await
    }

    /// A keep-alive connection to the HTTP API.
    pub(crate) async fn http(&self) -> Http {
        Http::connect(self.place()).await
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
        let Server::Process(process) = &self.server else { panic!("only our own process is stopped") };
        let id = process.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Ends the node number `n` as a crash does.
    pub(crate) fn kill(&mut self, n: usize) {
        let Server::Nodes(nodes) = &mut self.server else { panic!("there is one node") };
        nodes.kill(n);
    }
}

impl Server {
    /// Starts this crate's binary on a free port.
    fn one(settings: Settings) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .args(["serve", "--drain-delay", "0", "--config"])
            .arg(settings.file())
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
        Self::Process(Process { child, address, _settings: settings })
    }

    /// Starts three nodes in this process, from the same kind of file.
    fn three(kind: Kind, settings: &Settings) -> Self {
        let sources = Sources {
            directory: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            environment: BTreeMap::new(),
            env_file: None,
            config_file: Some(settings.file().to_owned()),
            flags: Vec::new(),
        };
        let config = || {
            let mut config = Config::load(&sources).unwrap();
            // Each node would need its own.
            config.webhooks.journal = PathBuf::new();
            // They stop after every statement.
            (config.server.drain_delay_secs, config.server.drain_window_secs) = (0, 1);
            config
        };
        Self::Nodes(Nodes::start(Some(kind), config))
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
    }
}

/// Whether all nodes tell what happens: until they know what others have told, who comes and goes at once is no news.
async fn all_tell(nodes: &Nodes) -> bool {
    for running in &nodes.running {
        let webhooks = running.node.webhooks().expect("the app has an endpoint");
        let endpoints = webhooks.status(credentials().id).await.expect("an answer");
        if endpoints.iter().any(|endpoint| endpoint.health.paused) {
            return false;
        }
    }
    true
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
