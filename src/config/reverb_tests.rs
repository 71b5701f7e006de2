use crate::app::{App, ClientEvents, Limits, MessageRate, Origins};
use crate::config::tests::{APP, Folder};
use crate::config::{Config, Server};
use crate::protocol::signature::Secret;

fn load(variables: &[(&str, &str)]) -> Config {
    let mut sources = Folder::new().sources();
    sources.environment = APP.iter().chain(variables).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Config::load(&sources).unwrap()
}

fn check<T: PartialEq + std::fmt::Debug>(variables: &[(&str, &str)], read: fn(&Config) -> T, expect: T) {
    assert_eq!((variables, read(&load(variables))), (variables, expect));
}

fn app(config: &Config) -> &App {
    &config.apps[0]
}

fn rate(config: &Config) -> Option<MessageRate> {
    app(config).limits.message_rate
}

#[test]
fn defaults() {
    let config = load(&[]);
    assert_eq!(config.server, Server::default());
    let app = app(&config);
    assert_eq!((app.id.as_str(), app.keys.iter().next().unwrap(), app.enabled), ("123456", "laravel-key", true));
    assert_eq!(app.keys.secret("laravel-key").unwrap().sign(&["x"]), Secret::new("laravel-secret").sign(&["x"]));
    assert_eq!(app.client_events, ClientEvents::Guarded);
    assert_eq!(app.allowed_origins, Origins::default());
    let reverb = Limits {
        ping_interval_secs: 60,
        activity_timeout_secs: 30,
        max_message_bytes: 10_000,
        max_request_bytes: 10_000,
        ..Limits::default()
    };
    assert_eq!(app.limits, reverb);
}

#[test]
fn where_to_listen() {
    check(&[("REVERB_SERVER_HOST", "127.0.0.1")], |c| c.server.host.clone(), "127.0.0.1".to_owned());
    check(&[("REVERB_SERVER_HOST", "[::1]")], |c| c.server.host.clone(), "::1".to_owned());
    check(&[("REVERB_SERVER_PORT", "6001")], |c| c.server.port, 6001);
    check(&[("REVERB_SERVER_PORT", "")], |c| c.server.port, 8080);
    check(&[("REVERB_SERVER_PORT", "null")], |c| c.server.port, 8080);
    for (text, path) in [("/ws/", "/ws"), ("ws", "/ws"), ("/", ""), ("", ""), ("null", ""), ("/a/b", "/a/b")] {
        check(&[("REVERB_SERVER_PATH", text)], |c| c.server.path.clone(), path.to_owned());
    }
    let host = Some("ws.app.test".to_owned());
    check(&[("REVERB_HOST", "ws.app.test")], |c| c.server.hostname.clone(), host);
    check(&[("REVERB_HOST", "ws.app.test")], |c| c.server.host.clone(), "0.0.0.0".to_owned());
}

#[test]
fn sizes_and_times() {
    check(&[("REVERB_APP_PING_INTERVAL", "25")], |c| app(c).limits.ping_interval_secs, 25);
    check(&[("REVERB_APP_ACTIVITY_TIMEOUT", "20")], |c| app(c).limits.activity_timeout_secs, 20);
    for (text, expect) in [("500", 500), ("", 0), ("null", 0), ("(empty)", 0), ("0", 0), ("1_000", 1000)] {
        check(&[("REVERB_APP_MAX_CONNECTIONS", text)], |c| app(c).limits.max_connections, expect);
    }
    check(&[("REVERB_APP_MAX_MESSAGE_SIZE", "20000")], |c| app(c).limits.max_message_bytes, 20_000);
    check(&[("REVERB_APP_MAX_MESSAGE_SIZE", "0")], |c| app(c).limits.max_message_bytes, 16 * 1024 * 1024);
}

#[test]
fn a_larger_request_makes_room_for_larger_events() {
    let sizes = |c: &Config| {
        let limits = &app(c).limits;
        (limits.max_request_bytes, limits.max_event_data_bytes, limits.outbox_bytes)
    };
    check(&[("REVERB_MAX_REQUEST_SIZE", "10_000")], sizes, (10_000, 10_240, 1 << 20));
    check(&[("REVERB_MAX_REQUEST_SIZE", "100_000")], sizes, (100_000, 100_000, 1 << 20));
    check(&[("REVERB_MAX_REQUEST_SIZE", "2_000_000")], sizes, (2_000_000, 2_000_000, 4_000_000));
}

#[test]
fn client_events() {
    let words = [("members", ClientEvents::Members), ("all", ClientEvents::All), ("none", ClientEvents::None)];
    for (text, expect) in words.into_iter().chain([("", ClientEvents::None), ("false", ClientEvents::None)]) {
        check(&[("REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM", text)], |c| app(c).client_events, expect);
    }
    check(&[("REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM", "null")], |c| app(c).client_events, ClientEvents::Guarded);
}

#[test]
fn rate_limiting() {
    const ON: (&str, &str) = ("REVERB_APP_RATE_LIMITING_ENABLED", "true");
    let default = MessageRate { max_attempts: 60, decay_secs: 60, terminate: false };
    for word in ["true", "(true)", "1", "on", "YES"] {
        check(&[("REVERB_APP_RATE_LIMITING_ENABLED", word)], rate, Some(default));
    }
    for word in ["false", "0", "off", "no", "", "null"] {
        check(&[("REVERB_APP_RATE_LIMITING_ENABLED", word)], rate, None);
    }
    let attempts = MessageRate { max_attempts: 5, ..default };
    check(&[ON, ("REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS", "5")], rate, Some(attempts));
    let decay = MessageRate { decay_secs: 7, ..default };
    check(&[ON, ("REVERB_APP_RATE_LIMIT_DECAY_SECONDS", "7")], rate, Some(decay));
    for word in ["1", "true", "on", "yes"] {
        let terminate = MessageRate { terminate: true, ..default };
        check(&[ON, ("REVERB_APP_RATE_LIMIT_TERMINATE", word)], rate, Some(terminate));
    }
    check(&[("REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS", "5")], rate, None);
}

#[test]
fn allowed_origins() {
    let two = Origins::new(["a.test", "*.b.test"]);
    check(&[("REVERB_ALLOWED_ORIGINS", "a.test, *.b.test,")], |c| app(c).allowed_origins.clone(), two.clone());
    check(&[("REVERB_APP_ALLOWED_ORIGINS", "a.test,*.b.test")], |c| app(c).allowed_origins.clone(), two.clone());
    let both = [("REVERB_ALLOWED_ORIGINS", "c.test"), ("REVERB_APP_ALLOWED_ORIGINS", "a.test,*.b.test")];
    check(&both, |c| app(c).allowed_origins.clone(), two);
    check(&[("REVERB_ALLOWED_ORIGINS", "null")], |c| app(c).allowed_origins.clone(), Origins::default());
}

#[test]
fn other_variables_are_ignored() {
    let names = ["REVERB_SERVER", "BROADCAST_CONNECTION", "VITE_REVERB_PORT", "REDIS_PORT", "REVERB_SCALING_CHANNEL"];
    for name in names.into_iter().chain(["REVERB_PULSE_INGEST_INTERVAL", "REVERB_TELESCOPE_INGEST_INTERVAL"]) {
        check(&[(name, "any thing")], |c| c.server.clone(), Server::default());
    }
}
