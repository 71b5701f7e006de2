//! Which layer wins, which files are read, and what the config file and the dev mode give.

use super::*;
use crate::app::{ClientEvents, Limits, Origins};
use crate::protocol::signature::Secret;

#[test]
fn the_later_of_five_layers_wins() {
    let port = |toml: bool, dotenv: bool, process: bool, flag: bool| {
        let text = format!("{ENV}{}", if dotenv { "REVERB_SERVER_PORT=3" } else { "" });
        let (_folder, mut sources) = Folder::new().with(".env", &text).toml("[server]\nport = 2");
        if !toml {
            sources.config_file = None;
        }
        if process {
            set(&mut sources, &[("REVERB_SERVER_PORT", "4")]);
        }
        if flag {
            sources.flags.push(("server.port", "5".to_owned(), "--port"));
        }
        Config::load(&sources).unwrap().server.port
    };
    assert_eq!(port(false, false, false, false), 8080);
    assert_eq!(port(true, false, false, false), 2);
    assert_eq!(port(true, true, false, false), 3);
    assert_eq!(port(true, true, true, false), 4);
    assert_eq!(port(true, true, true, true), 5);
    assert_eq!(port(true, false, false, true), 5);
    assert_eq!(port(false, true, true, false), 4);
}

#[test]
fn the_process_beats_dotenv_variable_by_variable() {
    let folder = Folder::new().with(".env", &format!("{ENV}REVERB_SERVER_PORT=3\nREVERB_HOST=a.test"));
    let mut sources = folder.sources();
    set(&mut sources, &[("REVERB_APP_KEY", "other-key"), ("REVERB_HOST", "null")]);
    let config = Config::load(&sources).unwrap();
    assert_eq!((config.apps[0].id.as_str(), config.apps[0].keys.iter().next().unwrap()), ("123456", "other-key"));
    assert_eq!((config.server.port, config.server.hostname), (3, None));
}

#[test]
fn limits_of_the_laravel_app_come_from_defaults_then_file_then_variables() {
    let toml = "[limits]\nping_interval_secs = 40\nmax_event_data_bytes = 20_000\nmax_request_bytes = 50_000";
    let (_folder, mut sources) = Folder::new().with(".env", ENV).toml(toml);
    let limits = |sources: &Sources| Config::load(sources).unwrap().apps.remove(0).limits;
    let found = limits(&sources);
    assert_eq!((found.activity_timeout_secs, found.ping_interval_secs), (30, 40));
    assert_eq!((found.max_request_bytes, found.max_event_data_bytes), (50_000, 20_000));
    set(&mut sources, &[("REVERB_APP_PING_INTERVAL", "50"), ("REVERB_MAX_REQUEST_SIZE", "90_000")]);
    let found = limits(&sources);
    assert_eq!((found.activity_timeout_secs, found.ping_interval_secs), (30, 50));
    assert_eq!((found.max_request_bytes, found.max_event_data_bytes), (90_000, 20_000));
}

#[test]
fn a_rate_of_the_file_counts_for_the_laravel_app_unless_switched_off() {
    let (_folder, mut sources) = Folder::new().with(".env", ENV).toml("[limits.message_rate]\nmax_attempts = 5");
    let rate = |sources: &Sources| Config::load(sources).unwrap().apps.remove(0).limits.message_rate;
    assert_eq!(rate(&sources), Some(MessageRate { max_attempts: 5, decay_secs: 60, terminate: false }));
    set(&mut sources, &[("REVERB_APP_RATE_LIMITING_ENABLED", "true"), ("REVERB_APP_RATE_LIMIT_DECAY_SECONDS", "9")]);
    assert_eq!(rate(&sources), Some(MessageRate { max_attempts: 5, decay_secs: 9, terminate: false }));
    set(&mut sources, &[("REVERB_APP_RATE_LIMITING_ENABLED", "false")]);
    assert_eq!(rate(&sources), None);
}

#[test]
fn the_config_file_may_hold_everything() {
    let toml = r#"
        [server]
        host = "::1"
        port = 9_000
        unix_socket = "/run/fanfare.sock"
        reuse_port = true
        proxy_protocol = true
        trusted_proxies = ["10.0.0.0/8", "::1"]
        path = "ws/"
        hostname = "ws.app.test"
        debug = true
        handshake_timeout_secs = 4
        header_timeout_secs = 5
        body_timeout_secs = 6
        api_origins = ["https://a.test"]
        drain_delay_secs = 7
        drain_window_secs = 8

        [tls]
        cert_file = "cert.pem"
        key_file = "key.pem"

        [limits]
        max_presence_members = 500
        max_batch_events = 20

        [[apps]]
        id = 123456
        key = "one"
        secret = "s1"

        [[apps]]
        id = "two"
        key = "two"
        secret = "s2"
        enabled = false
        client_events = "members"
        allowed_origins = ["a.test", "*.b.test"]
        limits = { max_batch_events = 30, message_rate = { max_attempts = 1, decay_secs = 2, terminate = true } }
    "#;
    let (_folder, sources) = Folder::new().toml(toml);
    let config = Config::load(&sources).unwrap();
    let server = Server {
        host: "::1".to_owned(),
        port: 9000,
        unix_socket: Some("/run/fanfare.sock".into()),
        reuse_port: true,
        proxy_protocol: true,
        trusted_proxies: vec!["10.0.0.0/8".to_owned(), "::1".to_owned()],
        path: "/ws".to_owned(),
        hostname: Some("ws.app.test".to_owned()),
        debug: true,
        handshake_timeout_secs: 4,
        header_timeout_secs: 5,
        body_timeout_secs: 6,
        api_origins: vec!["https://a.test".to_owned()],
        drain_delay_secs: 7,
        drain_window_secs: 8,
        apps: None,
    };
    assert_eq!(config.server, server);
    assert_eq!(config.tls, Tls { cert_file: Some("cert.pem".into()), key_file: Some("key.pem".into()) });
    let [one, two] = config.apps.as_slice() else { panic!("two apps") };
    assert_eq!((one.id.as_str(), one.enabled, one.client_events), ("123456", true, ClientEvents::Guarded));
    assert_eq!(one.allowed_origins, Origins::default());
    let shared = Limits { max_presence_members: 500, max_batch_events: 20, ..Limits::default() };
    assert_eq!(one.limits, shared);
    assert_eq!((two.id.as_str(), two.enabled, two.client_events), ("two", false, ClientEvents::Members));
    assert_eq!(two.allowed_origins, Origins::new(["a.test", "*.b.test"]));
    let message_rate = Some(MessageRate { max_attempts: 1, decay_secs: 2, terminate: true });
    assert_eq!(two.limits, Limits { max_batch_events: 30, message_rate, ..shared });
    assert!(two.keys.secret("two").unwrap().verify(&["x"], &Secret::new("s2").sign(&["x"])));
}

