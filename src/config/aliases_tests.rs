//! Which server's variables count, and every variable of soketi, laravel-websockets and Pusher.

use crate::app::{App, ClientEvents, EventKind, Limits};
use crate::config::tests::Folder;
use crate::config::{Bus, Config, Metrics, Report, Server, Tls};

const SOKETI: &[(&str, &str)] =
    &[("SOKETI_DEFAULT_APP_ID", "s"), ("SOKETI_DEFAULT_APP_KEY", "s"), ("SOKETI_DEFAULT_APP_SECRET", "s")];
const PUSHER: &[(&str, &str)] = &[("PUSHER_APP_ID", "p"), ("PUSHER_APP_KEY", "p"), ("PUSHER_APP_SECRET", "p")];
const REVERB: &[(&str, &str)] = &[("REVERB_APP_ID", "r"), ("REVERB_APP_KEY", "r"), ("REVERB_APP_SECRET", "r")];

fn report(variables: &[&[(&str, &str)]]) -> Report {
    let mut sources = Folder::new().sources();
    sources.environment = variables.concat().iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Report::of(&sources)
}

fn load(variables: &[&[(&str, &str)]]) -> Config {
    report(variables).config.unwrap()
}

fn app(variables: &[(&str, &str)]) -> App {
    load(&[SOKETI, variables]).apps.remove(0)
}

fn limits(name: &str, text: &str) -> Limits {
    app(&[(name, text)]).limits
}

/// The one warning about a variable, or none.
fn warning(name: &str, text: &str) -> Option<String> {
    let report = report(&[SOKETI, &[(name, text)]]);
    report.config.unwrap();
    assert!(report.warnings.len() < 2, "{:?}", report.warnings);
    report.warnings.into_iter().next()
}

#[test]
fn credentials_come_from_one_server() {
    let id = |variables: &[&[(&str, &str)]]| load(variables).apps.remove(0).id;
    assert_eq!(id(&[PUSHER]), "p");
    assert_eq!(id(&[PUSHER, SOKETI]), "s");
    assert_eq!(id(&[PUSHER, SOKETI, REVERB]), "r");
    let empty = [("REVERB_APP_ID", ""), ("REVERB_APP_KEY", ""), ("REVERB_APP_SECRET", "")];
    assert_eq!(id(&[PUSHER, &empty]), "p");
    let error = |variables: &[&[(&str, &str)]]| report(variables).config.unwrap_err().to_string();
    let mixed = error(&[PUSHER, SOKETI, &[("REVERB_APP_KEY", "r")]]);
    let expect = "REVERB_APP_ID and REVERB_APP_SECRET are not set, unlike environment variable REVERB_APP_KEY";
    assert!(mixed.starts_with(expect), "{mixed}");
    let half = error(&[&PUSHER[..2]]);
    assert!(half.starts_with("PUSHER_APP_SECRET is not set, unlike environment variable PUSHER_APP_ID"), "{half}");
    let half = error(&[&SOKETI[1..]]);
    let expect = "SOKETI_DEFAULT_APP_ID is not set, unlike environment variable SOKETI_DEFAULT_APP_KEY";
    assert!(half.starts_with(expect), "{half}");
    let none = error(&[&[("PUSHER_APP_ID", ""), ("PUSHER_APP_KEY", ""), ("PUSHER_APP_SECRET", "")]]);
    assert!(none.starts_with("no app is configured"), "{none}");
}

#[test]
fn an_app_of_our_own_variables_is_nobody_elses() {
    let own = [("FANFARE__APP__ID", "o"), ("FANFARE__APP__KEY", "o"), ("FANFARE__APP__SECRET", "o")];
    let left = [("PUSHER_PORT", "6002"), ("PUSHER_APP_PATH", "/left")];
    for others in [PUSHER, SOKETI, REVERB] {
        let report = report(&[others, &left, &own]);
        assert_eq!(report.warnings, [""; 0]);
        let config = report.config.unwrap();
        assert_eq!((&*config.apps[0].id, config.server.port, &*config.server.path), ("o", 8080, ""));
        assert_eq!((config.apps.len(), &config.apps[0].limits), (1, &Limits::default()));
    }
    let report = report(&[PUSHER, &own[1..]]);
    let warning = "the app is named in part by environment variable PUSHER_APP_ID and in part by environment variable \
                   FANFARE__APP__KEY: is that one app?";
    assert_eq!(report.warnings, [warning]);
    assert_eq!(report.config.unwrap().apps[0].id, "p");
}

