//! The binary as people start it.

use crate::support::Client;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A folder of its own, as a Laravel app has one.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(env: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("fanfare-it-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(".env"), env).unwrap();
        Self(folder)
    }

    pub(crate) fn fanfare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.args(args).current_dir(&self.0).env_clear().stdin(Stdio::null());
        command
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).unwrap();
    }

    pub(crate) fn create(&self, file: &str) -> fs::File {
        fs::File::create(self.path(file)).unwrap()
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Runs to the end.
    pub(crate) fn output(&self, args: &[&str]) -> Output {
        self.fanfare(args).output().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A started server; killed if the test fails before it is stopped.
pub(crate) struct Running {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    pub(crate) address: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.split("server on ").nth(1).expect("the start line").trim().to_owned();
        Self { child, out, address }
    }

    /// The next line of what it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.out.read_line(&mut line).unwrap() > 0, "nothing more is printed");
        line
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for a line that is printed.
    pub(crate) fn wait_for(&mut self, line: &str) {
        let mut read = String::new();
        while !read.contains(line) {
            assert!(self.out.read_line(&mut read).unwrap() > 0, "{read}");
        }
    }

    /// Waits for the end and returns what was printed.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let mut out = String::new();
        self.out.read_to_string(&mut out).unwrap();
        (self.child.wait().unwrap(), out)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const APP: &str = "REVERB_APP_ID=1\nREVERB_APP_KEY=key\nREVERB_APP_SECRET=secret\n";

#[test]
fn bad_configuration_takes_one_line_and_exit_code_78() {
    let app = |more: &str| format!("{APP}{more}");
    for (env, args, parts) in [
        (String::new(), &["serve"][..], &["REVERB_APP_KEY", "--dev"][..]),
        ("REVERB_APP_ID=1\nREVERB_APP_KEY=key\n".to_owned(), &["serve"], &["REVERB_APP_SECRET"]),
        (
            "REVERB_APP_ID=1\nREVERB_APP_KEY=\nREVERB_APP_SECRET=s\n".to_owned(),
            &["serve"],
            &["REVERB_APP_KEY", ".env line 2"],
        ),
        (app("REVERB_SERVER_PORT=80a80"), &["serve"], &["REVERB_SERVER_PORT", "80a80", ".env line 4"]),
        (app(""), &["serve", "--port", "99999"], &["--port", "99999"]),
        (app(""), &["serve", "--prot", "1"], &["--prot", "command line"]),
        (app(""), &["swerve"], &["swerve"]),
        (app(""), &["serve", "--config", "missing.toml"], &["missing.toml"]),
        (app(""), &["serve", "--env-file", "missing.env"], &["missing.env"]),
        (app("REVERB_SCALING_ENABLED=maybe"), &["serve"], &["REVERB_SCALING_ENABLED", "maybe"]),
        (app("REVERB_SCALING_ENABLED=true\nREDIS_URL=redis://a@b@"), &["serve"], &["redis.urls[0] is not a URL"]),
        (app("BROKEN=\"no end"), &["serve"], &[".env", "line 4"]),
    ] {
        let output = Folder::new(&env).output(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{args:?} {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(parts.iter().all(|part| error.contains(part)), "{error} lacks one of {parts:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_port_that_is_taken_is_said_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Folder::new(APP).output(&["serve", "--host", "127.0.0.1", "--port", &port]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{error}");
}

#[tokio::test]
async fn a_reverb_env_is_enough_and_signals_end_it_in_order() {
    for signal in ["-TERM", "-INT"] {
        let folder =
            Folder::new(&format!("{APP}REVERB_SERVER_HOST=127.0.0.1\nREVERB_SERVER_PORT=0\nREVERB_HOST=a.test\n"));
        let mut server = Running::start(folder.fanfare(&["serve"]));
        let (address, name) = server.address.split_once(' ').unwrap();
        assert_eq!(name, "(a.test)");
        let mut client = Client::connect(address.parse::<SocketAddr>().unwrap(), "/app/key?protocol=7").await;
        assert_eq!(client.established["activity_timeout"], 30);
        let start = Instant::now();
        server.signal(signal);
        assert_eq!(client.closed().await.0, 4200);
        drop(client);
        let (status, out) = server.ended();
        assert_eq!(status.code(), Some(0));
        assert!(out.contains("Gracefully terminating connections."), "{out}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

/// An address may come with its network, and a name with its server: whoever has started this one is to try again.
#[test]
fn a_host_that_is_not_there_is_no_mistake_of_configuration() {
    let log = ["--log-format", "json"];
    for (host, options) in [("203.0.113.9", &[][..]), ("nothing.invalid", &log)] {
        let output = Folder::new(APP).output(&[&["serve", "--host", host], options].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        let message = match options {
            [] => error.trim_end().to_owned(),
            _ => serde_json::from_str::<serde_json::Value>(&error).unwrap()["message"].as_str().unwrap().to_owned(),
        };
        let expect = format!("server.host (--host, REVERB_SERVER_HOST or the config file) is \"{host}\": ");
        assert!(message.contains(&expect) && error.lines().count() == 1, "{error}");
    }
}

#[tokio::test]
async fn nobody_reading_the_output_is_no_reason_to_end_badly() {
    let folder = Folder::new(&format!("{APP}REVERB_SERVER_HOST=127.0.0.1\nREVERB_SERVER_PORT=0\n"));
    let mut command = folder.fanfare(&["serve"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    drop(out);
    let address = line.split("Starting server on ").nth(1).unwrap().trim().to_owned();
    let mut client = Client::connect(address.parse::<SocketAddr>().unwrap(), "/app/key").await;
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(client.closed().await.0, 4200);
    drop(client);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn debugging_shows_each_broadcast_with_its_payload() {
    let folder = Folder::new(&format!("{APP}REVERB_SERVER_HOST=127.0.0.1\nREVERB_SERVER_PORT=0\n"));
    let log = fs::File::create(folder.0.join("log")).unwrap();
    let mut command = folder.fanfare(&["serve", "--debug"]);
    command.stderr(log);
    let mut server = Running::start(command);
    let mut client = Client::connect(server.address.parse::<SocketAddr>().unwrap(), "/app/key").await;
    client.subscribe("my-channel").await;
    let auth =
        format!("key:{}", fanfare::protocol::signature::Secret::new("secret").sign(&[&client.socket_id, ":private-a"]));
    client
        .send(&serde_json::json!({ "event": "pusher:subscribe", "data": { "channel": "private-a", "auth": auth } }))
        .await;
    client.next().await;
    client
        .send(&serde_json::json!({ "event": "client-typing", "channel": "private-a", "data": { "who": "me\n" } }))
        .await;
    client.text("no JSON").await;
    client.error().await;
    client.close().await;
    server.signal("-TERM");
    server.ended();
    let log = fs::read_to_string(folder.0.join("log")).unwrap();
    for part in [
        "connection established",
        r#"message received: {"data":{"#,
        "subscribed",
        r#"broadcast client-typing to 0 connections app.id="1" channel.name=private-a data={"who":"me\n"}"#,
        "refused: Received invalid JSON",
        "connection ended",
    ] {
        assert!(log.contains(part), "{log} lacks {part}");
    }
    assert!(!log.contains('\u{1b}'), "colours in a file");
}

#[tokio::test]
async fn later_sources_win() {
    let folder =
        Folder::new(&format!("{APP}REVERB_SERVER_HOST=127.0.0.1\nREVERB_SERVER_PORT=1\nREVERB_SERVER_PATH=/env\n"));
    fs::write(folder.0.join("fanfare.toml"), "[server]\npath = '/file'\n[limits]\nactivity_timeout_secs = 77\n")
        .unwrap();
    let mut command = folder.fanfare(&["serve", "--config", "fanfare.toml", "--port", "0"]);
    command.env("REVERB_SERVER_PATH", "/process");
    let server = Running::start(command);
    let address = server.address.strip_suffix("/process").expect("the path of the process environment");
    let client = Client::connect(address.parse::<SocketAddr>().unwrap(), "/process/app/key?protocol=7").await;
    assert_eq!(client.established["activity_timeout"], 77);
}

/// What `--dev` prints is ready to use: the shell lines are run as they are.
#[tokio::test]
async fn the_development_server_explains_itself() {
    let folder = Folder::new("REVERB_SERVER_PORT=nonsense that --dev does not read");
    let mut server = Running::start(folder.fanfare(&["serve", "--dev", "--port", "0"]));
    assert!(server.address.starts_with("127.0.0.1:"));
    let mut printed = String::new();
    while !printed.contains("curl ") {
        assert!(server.out.read_line(&mut printed).unwrap() > 0, "{printed}");
    }
    for part in
        ["id app-id, key app-key, secret app-secret", "REVERB_APP_KEY=app-key", "broadcaster: 'reverb'", "wsPort: "]
    {
        assert!(printed.contains(part), "{printed}");
    }
    let mut client = Client::connect(server.address.parse::<SocketAddr>().unwrap(), "/app/app-key?protocol=7").await;
    client.subscribe("my-channel").await;
    let (_, script) = printed.split_once("in a shell:").unwrap();
    let published = Command::new("sh").args(["-c", script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&published.stdout), "{}", "{}", String::from_utf8_lossy(&published.stderr));
    assert_eq!(client.next().await["event"], "hello");
}

#[test]
fn nodes_are_listed_for_people_and_for_programs() {
    let folder = Folder::new(&format!("{APP}REVERB_SERVER_PATH=/ws\n"));
    let server = Running::start(folder.fanfare(&["serve", "--host", "127.0.0.1", "--port", "0"]));
    let port = server.address.rsplit(':').next().unwrap().trim_end_matches("/ws").to_owned();
    let ask = |more: &[&str]| folder.output(&[&["nodes", "--port", &port][..], more].concat());
    let output = ask(&[]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && table.starts_with("NODE") && table.contains(" here "), "{table}");
    assert!(table.contains(&format!(":{port} ")) && table.ends_with("no bus: this is the only server\n"), "{table}");
    let json = String::from_utf8(ask(&["--json"]).stdout).unwrap();
    let nodes: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&nodes["bus"], &nodes["nodes"][0]["here"]), (&serde_json::Value::Null, &true.into()));
    let refused = |output: &Output, expect: &str| {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && error.contains(expect) && error.lines().count() == 1, "{error}");
    };
    let stranger = Folder::new(&APP.replace("secret", "other"));
    refused(&stranger.output(&["nodes", "--path", "/ws", "--port", &port]), "refuses with 401 Unauthorized");
    drop(server);
    refused(&ask(&[]), "is the server running");
}

#[test]
fn nodes_are_listed_for_the_first_app_that_is_enabled() {
    let folder = Folder::new("");
    let configure = |enabled: bool| {
        let app =
            |id, enabled| format!("[[apps]]\nid = \"{id}\"\nkey = \"{id}\"\nsecret = \"s\"\nenabled = {enabled}\n");
        fs::write(folder.0.join("fanfare.toml"), app("1", false) + &app("2", enabled)).unwrap();
    };
    configure(true);
    let place = ["--config", "fanfare.toml", "--host", "127.0.0.1", "--port"];
    let server = Running::start(folder.fanfare(&[&["serve"], &place[..], &["0"]].concat()));
    let port = server.address.rsplit(':').next().unwrap();
    let ask = || folder.output(&[&["nodes"], &place[..], &[port]].concat());
    let output = ask();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    configure(false);
    let (output, expect) = (ask(), "fanfare: every app of the configuration is disabled");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.starts_with(expect) && error.lines().count() == 1, "{error}");
}
