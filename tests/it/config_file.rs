//! The files that people read and copy say what the code does: `config/fanfare.toml`, `.env.example`, `README.md`.

use fanfare::app::{ClientEvents, Endpoint, EventKind, Features, Limits, MessageRate};
use fanfare::config::{Cluster, Config, Log, Metrics, Nats, Redis, Server, Sources, Tls, Webhooks};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const APP: &str = "REVERB_APP_ID=1\nREVERB_APP_KEY=k\nREVERB_APP_SECRET=s\n";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// A new file that holds `text`. Every test has its own names.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// What the two files, and nothing else, make of the server.
fn load(env_file: Option<PathBuf>, config_file: Option<PathBuf>) -> Result<Config, String> {
    let directory = env!("CARGO_TARGET_TMPDIR").into();
    let sources = Sources { directory, environment: BTreeMap::new(), env_file, config_file, flags: Vec::new() };
    let config = Config::load(&sources).map_err(|error| error.to_string());
    for path in [sources.env_file, sources.config_file].into_iter().flatten() {
        if path.starts_with(env!("CARGO_TARGET_TMPDIR")) {
            std::fs::remove_file(path).unwrap();
        }
    }
    config
}

/// `text` with its commented-out settings, which have no blank after the #.
fn with_examples(text: &str) -> String {
    let line = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned();
    text.lines().map(|text| line(text) + "\n").collect()
}

/// The public fields of a struct, each with the words of its doc comment, without references to the specification.
fn fields(source: &str, name: &str) -> Vec<(String, String)> {
    let source = text(source);
    let (_, body) = source.split_once(&format!("pub struct {name} {{")).unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let (mut found, mut words) = (Vec::new(), String::new());
    for line in body.lines().map(str::trim) {
        if let Some(line) = line.strip_prefix("/// ") {
            words = format!("{words} {line}").trim().to_owned();
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|line| line.split_once(':')) {
            found.push((field.to_owned(), without_reference(&std::mem::take(&mut words))));
        }
    }
    found
}

fn without_reference(words: &str) -> String {
    let rule = |word: &str| {
        let mut chars = word.chars();
        word.starts_with("spec ") || chars.next().is_some_and(char::is_uppercase) && chars.all(|c| c.is_ascii_digit())
    };
    match words.rsplit_once(" (").and_then(|(before, rest)| Some((before, rest.split_once(')')?))) {
        Some((before, (inside, after))) if inside.split(", ").all(rule) => format!("{before}{after}"),
        _ => words.to_owned(),
    }
}

/// Table, source and struct of every setting in the config file.
const TABLES: [(&str, &str, &str); 13] = [
    ("server", "src/config/server.rs", "Server"),
    ("tls", "src/config/tls.rs", "Tls"),
    ("metrics", "src/config/metrics.rs", "Metrics"),
    ("log", "src/config/log.rs", "Log"),
    ("cluster", "src/config/cluster.rs", "Cluster"),
    ("redis", "src/config/redis.rs", "Redis"),
    ("nats", "src/config/nats.rs", "Nats"),
    ("features", "src/app/features.rs", "Features"),
    ("limits", "src/app/limits.rs", "Limits"),
    ("limits.message_rate", "src/app/limits.rs", "MessageRate"),
    ("webhooks", "src/config/webhooks.rs", "Webhooks"),
    ("webhooks.endpoints", "src/app/endpoint.rs", "Endpoint"),
    ("apps", "src/app/mod.rs", "App"),
];

/// The lines of a table in the config file, with its examples; `[limits.message_rate]` is a setting of `[limits]`.
fn table(name: &str) -> Vec<String> {
    let file = with_examples(&text("config/fanfare.toml"));
    let mut tables = BTreeMap::<&str, Vec<String>>::new();
    let (mut current, mut comment) = ("", "");
    for line in file.lines() {
        if let Some(header) = line.strip_prefix('[') {
            current = header.trim_matches(['[', ']']);
            // What stands above the header is said about the table.
            let (parent, key) = current.rsplit_once('.').unwrap_or(("", current));
            tables.entry(parent).or_default().extend([comment.to_owned(), format!("{key} = {{}}")]);
        } else {
            tables.entry(current).or_default().push(line.to_owned());
        }
        comment = line;
    }
    tables.remove(name).unwrap()
}

