//! The log of the real binary: its formats, its levels, and what is never in it.

use crate::binary::{Folder, Running};
use crate::support::{Client, Http, eventually};
use serde_json::{Value, json};
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

const SECRET: &str = "never-to-be-logged";

/// A server that writes its log to a file.
struct Logged {
    server: Running,
    address: SocketAddr,
    log: PathBuf,
    _folder: Folder,
}

impl Logged {
    fn start(args: &[&str]) -> Self {
        let folder = Folder::new(&format!(
            "REVERB_APP_ID=3\nREVERB_APP_KEY=key\nREVERB_APP_SECRET={SECRET}\nREVERB_SERVER_HOST=127.0.0.1\n\
             REVERB_SERVER_PORT=0\n"
        ));
        let log = folder.path("log");
        let mut command = folder.fanfare(&[&["serve"], args].concat());
        command.stderr(File::create(&log).unwrap());
        let server = Running::start(command);
        let address = server.address.parse().unwrap();
        Self { server, address, log, _folder: folder }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log has a line with `part`.
    async fn says(&self, part: &str) {
        eventually(part, || self.log().contains(part)).await;
    }

    async fn client(&self) -> Client {
        Client::connect(self.address, "/app/key?protocol=7").await
    }
}

/// Each line as an object, with what every line has.
fn objects(log: &str) -> Vec<Value> {
    let object = |line: &str| {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["timestamp", "level", "message"] {
            assert!(object[field].is_string(), "{line} has no {field}");
        }
        object
    };
    log.lines().map(object).collect()
}

#[tokio::test]
async fn each_line_of_json_is_an_object() {
    let folder = Folder::new(&format!(
        "REVERB_APP_ID=3\nREVERB_APP_KEY=key\nREVERB_APP_SECRET={SECRET}\nREVERB_SERVER_HOST=127.0.0.1\n\
         REVERB_SERVER_PORT=0\n"
    ));
    let log = folder.path("log");
    let mut command = folder.fanfare(&["serve", "--log-format", "json", "--log-level", "debug"]);
    let mut child = command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    let read = || objects(&std::fs::read_to_string(&log).unwrap());
    let find = |start: &str| {
        read().into_iter().find(|line| line["message"].as_str().is_some_and(|text| text.starts_with(start)))
    };
    eventually("it has started", || find("Starting server on ").is_some()).await;
    let start = find("Starting server on ").unwrap();
    let address: SocketAddr = start["message"].as_str().unwrap()["Starting server on ".len()..].parse().unwrap();
    let mut client = Client::connect(address, "/app/key?protocol=7").await;
    client.text("no JSON: \"\n\\").await;
    client.error().await;
    let mut http = Http::connect(address).await;
    http.request("POST", &format!("/apps/3/events?auth_key=key&auth_signature={SECRET}"), "{}").await;
    client.close().await;
    eventually("the end is logged", || find("connection ended").is_some()).await;
    let established = find("connection established").unwrap();
    assert_eq!([&established["level"], &established["app.id"]], [&json!("DEBUG"), &json!("3")]);
    assert!(established["socket.id"].as_str().unwrap().contains('.'), "{established}");
    assert!(std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(find("Gracefully terminating connections.").is_some());
    let mut printed = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut printed).unwrap();
    assert_eq!(printed, "", "what programs read is in one place");
    assert!(!std::fs::read_to_string(&log).unwrap().contains(SECRET));
}

#[tokio::test]
async fn signals_change_the_level_and_back() {
    let logged = Logged::start(&["--log-level", "warn"]);
    drop(logged.client().await);
    assert_eq!(logged.log(), "", "connections are told of at debug alone");
    logged.server.signal("-USR1");
    logged.says("the log's level is debug").await;
    logged.client().await.close().await;
    logged.says("connection ended").await;
    logged.server.signal("-USR2");
    logged.says("the log's level is the configured one").await;
    let before = logged.log().len();
    logged.client().await.close().await;
    // A round trip later it would be there.
    Http::connect(logged.address).await.request("GET", "/up", "").await.expect(200, r#"{"health":"OK"}"#);
    assert_eq!(&logged.log()[before..], "");
    assert!(!logged.log().contains(SECRET));
}

#[tokio::test]
async fn debug_wins_over_the_level() {
    let logged = Logged::start(&["--log-level", "error", "--debug"]);
    logged.client().await.close().await;
    logged.says("connection established").await;
}

#[test]
fn a_level_or_format_that_is_none_is_a_mistake() {
    for (args, expect) in [
        (["--log-level", "loud"], "log.level is \"loud\" (--log-level): must be one of error, warn, info, debug"),
        (["--log-format", "xml"], "log.format is \"xml\" (--log-format): must be one of human, json"),
    ] {
        let folder = Folder::new("REVERB_APP_ID=1\nREVERB_APP_KEY=k\nREVERB_APP_SECRET=s\n");
        let output = folder.output(&["serve", args[0], args[1]]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*error), (Some(78), &*format!("fanfare: {expect}\n")));
    }
}