#[test]
fn only_an_app_of_reverb_has_its_defaults() {
    assert_eq!(load(&[PUSHER]).apps[0].limits, Limits::default());
    assert_eq!(app(&[]).limits, Limits::default());
    assert_eq!(load(&[PUSHER, REVERB]).apps[0].limits.max_message_bytes, 10_000);
}

#[test]
fn a_pusher_port_is_listened_on_where_it_is_one() {
    let port = |variables: &[(&str, &str)]| load(&[PUSHER, variables]).server.port;
    let at = |host, port| [("PUSHER_HOST", host), ("PUSHER_PORT", port)];
    // Hosted Pusher, as in the .env that comes with Laravel, and named.
    assert_eq!(port(&[("PUSHER_HOST", ""), ("PUSHER_PORT", "443"), ("PUSHER_SCHEME", "https")]), 6001);
    assert_eq!(port(&at("api-eu.pusher.com", "443")), 6001);
    assert_eq!(port(&at("API-EU.pusher.com.", "8443")), 6001);
    assert_eq!(port(&at("api.pusherapp.com", "8443")), 6001);
    // A proxy in front.
    assert_eq!(port(&at("ws.app.test", "443")), 6001);
    assert_eq!(port(&at("ws.app.test", "80")), 6001);
    // The server itself: on the same machine, in a container, and where only the port was written.
    assert_eq!(port(&at("127.0.0.1", "6002")), 6002);
    assert_eq!(port(&at("soketi", "6002")), 6002);
    assert_eq!(port(&[("PUSHER_PORT", "6002")]), 6002);
    assert_eq!(port(&at("notpusher.com", "6002")), 6002);
    // Whatever Pusher's app says, the port of a server wins.
    assert_eq!(port(&[("PUSHER_PORT", "6002"), ("LARAVEL_WEBSOCKETS_PORT", "6003")]), 6003);
    assert_eq!(port(&[("PUSHER_PORT", "6002"), ("SOKETI_PORT", "6004")]), 6004);
    assert_eq!(port(&[("SOKETI_PORT", "6004"), ("REVERB_SERVER_PORT", "6005")]), 6005);
    assert_eq!(port(&[("PUSHER_PORT", "tcp://10.0.0.1:6001")]), 6001);
    assert_eq!(load(&[SOKETI, &at("ws.app.test", "8443")]).server.port, 6001);
}

#[test]
fn what_is_left_over_changes_nothing_for_an_app_of_reverb() {
    let left = [
        ("LARAVEL_WEBSOCKETS_PORT", "6003"),
        ("PUSHER_APP_PATH", "/x"),
        ("PUSHER_HOST", "a.test"),
        ("PUSHER_PORT", "6002"),
        ("SOKETI_DEBUG", "1"),
        ("SOKETI_EVENT_MAX_SIZE_IN_KB", "x"),
    ];
    let report = report(&[PUSHER, REVERB, &left]);
    let ignored = ["LARAVEL_WEBSOCKETS_PORT", "SOKETI_DEBUG", "SOKETI_EVENT_MAX_SIZE_IN_KB"];
    assert_eq!(report.ignored, ignored.map(|name| format!("environment variable {name}")));
    assert!(report.warnings.is_empty());
    let server = report.config.unwrap().server;
    assert_eq!(server, Server::default());
    let server = load(&[PUSHER, &left[..5]]).server;
    assert_eq!((server.port, server.path.as_str(), server.hostname.as_deref()), (6003, "/x", Some("a.test")));
    assert!(server.debug);
    assert_eq!(load(&[PUSHER, &[("PUSHER_HOST", "api-eu.pusher.com")]]).server.hostname, None);
}

#[test]
fn soketi_may_be_told_of_the_server_where_the_app_is_told_in_other_words() {
    let app = [("FANFARE__APP__ID", "f"), ("FANFARE__APP__KEY", "f"), ("FANFARE__APP__SECRET", "f")];
    let config = load(&[&app, &[("SOKETI_PORT", "6004"), ("PUSHER_PORT", "6002")]]);
    assert_eq!((config.server.port, config.apps[0].id.as_str()), (6004, "f"));
    assert_eq!(load(&[&app, &[("PUSHER_PORT", "6002")]]).server.port, 8080);
}

