//! The files for nginx in `examples/`, read by nginx itself and with traffic through them.

use crate::binary::{Folder, Running};
use crate::support::{Client, Http, KEY, SECRET, eventually};
use serde_json::json;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// nginx in front of a server; killed with it.
struct Proxied {
    nginx: Child,
    address: SocketAddr,
    folder: Folder,
    _server: Running,
}

/// A command that finds what Debian puts where only root looks.
fn nginx(folder: &Folder, args: &[&str]) -> Command {
    let mut command = Command::new("nginx");
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
    let (prefix, config) = (folder.path(""), folder.path("nginx.conf"));
    command.env("PATH", path).arg("-p").arg(prefix).arg("-c").arg(config).args(args).stdin(Stdio::null());
    command
}

/// A folder with a configuration of nginx that has one of the examples, which listens on `port` instead, with the
/// certificate of the folder or without TLS.
fn configured(example: &str, port: u16, backend: &str, tls: bool) -> Folder {
    let folder = Folder::new("");
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/nginx").join(example);
    let example = std::fs::read_to_string(example).unwrap();
    for part in ["listen 443 ssl;", "proxy_pass http://127.0.0.1:8080;", "ssl_certificate_key /"] {
        assert!(example.contains(part), "{part}");
    }
    let line = |line: &str| match line.trim().split(' ').next() {
        Some("ssl_certificate") if tls => format!("ssl_certificate {};", folder.path("cert.pem").display()),
        Some("ssl_certificate_key") if tls => format!("ssl_certificate_key {};", folder.path("key.pem").display()),
        Some("ssl_certificate" | "ssl_certificate_key") => String::new(),
        Some("listen") => format!("listen 127.0.0.1:{port}{};", if tls { " ssl" } else { "" }),
        _ => line.replace("127.0.0.1:8080", backend),
    };
    let site: Vec<_> = example.lines().map(line).collect();
    folder.write("site.conf", &site.join("\n"));
    let temporary: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|of| format!("{of}_temp_path {of};\n")).concat();
    let main = "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents {}\n";
    folder.write("nginx.conf", &format!("{main}http {{\naccess_log off;\n{temporary}include site.conf;\n}}\n"));
    folder
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Proxied {
    async fn start(example: &str, path: &str) -> Self {
        let env = format!(
            "REVERB_APP_ID=3\nREVERB_APP_KEY={KEY}\nREVERB_APP_SECRET={SECRET}\nREVERB_SERVER_HOST=127.0.0.1\n\
             REVERB_SERVER_PORT=0\nREVERB_SERVER_PATH={path}\nREVERB_MAX_REQUEST_SIZE=2_000_000\n"
        );
        let server = Running::start(Folder::new(&env).fanfare(&["serve"]));
        let port = free_port();
        let folder = configured(example, port, server.address.trim_end_matches(path), false);
        let nginx = nginx(&folder, &[]).stderr(Stdio::null()).spawn().unwrap();
        let proxied = Self { nginx, address: ([127, 0, 0, 1], port).into(), folder, _server: server };
        eventually("nginx listens", || TcpStream::connect(proxied.address).is_ok()).await;
        proxied
    }

    /// A client below `path` hears what is published there.
    async fn carries_events(&self, path: &str) {
        let mut client = Client::connect(self.address, &format!("{path}/app/{KEY}?protocol=7")).await;
        client.subscribe("private-a").await;
        let mut http = Http::connect(self.address).await;
        // More than nginx lets through unless it is told to.
        let body = json!({ "name": "e", "channel": "private-a", "data": "x".repeat(1_500_000) }).to_string();
        let answer = http.signed("POST", &format!("{path}/apps/3/events"), &body).await;
        assert_eq!((answer.status, &*answer.body), (200, "{}"), "{}", self.folder.read("error.log"));
        assert_eq!(client.next().await["event"], "e");
        let answer = http.signed("GET", &format!("{path}/apps/3/channels"), "").await;
        assert_eq!(answer.body, r#"{"channels":{"private-a":{}}}"#);
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        drop(self.nginx.kill());
        drop(self.nginx.wait());
    }
}

#[tokio::test]
async fn a_name_of_its_own() {
    let proxied = Proxied::start("fanfare.conf", "").await;
    proxied.carries_events("").await;
    let mut stranger = Client::open(proxied.address, "/app/none").await;
    assert_eq!(stranger.closed().await.0, 4001);
}

#[tokio::test]
async fn a_path_of_another_site() {
    let proxied = Proxied::start("fanfare-prefix.conf", "/ws").await;
    proxied.carries_events("/ws").await;
    let answer = Http::connect(proxied.address).await.request("GET", "/up", "").await;
    assert!(
        answer.status == 404 && answer.body.contains("nginx"),
        "the rest of the site is not the server's: {answer:?}"
    );
}

#[test]
fn nginx_takes_the_examples_with_their_certificates() {
    for example in ["fanfare.conf", "fanfare-prefix.conf"] {
        let folder = configured(example, free_port(), "127.0.0.1:8080", true);
        let (key, cert) = (folder.path("key.pem"), folder.path("cert.pem"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=ws.example.com"]);
        assert!(openssl.arg("-keyout").arg(key).arg("-out").arg(cert).output().unwrap().status.success());
        let output = nginx(&folder, &["-t"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("[warn]"), "{example}: {said}");
    }
}
