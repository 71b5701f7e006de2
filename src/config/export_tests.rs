//! What Laravel exports of `config('reverb')`, as config file and as file of apps.

use crate::app::{ClientEvents, Limits, MessageRate, Origins};
use crate::config::tests::{APP, Folder};
use crate::config::{Bus, Config, Report, Sources, Tls};
use serde_json::{Value, json};

/// What a fresh Laravel app exports, with one app.
fn stock() -> Value {
    json!({
        "default": "reverb",
        "servers": { "reverb": {
            "host": "0.0.0.0", "port": 8080, "path": "", "hostname": "localhost", "options": { "tls": [] },
            "max_request_size": 10000,
            "scaling": { "enabled": false, "channel": "reverb", "server": {
                "url": null, "host": "127.0.0.1", "port": "6379", "username": null, "password": null, "database": "0",
                "timeout": 60
            } },
            "pulse_ingest_interval": 15, "telescope_ingest_interval": 15
        } },
        "apps": { "provider": "config", "apps": [{
            "key": "laravel-key", "secret": "laravel-secret", "app_id": "123456",
            "options": { "host": "localhost", "port": "8080", "scheme": "http", "useTLS": false },
            "allowed_origins": ["*"], "ping_interval": 60, "activity_timeout": 30, "max_connections": null,
            "max_message_size": 10000, "accept_client_events_from": "members",
            "rate_limiting": { "enabled": false, "max_attempts": 60, "decay_seconds": 60, "terminate_on_limit": false }
        }] }
    })
}

fn sources(export: &Value) -> (Folder, Sources) {
    let folder = Folder::new();
    let sources = folder.sources();
    std::fs::write(sources.directory.join("reverb.json"), export.to_string()).unwrap();
    (folder, Sources { config_file: Some("reverb.json".into()), ..sources })
}

/// The stock export after `change`.
fn load(change: impl Fn(&mut Value)) -> Config {
    let mut export = stock();
    change(&mut export);
    Config::load(&sources(&export).1).unwrap()
}

/// Where `change` alters the app.
fn app(change: impl Fn(&mut Value)) -> crate::app::App {
    load(|export| change(&mut export["apps"]["apps"][0])).apps.remove(0)
}

#[test]
fn a_stock_export_is_what_reverb_does() {
    let config = load(|_| {});
    assert_eq!((config.server.host.as_str(), config.server.port, config.cluster.bus), ("0.0.0.0", 8080, Bus::None));
    assert_eq!(config.server.hostname.as_deref(), Some("localhost"));
    let app = &config.apps[0];
    assert_eq!((app.id.as_str(), app.keys.iter().next()), ("123456", Some("laravel-key")));
    assert_eq!((app.client_events, &app.allowed_origins), (ClientEvents::Members, &Origins::default()));
    assert_eq!(app.limits, crate::config::reverb::defaults());
}

#[test]
fn null_zero_and_missing_mean_what_they_mean_to_reverb() {
    let remove = |key: &'static str| move |app: &mut Value| drop(app.as_object_mut().unwrap().remove(key));
    assert_eq!(app(remove("accept_client_events_from")).client_events, ClientEvents::All);
    assert_eq!(app(|app| app["accept_client_events_from"] = "nobody".into()).client_events, ClientEvents::None);
    assert_eq!(app(|app| app["max_message_size"] = 0.into()).limits.max_message_bytes, 16 * 1024 * 1024);
    assert_eq!(app(|app| app["max_connections"] = "500".into()).limits.max_connections, 500);
    for key in ["ping_interval", "activity_timeout", "max_connections", "max_message_size", "allowed_origins"] {
        let usual = app(|_| {});
        let missing = app(remove(key));
        assert_eq!((missing.limits, missing.allowed_origins), (usual.limits.clone(), usual.allowed_origins.clone()));
        assert_eq!(app(|app| app[key] = Value::Null).limits, usual.limits);
    }
    let rate = |enabled: Value, decay: Value| {
        let rate = json!({ "enabled": enabled, "max_attempts": 5, "decay_seconds": decay, "terminate_on_limit": true });
        app(|app| app["rate_limiting"] = rate.clone()).limits.message_rate
    };
    let expect = |decay_secs| Some(MessageRate { max_attempts: 5, decay_secs, terminate: true });
    assert_eq!(rate(true.into(), 7.into()), expect(7));
    assert_eq!(rate(true.into(), Value::Null), expect(1));
    // Only what is `true` in PHP is so.
    assert_eq!((rate(1.into(), 7.into()), rate("true".into(), 7.into())), (None, None));
    assert_eq!(app(remove("rate_limiting")).limits.message_rate, None);
}