#[test]
fn the_server_of_soketi() {
    let server = load(&[SOKETI]).server;
    assert_eq!((server.host.as_str(), server.port), ("0.0.0.0", 6001));
    let variables =
        [("SOKETI_HOST", "::1"), ("SOKETI_PORT", "6002"), ("SOKETI_PATH_PREFIX", "/ws"), ("SOKETI_DEBUG", "1")];
    let server = load(&[SOKETI, &variables]).server;
    assert_eq!((server.host.as_str(), server.port, server.path.as_str(), server.debug), ("::1", 6002, "/ws", true));
    // Kubernetes names a service so.
    assert_eq!(load(&[SOKETI, &[("SOKETI_PORT", "tcp://10.0.0.1:6001")]]).server.port, 6001);
}

#[test]
fn the_app_of_soketi() {
    assert!(app(&[("SOKETI_DEFAULT_APP_ENABLED", "")]).enabled && !app(&[("SOKETI_DEFAULT_APP_ENABLED", "0")]).enabled);
    let events = |text| app(&[("SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES", text)]).client_events;
    assert_eq!((events("true"), events("false")), (ClientEvents::Members, ClientEvents::None));
    assert_eq!(app(&[]).client_events, ClientEvents::Guarded);
    assert!(app(&[("SOKETI_DEFAULT_APP_USER_AUTHENTICATION", "true")]).features.authorized_connections);
    assert_eq!(limits("SOKETI_USER_AUTHENTICATION_TIMEOUT", "5000").authorization_timeout_secs, 5);
    assert_eq!(limits("SOKETI_USER_AUTHENTICATION_TIMEOUT", "1500").authorization_timeout_secs, 2);
    assert_eq!(limits("SOKETI_DEFAULT_APP_MAX_CONNS", "100").max_connections, 100);
    assert_eq!(limits("SOKETI_DEFAULT_APP_MAX_CONNS", "-1").max_connections, 0);
    assert_eq!(limits("SOKETI_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC", "5").client_events_per_second, 5);
    assert_eq!(limits("SOKETI_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC", "-1").client_events_per_second, 100_000);
}

#[test]
fn the_limits_of_soketi() {
    assert_eq!(limits("SOKETI_CHANNEL_LIMITS_MAX_NAME_LENGTH", "200").max_channel_name_chars, 200);
    assert_eq!(limits("SOKETI_CHANNEL_CACHE_TTL", "60").cache_ttl_secs, 60);
    assert_eq!(limits("SOKETI_EVENT_MAX_BATCH_SIZE", "20").max_batch_events, 20);
    assert_eq!(limits("SOKETI_EVENT_MAX_CHANNELS_AT_ONCE", "50").max_channels_per_publish, 50);
    assert_eq!(limits("SOKETI_EVENT_MAX_NAME_LENGTH", "100").max_event_name_chars, 100);
    assert_eq!(limits("SOKETI_EVENT_MAX_SIZE_IN_KB", "100").max_event_data_bytes, 102_400);
    assert_eq!(limits("SOKETI_EVENT_MAX_SIZE_IN_KB", "0.5").max_event_data_bytes, 512);
    assert_eq!(limits("SOKETI_HTTP_MAX_REQUEST_SIZE", "2").max_request_bytes, 2 * 1024 * 1024);
    assert_eq!(limits("SOKETI_PRESENCE_MAX_MEMBERS", "1000").max_presence_members, 1000);
    assert_eq!(limits("SOKETI_PRESENCE_MAX_MEMBER_SIZE", "2").max_user_info_bytes, 2048);
    let wrong = |name, text| report(&[SOKETI, &[(name, text)]]).config.unwrap_err().to_string();
    assert_eq!(
        wrong("SOKETI_HTTP_MAX_REQUEST_SIZE", "-1"),
        "app.limits.max_request_bytes is -1048576 (environment variable SOKETI_HTTP_MAX_REQUEST_SIZE): must be a whole \
         number from 100 to 67108864"
    );
    assert!(wrong("SOKETI_EVENT_MAX_SIZE_IN_KB", "much").starts_with("app.limits.max_event_data_bytes is \"much\""));
}