#[test]
fn the_laravel_app_joins_those_of_the_file() {
    let app = "[[apps]]\nid = \"two\"\nkey = \"two\"\nsecret = \"s2\"";
    let (_folder, sources) = Folder::new().with(".env", ENV).toml(app);
    let ids: Vec<_> = Config::load(&sources).unwrap().apps.into_iter().map(|app| app.id).collect();
    assert_eq!(ids, ["123456", "two"]);
}

#[test]
fn a_config_file_is_read_only_when_named() {
    let folder = Folder::new().with(".env", ENV).with("fanfare.toml", "not TOML");
    Config::load(&folder.sources()).unwrap();
}

#[test]
fn which_dotenv_file_is_read() {
    let id = |app_env: Option<&str>, env_file: Option<&str>| {
        let file = |id: &str| ENV.replace("123456", id);
        let folder = Folder::new().with(".env", &file("plain")).with(".env.testing", &file("testing"));
        let folder = folder.with("other", &file("other"));
        let mut sources = folder.sources();
        sources.env_file = env_file.map(PathBuf::from);
        set(&mut sources, app_env.map(|name| ("APP_ENV", name)).as_slice());
        Config::load(&sources).unwrap().apps.remove(0).id
    };
    assert_eq!(id(None, None), "plain");
    assert_eq!(id(Some("testing"), None), "testing");
    assert_eq!(id(Some("production"), None), "plain");
    assert_eq!(id(Some("null"), None), "plain");
    assert_eq!(id(None, Some("other")), "other");
    assert_eq!(id(Some("testing"), Some("other")), "other");
}

#[test]
fn dev_reads_flags_and_nothing_else() {
    let (_folder, mut sources) = Folder::new().with(".env", "a broken line").toml("broken");
    set(&mut sources, &[("REVERB_SERVER_PORT", "4")]);
    let config = Config::dev(&sources).unwrap();
    let dev = Server { drain_delay_secs: 0, drain_window_secs: 0, ..Server::default() };
    assert_eq!(config.server, Server { host: "127.0.0.1".to_owned(), ..dev });
    let [app] = config.apps.as_slice() else { panic!("one app") };
    assert_eq!((app.id.as_str(), app.keys.iter().next().unwrap()), (DEV_APP_ID, DEV_APP_KEY));
    assert!(app.keys.secret(DEV_APP_KEY).unwrap().verify(&["x"], &Secret::new(DEV_APP_SECRET).sign(&["x"])));
    assert_eq!(app.limits, Limits::default());

    for (key, text) in [("host", "0.0.0.0"), ("port", "0"), ("path", "ws"), ("hostname", "a.test"), ("debug", "true")] {
        let dotted = ["server.host", "server.port", "server.path", "server.hostname", "server.debug"];
        let dotted = dotted.into_iter().find(|dotted| dotted.ends_with(&format!(".{key}"))).unwrap();
        sources.flags.push((dotted, text.to_owned(), "--flag"));
    }
    let server = Config::dev(&sources).unwrap().server;
    let expect = Server {
        path: "/ws".to_owned(),
        hostname: Some("a.test".to_owned()),
        debug: true,
        port: 0,
        drain_delay_secs: 0,
        drain_window_secs: 0,
        ..Server::default()
    };
    assert_eq!(server, expect);
    sources.flags = vec![("server.port", "x".to_owned(), "--port")];
    let message = Config::dev(&sources).unwrap_err().to_string();
    assert_eq!(message, r#"server.port is "x" (--port): must be a whole number from 0 to 65535"#);
}

#[test]
fn secrets_are_in_no_debug_output() {
    let folder = Folder::new().with(".env", ENV);
    let mut sources = folder.sources();
    set(&mut sources, APP);
    let config = Config::load(&sources).unwrap();
    for text in
        [format!("{config:?}"), format!("{config:#?}"), format!("{sources:?}"), format!("{:?}", sources.flags())]
    {
        assert!(!text.contains("laravel-secret"), "{text}");
    }
    let report = Report::of(&sources);
    assert!(!format!("{:?}", report.settings).contains("laravel-secret"));
}

#[test]
fn the_process_has_a_directory_and_an_environment() {
    let sources = Sources::process();
    assert_eq!(sources.directory, std::env::current_dir().unwrap());
    assert!(sources.environment.contains_key("PATH"));
    assert!(sources.env_file.is_none() && sources.config_file.is_none() && sources.flags.is_empty());
}
