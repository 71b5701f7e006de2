//! Imports point downward. The table is the architecture; `src/lib.rs` explains it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and what it may import of the crate, lowest first.
const LAYERS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("metrics", &[]),
    ("app", &["protocol"]),
    ("config", &["app", "protocol"]),
    ("hub", &["protocol", "app", "metrics"]),
    ("node", &["hub", "app", "protocol", "metrics"]),
    ("session", &["node", "hub", "app", "protocol", "metrics"]),
    ("transport", &["session", "node", "app", "protocol", "metrics"]),
    ("api", &["node", "app", "protocol", "metrics"]),
    ("server", &["api", "transport", "node", "app", "config", "protocol", "metrics"]),
    ("cli", &["server", "config"]),
    ("lib", &["api", "app", "cli", "config", "hub", "metrics", "node", "protocol", "server", "session", "transport"]),
    ("main", &["cli"]),
];

/// Foreign names and the places, as path prefixes, that may use them.
const FENCES: &[(&str, &[&str])] = &[
    ("tungstenite", &["transport/ws"]),
    ("axum", &["transport", "api", "server"]),
    ("hyper", &["transport", "api", "server"]),
    ("dashmap", &["hub/mod.rs"]),
    ("parking_lot", &["hub"]),
    ("std::env", &["config", "main.rs"]),
    ("clap", &["cli"]),
    ("tokio", &["session", "transport", "api", "server", "cli"]),
    ("tracing", &["hub", "node", "session", "transport", "api", "server", "cli"]),
    ("SystemTime", &["api/signed.rs", "protocol/request.rs"]),
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

/// Code without comments and without tests, which come last in a file or in a file of their own.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// First segments of the paths that start with `crate::` or, in the root's own files, with `fanfare::`; groups such as
/// `crate::{a, b}` are opened.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1).chain(code.split("fanfare::").skip(1)) {
        let list = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default(),
            None => rest,
        };
        let names = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
        for name in names {
            found.insert(name.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned());
        }
    }
    found
}

fn mentions(code: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let after = code[at + name.len()..].chars().next();
        let before = code[..at].chars().next_back();
        !after.is_some_and(word) && !before.is_some_and(|c| word(c) && !name.starts_with("tungstenite"))
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
        for import in imports(&code) {
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
fn the_check_sees_what_it_should() {
    let imported = imports("use crate::{app::App, node};\nuse crate::hub::Outbox; let x = crate::protocol::Frame;");
    assert_eq!(imported.into_iter().collect::<Vec<_>>(), ["app", "hub", "node", "protocol"]);
    assert!(
        mentions("use axum::Router;", "axum") && !mentions("my_axum::x", "axum") && !mentions("axumite::x", "axum")
    );
    assert!(mentions("tokio_tungstenite::x", "tungstenite"));
    assert_eq!(code("a // crate::b\n#[cfg(test)]\nmod tests {\n crate::c"), "a ");
}
