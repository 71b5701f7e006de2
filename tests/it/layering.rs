//! Imports point downward. The table is the architecture; `src/lib.rs` explains it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and what it may import of the crate, lowest first.
const LAYERS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("metrics", &["protocol"]),
    ("expiring", &[]),
    ("rates", &[]),
    ("feed", &[]),
    ("app", &["protocol"]),
    ("config", &["app", "protocol"]),
    ("broker", &["config", "metrics"]),
    ("hub", &["protocol", "app", "metrics", "expiring", "feed", "rates"]),
    ("pace", &["hub"]),
    ("cluster", &["broker", "hub", "pace", "app", "protocol", "metrics", "config"]),
    ("webhooks", &["hub", "app", "protocol", "metrics", "config", "feed"]),
    ("node", &["cluster", "webhooks", "hub", "pace", "app", "protocol", "metrics", "feed", "rates"]),
    ("session", &["node", "hub", "app", "protocol", "metrics", "feed"]),
    ("transport", &["session", "node", "app", "protocol", "metrics"]),
    ("api", &["node", "app", "protocol", "metrics", "expiring", "feed"]),
    ("monitor", &["api", "node", "hub", "app", "metrics"]),
    (
        "server",
        &[
            "monitor",
            "api",
            "transport",
            "node",
            "webhooks",
            "cluster",
            "broker",
            "app",
            "config",
            "protocol",
            "metrics",
        ],
    ),
    ("cli", &["server", "app", "config", "protocol", "feed"]),
    (
        "lib",
        &[
            "api",
            "app",
            "broker",
            "cli",
            "cluster",
            "config",
            "expiring",
            "feed",
            "hub",
            "metrics",
            "monitor",
            "node",
            "pace",
            "protocol",
            "rates",
            "server",
            "session",
            "transport",
            "webhooks",
        ],
    ),
    ("main", &["cli"]),
];