/// The comment right above `key`.
fn comment(table: &[String], key: &str) -> String {
    let at = table.iter().position(|line| line.starts_with(&format!("{key} = ")));
    let at = at.unwrap_or_else(|| panic!("{key} is not in config/fanfare.toml"));
    table[at - 1].strip_prefix("# ").unwrap_or_else(|| panic!("{key} has no comment")).to_owned()
}

/// What is accepted, in the words of the refusal of -1: `from 1 to 10`. `None` for what is no number.
fn bounds(table: &str, key: &str) -> Option<String> {
    let config_file = file(&format!("{table}-{key}.toml"), &format!("[{table}]\n{key} = -1"));
    let errors = load(None, Some(config_file)).unwrap_err();
    // That there is no app is the other one.
    let error = errors.lines().next().unwrap();
    error.split_once("must be a whole number ").map(|(_, bounds)| bounds.to_owned())
}

#[test]
fn the_config_file_holds_the_defaults() {
    let config = load(Some(file("defaults", APP)), Some(path("config/fanfare.toml"))).unwrap();
    assert_eq!(config.server, Server::default());
    assert_eq!((config.metrics, config.log), Default::default());
    assert_eq!((config.tls, config.cluster, config.redis, config.nats), Default::default());
    assert_eq!(config.webhooks, Webhooks::default());
    assert_eq!(config.apps[0].limits, Limits::default());
    assert_eq!(config.apps[0].features, Features::default());
}

#[test]
fn the_examples_of_the_config_file_are_settings() {
    let more = file("more.toml", "id = 1\nkey = \"one\"\nsecret = \"one\"");
    let examples = with_examples(&text("config/fanfare.toml")).replace("/etc/fanfare/apps", more.to_str().unwrap());
    let config = load(None, Some(file("examples.toml", &examples))).unwrap();
    let (hostname, unix_socket) = (Some("ws.example.com".to_owned()), Some("/run/fanfare/fanfare.sock".into()));
    assert_eq!(config.server, Server { hostname, unix_socket, apps: Some(more), ..Server::default() });
    let (cert_file, key_file) = (Some("/etc/fanfare/fullchain.pem".into()), Some("/etc/fanfare/privkey.pem".into()));
    assert_eq!(config.tls, Tls { cert_file, key_file });
    assert_eq!((config.metrics, config.log), (Metrics { port: Some(9601), ..Metrics::default() }, Log::default()));
    let text = |text: &str| Some(text.to_owned());
    let key = text("0123456789abcdef0123456789abcdef");
    assert_eq!(config.cluster, Cluster { key, ..Cluster::default() });
    assert_eq!(config.redis.tls_key_file, Some("/etc/fanfare/redis-key.pem".into()));
    let Redis { username, password, sentinel_master, .. } = config.redis;
    assert_eq!([username, password, sentinel_master], ["fanfare", "my-redis-password", "mymaster"].map(text));
    assert_eq!(config.nats.tls_key_file, Some("/etc/fanfare/nats-key.pem".into()));
    let Nats { username, password, token, .. } = config.nats;
    assert_eq!([username, password, token], ["fanfare", "my-nats-password", "my-nats-token"].map(text));
    let url = "https://app.example/pusher/webhooks".to_owned();
    let headers = vec![("X-Team".to_owned(), "realtime".to_owned())];
    let shared = Endpoint { url, headers, ..Endpoint::default() };
    let tls_ca_file = Some("/etc/fanfare/webhooks-ca.pem".into());
    assert_eq!(config.webhooks, Webhooks { tls_ca_file, endpoints: vec![shared.clone()], ..Webhooks::default() });
    let [app, _] = config.apps.as_slice() else { panic!("two apps") };
    let message_rate = Some(MessageRate { max_attempts: 60, decay_secs: 60, terminate: false });
    assert_eq!(app.limits, Limits { message_rate, max_presence_members: 500, ..Limits::default() });
    assert_eq!(app.features, Features { watchlist: true, ..Features::default() });
    let (url, events) = ("https://app.example/app-webhooks".to_owned(), EventKind::ALL[..2].into());
    let own = Endpoint { url, events, ..Endpoint::default() };
    assert_eq!(app.webhooks.iter().map(|(_, endpoint)| endpoint).collect::<Vec<_>>(), [&shared, &own]);
    assert_eq!(app.keys.iter().collect::<Vec<_>>(), ["my-app-key", "my-next-key"]);
    assert!(app.enabled && app.client_events == ClientEvents::default() && app.allowed_origins == Default::default());
}