/// What soketi's documentation has people write keeps no server from starting.
#[test]
fn the_defaults_of_soketi() {
    assert_eq!(limits("SOKETI_HTTP_MAX_REQUEST_SIZE", "100").max_request_bytes, 64 * 1024 * 1024);
    let expect =
        "environment variable SOKETI_HTTP_MAX_REQUEST_SIZE is 100 MB, more than this server takes: 64 MB count";
    assert_eq!(warning("SOKETI_HTTP_MAX_REQUEST_SIZE", "100").as_deref(), Some(expect));
    assert_eq!(warning("SOKETI_HTTP_MAX_REQUEST_SIZE", "64"), None);
    let kilobytes =
        "environment variable SOKETI_PRESENCE_MAX_MEMBER_SIZE is 2000 KB, more than this server takes: 1024 KB count";
    assert!(report(&[SOKETI, &[("SOKETI_PRESENCE_MAX_MEMBER_SIZE", "2000")]]).warnings.contains(&kilobytes.to_owned()));
    for (name, text) in [
        ("SOKETI_CHANNEL_CACHE_TTL", "3600"),
        ("SOKETI_CHANNEL_LIMITS_MAX_NAME_LENGTH", "200"),
        ("SOKETI_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SEC", "-1"),
        ("SOKETI_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC", "-1"),
        ("SOKETI_DEFAULT_APP_MAX_CONNS", "-1"),
        ("SOKETI_DEFAULT_APP_MAX_READ_REQ_PER_SEC", "-1"),
        ("SOKETI_DEFAULT_APP_WEBHOOKS", "[]"),
        ("SOKETI_EVENT_MAX_BATCH_SIZE", "10"),
        ("SOKETI_EVENT_MAX_CHANNELS_AT_ONCE", "100"),
        ("SOKETI_EVENT_MAX_NAME_LENGTH", "200"),
        ("SOKETI_EVENT_MAX_SIZE_IN_KB", "100"),
        ("SOKETI_HOST", "0.0.0.0"),
        ("SOKETI_PATH_PREFIX", "/"),
        ("SOKETI_PORT", "6001"),
        ("SOKETI_PRESENCE_MAX_MEMBER_SIZE", "2"),
        ("SOKETI_PRESENCE_MAX_MEMBERS", "100"),
        ("SOKETI_SHUTDOWN_GRACE_PERIOD", "3000"),
        ("SOKETI_USER_AUTHENTICATION_TIMEOUT", "30000"),
    ] {
        assert!(report(&[SOKETI, &[(name, text)]]).config.is_ok(), "{name}={text}");
    }
    let none = [("SOKETI_ADAPTER_DRIVER", "redis"), ("SOKETI_DB_REDIS_SENTINELS", "[]")];
    assert_eq!(load(&[SOKETI, &none]).redis.sentinel_master, None);
}

#[test]
fn the_webhooks_of_soketi() {
    let list = r#"[{"url": "https://a.test", "event_types": ["channel_occupied"], "headers": {"X-A": "b"},
        "filters": {"channel_name_starts_with": "a-", "channel_name_ends_with": "-b"}}, {"url": "https://b.test"}]"#;
    let webhooks = |batching| {
        let variables = [("SOKETI_DEFAULT_APP_WEBHOOKS", list), ("SOKETI_WEBHOOKS_BATCHING", batching)];
        app(&variables).webhooks.iter().map(|(_, endpoint)| endpoint.clone()).collect::<Vec<_>>()
    };
    let [first, second] = &webhooks("1")[..] else { panic!("two endpoints") };
    assert_eq!((first.url.as_str(), &first.events[..]), ("https://a.test", &[EventKind::ChannelOccupied][..]));
    assert_eq!((first.channel_prefix.as_str(), first.channel_suffix.as_str()), ("a-", "-b"));
    assert_eq!(first.headers, [("X-A".to_owned(), "b".to_owned())]);
    assert_eq!((second.events.len(), first.batch, second.batch), (EventKind::ALL.len(), true, true));
    assert!(!webhooks("")[0].batch);
    let wrong = report(&[SOKETI, &[("SOKETI_DEFAULT_APP_WEBHOOKS", "[{\"lambda_function\": \"f\"}]")]]);
    let error = wrong.config.unwrap_err().to_string();
    assert!(error.starts_with("app.webhooks[0].url is not set (environment variable"), "{error}");
}