#[test]
fn the_server_and_its_bus_are_read() {
    let config = load(|export| {
        let server = &mut export["servers"]["reverb"];
        server["port"] = "9000".into();
        server["path"] = "/ws".into();
        server["max_request_size"] = 100_000.into();
        server["scaling"]["enabled"] = true.into();
        server["scaling"]["server"]["password"] = "hunter2".into();
    });
    assert_eq!((config.server.port, config.server.path.as_str()), (9000, "/ws"));
    assert_eq!((config.cluster.bus, config.cluster.prefix.as_str()), (Bus::Redis, "reverb"));
    assert_eq!(
        (config.redis.urls[0].as_str(), config.redis.password.as_deref()),
        ("redis://127.0.0.1:6379", Some("hunter2"))
    );
    let Limits { max_request_bytes, max_event_data_bytes, .. } = config.apps[0].limits;
    assert_eq!((max_request_bytes, max_event_data_bytes), (100_000, 100_000));
}

#[test]
fn the_app_of_env_is_the_one_that_was_exported() {
    let mut export = stock();
    let mut second = export["apps"]["apps"][0].clone();
    (second["app_id"], second["key"]) = (2.into(), "second".into());
    export["apps"]["apps"].as_array_mut().unwrap().push(second);
    let (_folder, mut sources) = sources(&export);
    sources.environment = APP.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    sources.environment.insert("REVERB_APP_PING_INTERVAL".to_owned(), "25".to_owned());
    let config = Config::load(&sources).unwrap();
    let found: Vec<_> =
        config.apps.iter().map(|app| (app.id.as_str(), app.client_events, app.limits.ping_interval_secs)).collect();
    assert_eq!(found, [("123456", ClientEvents::Members, 25), ("2", ClientEvents::Members, 60)]);
}

#[test]
fn as_a_file_of_apps_it_says_nothing_of_the_server() {
    let mut export = stock();
    export["servers"]["reverb"]["port"] = 9000.into();
    let (_folder, mut sources) = sources(&export);
    sources.config_file = None;
    sources.flags.push(("server.apps", "reverb.json".to_owned(), "--apps"));
    let report = Report::of(&sources);
    let place = sources.directory.join("reverb.json").display().to_string();
    assert_eq!(report.warnings, [format!("{place}: only its apps count; name it with --config for the rest")]);
    let config = report.config.unwrap();
    assert_eq!((config.server.port, config.apps.len()), (8080, 1));
}

#[test]
fn apps_may_have_names() {
    let mut export = stock();
    let app = export["apps"]["apps"][0].take();
    export["apps"]["apps"] = json!({ "chat": app });
    export["apps"]["apps"]["chat"]["ping_interval"] = 0.into();
    let (_folder, wrong) = sources(&export);
    let error = Config::load(&wrong).unwrap_err().to_string();
    assert!(error.contains("reverb.json apps.apps.chat.ping_interval)"), "{error}");
    export["apps"]["apps"]["chat"]["ping_interval"] = 60.into();
    let (_folder, good) = sources(&export);
    assert_eq!(Config::load(&good).unwrap().apps.len(), 1);
}

#[test]
fn mistakes_name_the_key_in_the_export() {
    let refused = |change: &dyn Fn(&mut Value), expect: &str| {
        let mut export = stock();
        change(&mut export);
        let (_folder, sources) = sources(&export);
        let error = Config::load(&sources).unwrap_err().to_string();
        assert_eq!(error.replace(sources.directory.to_str().unwrap(), "DIR"), expect);
    };
    refused(
        &|export| export["servers"]["reverb"]["port"] = "http".into(),
        "server.port is \"http\" (DIR/reverb.json servers.reverb.port): must be a whole number from 0 to 65535",
    );
    refused(
        &|export| export["apps"]["apps"][0]["ping_interval"] = 0.into(),
        "apps[0].limits.ping_interval_secs is 0 (DIR/reverb.json apps.apps[0].ping_interval): must be a whole number from 1 \
         to 86400",
    );
    refused(
        &|export| export["apps"]["apps"][0]["key"] = Value::Null,
        "apps[0].key is not set (DIR/reverb.json apps.apps[0]): add key = \"...\"",
    );
    refused(
        &|export| export["apps"]["apps"][0]["allowed_origins"] = json!([]),
        "apps[0].allowed_origins is an empty list (DIR/reverb.json apps.apps[0].allowed_origins): must list at least one \
         origin, or * for any",
    );
    refused(
        &|export| export["apps"]["apps"] = "one".into(),
        "DIR/reverb.json apps.apps is not a list: export it once more",
    );
}

#[test]
fn the_certificate_is_found_among_the_options_of_tls() {
    let mut export = stock();
    let tls =
        json!({ "local_cert": "/cert.pem", "local_pk": "/key.pem", "passphrase": "hunter2", "verify_peer": false });
    export["servers"]["reverb"]["options"]["tls"] = tls;
    let (_folder, sources) = sources(&export);
    let report = Report::of(&sources);
    let tls = Tls { cert_file: Some("/cert.pem".into()), key_file: Some("/key.pem".into()) };
    assert_eq!(report.config.unwrap().tls, tls);
    let expect =
        "reverb.json servers.reverb.options.tls.passphrase has no effect: private keys are read without a passphrase";
    assert!(report.warnings[0].ends_with(expect), "{:?}", report.warnings);
}