#[test]
fn the_config_file_explains_every_setting() {
    let limits = serde_json::to_value(Limits::default()).unwrap();
    let keys: BTreeSet<_> = limits.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields("src/app/limits.rs", "Limits").into_iter().map(|(key, _)| key).collect::<BTreeSet<_>>(), keys);
    for (name, source, of) in TABLES {
        let table = table(name);
        let fields = fields(source, of);
        assert!(!fields.is_empty(), "{of}");
        for (key, words) in fields {
            let comment = comment(&table, &key);
            assert!(comment.starts_with(&words), "{name}.{key}: {comment}\nin the code: {words}");
            if name == "apps" {
                continue;
            }
            if let Some(bounds) = bounds(name, &key) {
                assert!(comment.to_lowercase().contains(&bounds), "{name}.{key}: {comment}\nin the code: {bounds}");
            }
        }
    }
}

#[test]
fn the_env_example_loads_and_its_examples_are_defaults() {
    let plain = load(Some(file("plain", APP)), None).unwrap();
    let mut example = text(".env.example");
    assert!(load(Some(path(".env.example")), None).unwrap_err().starts_with("app.id is empty"));
    for line in APP.lines() {
        let (name, _) = line.split_once('=').unwrap();
        example = example.replace(&format!("{name}=\n"), &format!("{line}\n"));
    }
    for (name, example) in [("lines", example.clone()), ("all-lines", with_examples(&example))] {
        let config = load(Some(file(name, &example)), None).unwrap();
        assert_eq!(config.server, Server { hostname: Some("localhost".to_owned()), ..plain.server.clone() });
        let (found, expect) = (&config.apps[0], &plain.apps[0]);
        assert_eq!((&found.id, found.keys.iter().next()), (&expect.id, expect.keys.iter().next()));
        assert_eq!((&found.limits, &found.client_events), (&expect.limits, &expect.client_events));
        assert_eq!(found.allowed_origins, expect.allowed_origins);
    }
}

#[test]
fn the_readme_names_every_variable_option_and_limit() {
    let (readme, example) = (text("README.md"), text(".env.example"));
    let names = |source: &str, prefixes: &[&str]| -> Vec<String> {
        let named = |part: &&str| prefixes.iter().any(|prefix| part.starts_with(prefix));
        text(source).split('"').filter(named).map(str::to_owned).collect()
    };
    let reverb = [names("src/config/reverb.rs", &["REVERB_"]), names("src/config/scaling.rs", &["REVERB_", "REDIS_"])];
    for name in reverb.iter().flatten() {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in README.md");
        assert!(example.contains(name), "{name} is not in .env.example");
    }
    let soketi = ["mod", "bus", "hooks"].map(|file| names(&format!("src/config/soketi/{file}.rs"), &["SOKETI_"]));
    let pusher = names("src/config/pusher.rs", &["PUSHER_", "LARAVEL_WEBSOCKETS_"]);
    assert!(soketi.iter().all(|names| !names.is_empty()) && !pusher.is_empty());
    // One that ends with _ is what many begin with.
    for name in soketi.iter().flatten().chain(&pusher) {
        assert!(readme.contains(&format!("`{name}")), "{name} is not in README.md");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_fanfare")).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let options = help.split_whitespace().filter(|word| word.starts_with("--"));
    let options = options.map(|word| word.trim_matches([',', ']', ')']));
    for option in options {
        assert!(readme.contains(&format!("`{option}")), "{option} is not in README.md");
    }
    let settings =
        [serde_json::to_value(Limits::default()).unwrap(), serde_json::to_value(Features::default()).unwrap()];
    for (key, value) in settings.iter().flat_map(|all| all.as_object().unwrap()) {
        let value = if value.is_null() { "none".to_owned() } else { value.to_string() };
        assert!(readme.contains(&format!("| `{key}` | {value} |")), "{key} with {value} is not in README.md");
    }
}