#[test]
fn the_redis_of_soketi() {
    let redis = |variables: &[(&str, &str)]| {
        let config = load(&[SOKETI, &[("SOKETI_ADAPTER_DRIVER", "redis")], variables]);
        assert_eq!(config.cluster.bus, Bus::Redis);
        (config.redis, config.cluster.prefix)
    };
    let one = [
        ("SOKETI_DB_REDIS_HOST", "redis.test"),
        ("SOKETI_DB_REDIS_PORT", "7000"),
        ("SOKETI_DB_REDIS_DB", "2"),
        ("SOKETI_DB_REDIS_USERNAME", "me"),
        ("SOKETI_DB_REDIS_PASSWORD", "hunter2"),
        ("SOKETI_ADAPTER_REDIS_PREFIX", "mine"),
    ];
    let (settings, prefix) = redis(&one);
    assert_eq!((&settings.urls[..], prefix.as_str()), (&["redis://redis.test:7000".to_owned()][..], "mine"));
    assert_eq!((settings.username.as_deref(), settings.password.as_deref()), (Some("me"), Some("hunter2")));
    assert_eq!((settings.database, settings.cluster), (Some(2), false));

    let nodes = r#"[{"host": "a.test", "port": 7001}, {"host": "b.test"}]"#;
    let (settings, _) = redis(&[("SOKETI_ADAPTER_REDIS_CLUSTER_MODE", "1"), ("SOKETI_DB_REDIS_CLUSTER_NODES", nodes)]);
    assert_eq!(
        (settings.cluster, &settings.urls[..]),
        (true, &["redis://a.test:7001", "redis://b.test:6379"].map(str::to_owned)[..])
    );
    let sentinels = [("SOKETI_DB_REDIS_SENTINELS", nodes), ("SOKETI_DB_REDIS_SENTINEL_PASSWORD", "hunter3")];
    let (settings, _) = redis(&sentinels);
    assert_eq!((settings.sentinel_master.as_deref(), settings.urls.len()), (Some("mymaster"), 2));
    assert_eq!(settings.sentinel_password.as_deref(), Some("hunter3"));
    let (settings, _) = redis(&[sentinels[0], ("SOKETI_DB_REDIS_INSTANCE_NAME", "other")]);
    assert_eq!(settings.sentinel_master.as_deref(), Some("other"));
    // Its queue and cache may be there while it is alone.
    assert_eq!(load(&[SOKETI, &one]).cluster.bus, Bus::None);
    assert_eq!(load(&[SOKETI, &one, &[("SOKETI_ADAPTER_DRIVER", "local")]]).cluster.bus, Bus::None);
}