/// Foreign crates, parts of them, or words, and the places, as path prefixes, that may use them. A crate's name also
/// stands for its companions: `hyper` for `hyper_util`.
const FENCES: &[(&str, &[&str])] = &[
    ("tungstenite", &["transport/ws", "cli/pusher.rs"]),
    ("tokio_tungstenite", &["transport/ws", "cli/pusher.rs"]),
    ("axum", &["transport", "api", "monitor", "server"]),
    ("prometheus_client", &["monitor"]),
    ("ipnet", &["config/rules.rs", "transport/peer.rs"]),
    ("arc_swap", &["hub/hubs.rs", "hub/mod.rs", "node/mod.rs", "rates.rs", "session/mod.rs", "webhooks/mod.rs"]),
    ("governor", &["rates.rs"]),
    ("nix", &["config/sources.rs", "server/shared_port.rs"]),
    ("ppp", &["server/arrival.rs"]),
    ("tokio_rustls", &["cli/link.rs", "server/arrival.rs", "transport/stream.rs"]),
    (
        "hyper",
        &[
            "transport",
            "api",
            "server",
            "cli/address.rs",
            "cli/client.rs",
            "cli/doctor",
            "cli/tail.rs",
            "cli/trust.rs",
            "webhooks/deliver.rs",
            "webhooks/guard.rs",
        ],
    ),
    ("hyper_rustls", &["webhooks/deliver.rs", "cli/trust.rs"]),
    ("tower_service", &["webhooks/guard.rs"]),
    ("http_body_util", &["api", "cli/client.rs", "cli/tail.rs", "webhooks/deliver.rs"]),
    ("tower_http", &["api/cors.rs"]),
    ("dashmap", &["hub/arrivals.rs", "hub/mod.rs", "hub/shared.rs"]),
    (
        "parking_lot",
        &[
            "broker",
            "cluster",
            "feed",
            "hub",
            "api/idempotency.rs",
            "cli/logging.rs",
            "node/mod.rs",
            "server/shared_port.rs",
            "server/tls.rs",
            "webhooks/queue.rs",
        ],
    ),
    ("utoipa", &["api"]),
    ("async_nats", &["broker/nats"]),
    ("nkeys", &["broker/nats"]),
    ("clap", &["cli"]),
    ("config::", &["config", "server", "cli"]),
    ("redis::", &["broker/redis"]),
    (
        "rustls",
        &[
            "broker/nats",
            "broker/redis",
            "cli/doctor/tls.rs",
            "cli/link.rs",
            "cli/trust.rs",
            "server/tls.rs",
            "webhooks/actor.rs",
            "webhooks/deliver.rs",
        ],
    ),
    (
        "tokio",
        &[
            "broker",
            "cluster",
            "feed",
            "pace.rs",
            "webhooks",
            "session",
            "transport",
            "api",
            "monitor",
            "server",
            "cli",
        ],
    ),
    ("tokio::net", &["transport", "server", "cli/link.rs", "webhooks/guard.rs"]),
    (
        "std::net",
        &[
            "app/addresses.rs",
            "config",
            "hub/arrivals.rs",
            "hub/mod.rs",
            "node",
            "transport",
            "server",
            "cli",
            "webhooks",
        ],
    ),
    ("std::env", &["config", "main.rs"]),
    (
        "std::fs",
        &[
            "config",
            "monitor/process.rs",
            "server/listener.rs",
            "server/shared_port.rs",
            "webhooks/journal.rs",
            "webhooks/mod.rs",
        ],
    ),
    ("tracing", &["broker", "hub", "cluster", "webhooks", "node", "session", "transport", "api", "server", "cli"]),
    (
        "SystemTime",
        &[
            "api/signed.rs",
            "protocol/request.rs",
            "hub",
            "feed",
            "cluster",
            "webhooks/mod.rs",
            "node",
            "monitor/process.rs",
            "server",
            "cli/client.rs",
            "cli/doctor",
            "cli/print.rs",
        ],
    ),
    (
        "SystemTime::now",
        &[
            "api/signed.rs",
            "cluster/kept.rs",
            "feed",
            "webhooks/mod.rs",
            "node",
            "server",
            "cli/client.rs",
            "cli/doctor",
            "cli/print.rs",
        ],
    ),
    ("hashlink", &["expiring.rs"]),
    ("httpdate", &["cli/doctor"]),
    (
        "Instant",
        &[
            "broker",
            "cluster",
            "expiring.rs",
            "hub",
            "webhooks",
            "node",
            "api/idempotency.rs",
            "session",
            "transport",
            "server",
            "cli",
        ],
    ),
    (
        "Instant::now",
        &[
            "broker",
            "cluster/interests.rs",
            "cluster/mod.rs",
            "hub/registration.rs",
            "webhooks/mod.rs",
            "node",
            "api/idempotency.rs",
            "session",
            "transport",
            "server",
            "cli",
        ],
    ),
    ("async", &["broker", "cluster", "feed", "pace.rs", "webhooks", "transport", "api", "monitor", "server", "cli"]),
    (".await", &["broker", "cluster", "feed", "pace.rs", "webhooks", "transport", "api", "monitor", "server", "cli"]),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// Code without comments, strings and tests, which come last in a file or in a file of their own.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let line = |line: &str| {
        let line = line.replace("\\\"", "");
        let outside: String = line.split('"').step_by(2).collect();
        outside.split("//").next().unwrap_or_default().to_owned()
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Every path that a `use` or an expression names, with groups opened: `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and
/// `a::c::e`.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut prefixes = vec![String::new()];
    let mut path = String::new();
    for c in code.chars().filter(|c| *c != '\n').chain([';']) {
        match c {
            '{' if path.ends_with("::") => {
                prefixes.push(format!("{}{}", prefixes[prefixes.len() - 1], std::mem::take(&mut path)));
            }
            _ if c.is_alphanumeric() || c == '_' || c == ':' => path.push(c),
            _ => {
                let word = std::mem::take(&mut path);
                if word.contains("::") || (prefixes.len() > 1 && !word.is_empty()) {
                    found.push(format!("{}{word}", prefixes[prefixes.len() - 1]));
                }
                if c == '}' && prefixes.len() > 1 {
                    prefixes.pop();
                }
            }
        }
    }
    found
}

/// Modules of the crate that the code of the file at `path` names, through `crate::`, `fanfare::` or `super::`.
fn imports(path: &str, code: &str) -> BTreeSet<String> {
    let mut folders: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    if ["mod", "lib", "main"].contains(&folders[folders.len() - 1]) {
        folders.pop();
    }
    let top = |path: &String| {
        let mut segments: Vec<&str> = path.split("::").collect();
        if segments[0] == "crate" || segments[0] == "fanfare" {
            return segments.get(1).map(|module| (*module).to_owned());
        }
        let ups = segments.iter().take_while(|segment| **segment == "super").count();
        let outside = ups > 0 && ups >= folders.len();
        outside.then(|| segments.remove(ups).to_owned())
    };
    paths(code).iter().filter_map(top).filter(|module| !module.is_empty()).collect()
}

/// Whether the code uses the foreign `name`.
fn mentions(code: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    if name.contains("::") && !name.ends_with("::") {
        return paths(code).iter().any(|path| path == name || path.starts_with(&format!("{name}::")));
    }
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (code[..at].chars().next_back(), code[at + name.len()..].chars().next());
        let ends = name.ends_with("::") || !after.is_some_and(|c| word(c) && c != '_');
        ends && (name.starts_with('.') || !before.is_some_and(|c| word(c) || c == ':'))
    })
}

#[test]
fn imports_point_downward() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the sources were not found");
    let mut wrong = Vec::new();
    for file in &files {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if path.contains("tests") {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        let code = code(&text);
        let module = path.split(['/', '.']).next().unwrap();
        let (_, allowed) = LAYERS.iter().find(|(name, _)| *name == module).expect("a module without a layer");
        for import in imports(&path, &code) {
            if import != module && !allowed.contains(&&*import) {
                wrong.push(format!("{path} imports {import}"));
            }
        }
        for (name, places) in FENCES {
            if mentions(&code, name) && !places.iter().any(|place| path.starts_with(place)) {
                wrong.push(format!("{path} uses {name}"));
            }
        }
        if text.lines().count() > 500 {
            wrong.push(format!("{path} has more than 500 lines"));
        }
        if !text.starts_with("//! ") && path != "main.rs" {
            wrong.push(format!("{path} does not say what it does"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_check_sees_every_way_to_import() {
    let check = |path: &str, code: &str, expect: &[&str]| {
        assert_eq!(imports(path, code).into_iter().collect::<Vec<_>>(), expect, "{path}: {code}");
    };
    check("hub/mod.rs", "use crate::{app::App, node};\nlet x = crate::protocol::Frame;", &["app", "node", "protocol"]);
    check("hub/mod.rs", "use crate::{protocol::{Frame as F}, node::Node};", &["node", "protocol"]);
    check("api/mod.rs", "use crate::{app::{App, Limits}, session};", &["app", "session"]);
    check("hub/mod.rs", "use super::node::Node;", &["node"]);
    check("hub/outbox.rs", "use super::super::node::Node;", &["node"]);
    check("hub/outbox.rs", "use super::channel::Channel;", &[]);
    check("metrics.rs", "use super::node::Node;", &["node"]);
    check("main.rs", "fanfare::cli::run()", &["cli"]);
    assert_eq!(
        code("a(\"http://x\", crate::node::Node) // crate::b\n#[cfg(test)]\nmod tests {\n crate::c"),
        "a(, crate::node::Node) "
    );
}

#[test]
fn the_check_sees_foreign_names() {
    for (code, name) in [
        ("use axum::Router;", "axum"),
        ("use hyper_util::rt;", "hyper"),
        ("use tokio_util::task;", "tokio"),
        ("use std::{env, fs};", "std::env"),
        ("use std::{env, fs};", "std::fs"),
        ("tokio::net::TcpStream", "tokio::net"),
        ("x.await", ".await"),
        ("async fn x()", "async"),
        ("use config::Value;", "config::"),
    ] {
        assert!(mentions(code, name), "{code} {name}");
    }
    for (code, name) in [
        ("my_axum::x", "axum"),
        ("axumite::x", "axum"),
        ("std::environment::x", "std::env"),
        ("crate::config::x", "config::"),
    ] {
        assert!(!mentions(code, name), "{code} {name}");
    }
}