#[test]
fn the_nats_of_soketi() {
    let nats = |variables: &[(&str, &str)]| load(&[SOKETI, &[("SOKETI_ADAPTER_DRIVER", "nats")], variables]);
    let config = nats(&[
        ("SOKETI_ADAPTER_NATS_SERVERS", r#"["a.test:4222", "b.test:4222"]"#),
        ("SOKETI_ADAPTER_NATS_USER", "me"),
        ("SOKETI_ADAPTER_NATS_PASSWORD", "hunter2"),
        ("SOKETI_ADAPTER_NATS_PREFIX", "mine"),
    ]);
    assert_eq!((config.cluster.bus, config.cluster.prefix.as_str()), (Bus::Nats, "mine"));
    assert_eq!(config.nats.servers, ["a.test:4222", "b.test:4222"]);
    assert_eq!((config.nats.username.as_deref(), config.nats.password.as_deref()), (Some("me"), Some("hunter2")));
    assert_eq!(nats(&[("SOKETI_ADAPTER_NATS_TOKEN", "t")]).nats.token.as_deref(), Some("t"));
    let cluster = report(&[SOKETI, &[("SOKETI_ADAPTER_DRIVER", "cluster")]]).config.unwrap_err().to_string();
    let expect =
        "cluster.bus is \"cluster\" (environment variable SOKETI_ADAPTER_DRIVER): must be one of none, redis, nats";
    assert_eq!(cluster, expect);
}

#[test]
fn the_listeners_and_rates_of_soketi() {
    let metrics = |variables: &[(&str, &str)]| load(&[SOKETI, variables]).metrics;
    let on = ("SOKETI_METRICS_ENABLED", "1");
    assert_eq!(metrics(&[on]), Metrics { host: "0.0.0.0".to_owned(), port: Some(9601) });
    let (host, port) = (("SOKETI_METRICS_HOST", "127.0.0.1"), ("SOKETI_METRICS_SERVER_PORT", "9700"));
    assert_eq!(metrics(&[on, host, port]), Metrics { host: "127.0.0.1".to_owned(), port: Some(9700) });
    assert_eq!(metrics(&[host, port]), Metrics::default());
    let said = warning("SOKETI_METRICS_ENABLED", "maybe");
    assert_eq!(said.unwrap(), "environment variable SOKETI_METRICS_ENABLED has no effect: must be true or false");
    let rates = |events, reads| {
        let rates = [
            ("SOKETI_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SEC", events),
            ("SOKETI_DEFAULT_APP_MAX_READ_REQ_PER_SEC", reads),
        ];
        let limits = load(&[SOKETI, &rates]).apps[0].limits.clone();
        (limits.events_per_second, limits.reads_per_second)
    };
    assert_eq!((rates("100", "50"), rates("-1", "-1")), ((100, 50), (0, 0)));
    let config = load(&[SOKETI, &[("SOKETI_SSL_CERT", "/c"), ("SOKETI_SSL_KEY", "/k")]]);
    assert_eq!(config.tls, Tls { cert_file: Some("/c".into()), key_file: Some("/k".into()) });
    assert_eq!(load(&[SOKETI, &[("SOKETI_SHUTDOWN_GRACE_PERIOD", "1500")]]).server.drain_window_secs, 2);
}

#[test]
fn what_has_no_counterpart_is_said() {
    let of = |name: &str| format!("environment variable {name} has no effect: ");
    for (name, text, same) in [
        ("SOKETI_APP_MANAGER_DRIVER", "mysql", "array"),
        ("SOKETI_HTTP_ACCEPT_TRAFFIC_MEMORY_THRESHOLD", "85", ""),
        ("SOKETI_METRICS_DRIVER", "other", "prometheus"),
        ("SOKETI_METRICS_PROMETHEUS_PREFIX", "soketi_", ""),
        ("SOKETI_MODE", "worker", "full"),
        ("SOKETI_SSL_PASS", "hunter2", ""),
        ("SOKETI_SSL_CA", "/ca.pem", ""),
        ("SOKETI_WEBHOOKS_BATCHING_DURATION", "50", "100"),
        ("LARAVEL_WEBSOCKETS_SSL_PASSPHRASE", "hunter2", ""),
        ("LARAVEL_WEBSOCKETS_SSL_CA", "/ca.pem", "null"),
    ] {
        let found = warning(name, text).unwrap_or_default();
        assert!(found.starts_with(&of(name)) && !found.contains("hunter2"), "{name}: {found}");
        assert_eq!(warning(name, same), None, "{name}={same}");
    }
    for name in
        ["NATS_CREDENTIALS", "REDIS_PUB_OPTIONS", "REDIS_SUB_OPTIONS"].map(|name| format!("SOKETI_ADAPTER_{name}"))
    {
        let report = report(&[SOKETI, &[("SOKETI_ADAPTER_DRIVER", "redis"), (&name, "{}")]]);
        assert!(report.warnings[0].starts_with(&of(&name)), "{:?}", report.warnings);
    }
}

#[test]
fn names_that_nobody_knows_are_not_passed_over() {
    let expect = |name: &str, meant| Some(format!("environment variable {name} has no effect: did you mean {meant}?"));
    assert_eq!(warning("SOKETI_PROT", "1"), expect("SOKETI_PROT", "SOKETI_PORT"));
    assert_eq!(warning("REVERB_SERVER_PROT", "1"), expect("REVERB_SERVER_PROT", "REVERB_SERVER_PORT"));
    for name in [
        "SOKETI_QUEUE_DRIVER",
        "SOKETI_DB_MYSQL_HOST",
        "SOKETI_ADAPTER_NATS_TIMEOUT",
        "SOKETI_COLOUR",
        "REVERB_PORT",
        "REVERB_SERVER",
        "REVERB_PULSE_INGEST_INTERVAL",
        "LARAVEL_WEBSOCKETS_HOST",
    ] {
        let report = report(&[SOKETI, &[(name, "x")]]);
        assert_eq!((report.warnings.len(), &report.ignored[..]), (0, &[format!("environment variable {name}")][..]));
    }
}
