//! From soketi, laravel-websockets and Pusher.

use super::super::check::setting;
use super::super::tls::Chain;
use super::super::{free_port, place, serve};
use super::{checked, event, is_well, local, names, post, refused, serves, settings, status};
use crate::binary::{Folder, Running};
use crate::support::{APP, Client, Http, KEY, SECRET};
use serde_json::{Value, json};

/// What the instructions of all three have in `.env`.
fn pusher(more: &str) -> String {
    format!(
        "APP_URL=http://localhost\nBROADCAST_DRIVER=pusher\nREDIS_HOST=127.0.0.1\nREDIS_PASSWORD=null\n\
         PUSHER_APP_ID={APP}\nPUSHER_APP_KEY={KEY}\nPUSHER_APP_SECRET={SECRET}\nPUSHER_APP_CLUSTER=mt1\n{more}"
    )
}

/// Where the app, and the page that is built with it, look for the server.
fn at(host: &str, port: u16, scheme: &str) -> String {
    format!(
        "PUSHER_HOST={host}\nPUSHER_PORT={port}\nPUSHER_SCHEME={scheme}\n\
         VITE_PUSHER_APP_KEY=\"${{PUSHER_APP_KEY}}\"\nVITE_PUSHER_HOST=\"${{PUSHER_HOST}}\"\n\
         VITE_PUSHER_PORT=\"${{PUSHER_PORT}}\"\nVITE_PUSHER_SCHEME=\"${{PUSHER_SCHEME}}\"\n\
         MIX_PUSHER_APP_KEY=\"${{PUSHER_APP_KEY}}\"\n"
    )
}

fn value(report: &Value, key: &str) -> Value {
    setting(report, key).0
}

fn limit(report: &Value, key: &str) -> Value {
    value(report, &format!("apps[0].limits.{key}"))
}

#[tokio::test]
async fn soketis_container_is_replaced() {
    let [port, metrics] = [free_port(), free_port()];
    let folder = Folder::new(&pusher(&at("127.0.0.1", port, "http")));
    let mut command = folder.fanfare(&["serve"]);
    // What the compose file of Sail hands to it, and metrics.
    for (name, text) in [
        ("SOKETI_METRICS_ENABLED", "1"),
        ("SOKETI_METRICS_HOST", "127.0.0.1"),
        ("SOKETI_DEBUG", "0"),
        ("SOKETI_METRICS_SERVER_PORT", &metrics.to_string()),
        ("SOKETI_DEFAULT_APP_ID", APP),
        ("SOKETI_DEFAULT_APP_KEY", KEY),
        ("SOKETI_DEFAULT_APP_SECRET", SECRET),
        ("SOKETI_HOST", "127.0.0.1"),
        ("SOKETI_EVENT_MAX_SIZE_IN_KB", "100"),
        ("SOKETI_PORT", &port.to_string()),
    ] {
        command.env(name, text);
    }
    let _server = Running::start(command);
    serves(local(port), "").await;
    let page = Http::connect(local(metrics)).await.request("GET", "/metrics", "").await;
    assert!(page.status == 200 && page.body.contains("fanfare_connections"), "{}", page.body);
    is_well(&folder, &[]);
    for (path, expect) in
        [("/up", 200), ("/live", 200), ("/ready", 200), ("/", 404), ("/accept-traffic", 404), ("/metrics", 404)]
    {
        assert_eq!(status(local(port), path).await, expect, "{path}");
    }
}

#[test]
fn soketis_defaults_are_others() {
    let env =
        |more: &str| format!("SOKETI_DEFAULT_APP_ID=1\nSOKETI_DEFAULT_APP_KEY=k\nSOKETI_DEFAULT_APP_SECRET=s\n{more}");
    let report = settings(&env("SOKETI_METRICS_SERVER_PORT=9700\n"), &[]);
    assert_eq!(value(&report, "server.port"), 6001);
    assert_eq!(value(&report, "metrics.port"), Value::Null);
    let report = settings(&env("SOKETI_METRICS_ENABLED=1\n"), &[]);
    assert_eq!([value(&report, "metrics.host"), value(&report, "metrics.port")], [json!("0.0.0.0"), json!(9601)]);
    for (key, expect) in [
        ("max_event_data_bytes", 10_240),
        ("max_user_info_bytes", 1024),
        ("max_channel_name_chars", 164),
        ("cache_ttl_secs", 1800),
    ] {
        assert_eq!(limit(&report, key), expect, "{key}");
    }
    let report = settings(
        &env("SOKETI_EVENT_MAX_SIZE_IN_KB=100\nSOKETI_PRESENCE_MAX_MEMBER_SIZE=2\n\
              SOKETI_CHANNEL_LIMITS_MAX_NAME_LENGTH=200\nSOKETI_CHANNEL_CACHE_TTL=3600\n\
              SOKETI_METRICS_ENABLED=true\nSOKETI_METRICS_SERVER_PORT=9601\nSOKETI_METRICS_HOST=0.0.0.0\nSOKETI_SHUTDOWN_GRACE_PERIOD=3000\n\
              SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES=false\nSOKETI_ADAPTER_DRIVER=redis\n\
              SOKETI_ADAPTER_REDIS_PREFIX=mine\n"),
        &[],
    );
    for (key, expect) in [
        ("max_event_data_bytes", 102_400),
        ("max_user_info_bytes", 2048),
        ("max_channel_name_chars", 200),
        ("cache_ttl_secs", 3600),
    ] {
        assert_eq!(limit(&report, key), expect, "{key}");
    }
    for (key, expect) in [
        ("metrics.port", json!(9601)),
        ("metrics.host", json!("0.0.0.0")),
        ("server.drain_window_secs", json!(3)),
        ("server.drain_delay_secs", json!(5)),
        ("apps[0].client_events", json!("none")),
        ("cluster.bus", json!("redis")),
        ("cluster.prefix", json!("mine")),
    ] {
        assert_eq!(value(&report, key), expect, "{key}");
    }
    // It says so where clients may send less than back ends.
    assert_eq!(names(&report["warnings"]), ["app.limits.max_message_bytes"]);
    let more = settings(&env("SOKETI_EVENT_MAX_SIZE_IN_KB=100\nFANFARE__LIMITS__MAX_MESSAGE_BYTES=204800\n"), &[]);
    assert_eq!(more["warnings"], json!([]));
}

#[test]
fn what_soketi_has_and_this_has_not_is_told() {
    let app = "SOKETI_DEFAULT_APP_ID=1\nSOKETI_DEFAULT_APP_KEY=k\nSOKETI_DEFAULT_APP_SECRET=s\n";
    let database = format!("{app}SOKETI_APP_MANAGER_DRIVER=mysql\nSOKETI_DB_MYSQL_HOST=a.test\n");
    let text = String::from_utf8(Folder::new(&database).output(&["check"]).stdout).unwrap();
    for line in ["\nwarning: SOKETI_APP_MANAGER_DRIVER in ", "\nignored: SOKETI_DB_MYSQL_HOST in "] {
        assert!(text.contains(line), "{text}");
    }
    let report = settings(&database, &[]);
    assert_eq!(names(&report["warnings"]), ["SOKETI_APP_MANAGER_DRIVER"]);
    assert_eq!(names(&report["ignored"]), ["SOKETI_DB_MYSQL_HOST"]);
    let error = refused(&Folder::new("SOKETI_PORT=6001\n"), &["serve"]);
    assert!(error.contains("no app is configured"), "{error}");
    let error = refused(&Folder::new("SOKETI_DEFAULT_APP_KEY=k\n"), &["serve"]);
    assert!(error.contains("SOKETI_DEFAULT_APP_ID and SOKETI_DEFAULT_APP_SECRET are not set"), "{error}");
    let error = refused(&Folder::new(&format!("{app}SOKETI_ADAPTER_DRIVER=cluster\n")), &["serve"]);
    assert!(error.contains("must be one of none, redis, nats") && error.lines().count() == 1, "{error}");
    let folder = Folder::new(app);
    folder.write("soketi.json", r#"{"debug":true,"appManager.array.apps":[{"id":"a","key":"b","secret":"c"}]}"#);
    let error = refused(&folder, &["serve", "--config", "soketi.json"]);
    assert!(error.contains("appManager.array.apps is not a setting"), "{error}");
}

#[test]
fn webhooks_of_soketi_go_to_public_addresses() {
    let hooks =
        r#"SOKETI_DEFAULT_APP_WEBHOOKS='[{"url":"http://127.0.0.1:9/hook","event_types":["channel_occupied"]}]'"#;
    let env = format!(
        "SOKETI_DEFAULT_APP_ID={APP}\nSOKETI_DEFAULT_APP_KEY={KEY}\nSOKETI_DEFAULT_APP_SECRET={SECRET}\n{hooks}\n"
    );
    let error = refused(&Folder::new(&env), &["check"]);
    assert!(error.contains("private_webhook_targets"), "{error}");
    settings(&(env + "FANFARE__FEATURES__PRIVATE_WEBHOOK_TARGETS=true\n"), &[]);
}

#[tokio::test]
async fn the_env_of_laravel_websockets_stays() {
    for variable in ["LARAVEL_WEBSOCKETS_PORT", "PUSHER_PORT"] {
        let port = free_port();
        let larger = "FANFARE__APP__LIMITS__MAX_EVENT_DATA_BYTES=256000";
        let folder = Folder::new(&pusher(&format!("{variable}={port}\n{larger}\n")));
        let _server = Running::start(folder.fanfare(&["serve", "--host=127.0.0.1"]));
        serves(local(port), "").await;
        is_well(&folder, &[&format!("http://127.0.0.1:{port}")]);
    }
    // Its own instructions name no port, or that of Pusher.
    for more in [String::new(), at("", 443, "https")] {
        let report = settings(&pusher(&more), &[]);
        assert_eq!((value(&report, "server.port"), &report["warnings"]), (6001.into(), &json!([])));
    }
}

#[tokio::test]
async fn what_its_config_file_says_is_said_by_variables() {
    let app = |more: &str| pusher(&format!("LARAVEL_WEBSOCKETS_PORT=6001\n{more}"));
    let report = settings(&app(""), &[]);
    assert_eq!((limit(&report, "max_event_data_bytes"), limit(&report, "max_connections")), (10_240.into(), 0.into()));
    let env = app("FANFARE__APP__CLIENT_EVENTS=none\nFANFARE__APP__LIMITS__MAX_CONNECTIONS=1\n\
         FANFARE__APP__ALLOWED_ORIGINS=app.test\nFANFARE__APP__LIMITS__MAX_EVENT_DATA_BYTES=256000\n");
    let report = settings(&env, &[]);
    assert_eq!(value(&report, "apps[0].allowed_origins"), json!(["app.test"]));
    assert_eq!((limit(&report, "max_connections"), value(&report, "apps[0].client_events")), (1.into(), "none".into()));
    let folder = Folder::new(&env);
    let server = serve(&folder, &[]);
    assert_eq!(post(place(&server), "", &event("a", &"x".repeat(250 * 1024 - 100))).await.0, 200);

    folder.write("fanfare.toml", "[[apps]]\nid = \"8\"\nkey = \"second-key\"\nsecret = \"s\"\n");
    let server = serve(&folder, &["--config", "fanfare.toml"]);
    Client::connect(place(&server), "/app/second-key?protocol=7").await;

    folder.write(
        "websockets.json",
        r#"{"apps":[{"id":"1","name":"a","key":"k","secret":"s","enable_statistics":true}]}"#,
    );
    let error = refused(&folder, &["check", "--config", "websockets.json"]);
    assert!(error.contains("apps[0].enable_statistics is not a setting"), "{error}");

    let tls = "LARAVEL_WEBSOCKETS_SSL_LOCAL_CERT=cert.pem\nLARAVEL_WEBSOCKETS_SSL_LOCAL_PK=key.pem\n";
    let secured = Folder::new(&app(tls));
    Chain::new().write(&secured);
    let (report, _) = checked(&secured, &[]);
    assert_eq!(
        (value(&report, "tls.cert_file"), value(&report, "tls.key_file")),
        ("cert.pem".into(), "key.pem".into())
    );
    assert_eq!(report["warnings"], json!([]));
    assert_eq!(status(place(&serve(&secured, &[])), "/up").await, 400, "plain HTTP on a port that speaks TLS");
    let report = settings(&app("LARAVEL_WEBSOCKETS_SSL_PASSPHRASE=hidden\n"), &[]);
    assert_eq!(names(&report["warnings"]), ["LARAVEL_WEBSOCKETS_SSL_PASSPHRASE"]);
}

#[tokio::test]
async fn client_events_are_on_after_all_three() {
    let soketi =
        format!("SOKETI_DEFAULT_APP_ID={APP}\nSOKETI_DEFAULT_APP_KEY={KEY}\nSOKETI_DEFAULT_APP_SECRET={SECRET}\n");
    let off = |line: &str, env: &str| format!("{env}{line}\n");
    for (env, is_on) in [
        (pusher(""), true),
        (off("FANFARE__APP__CLIENT_EVENTS=none", &pusher("")), false),
        (soketi.clone(), true),
        (off("SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES=false", &soketi), false),
    ] {
        let folder = Folder::new(&env);
        let server = serve(&folder, &[]);
        let path = format!("/app/{KEY}?protocol=7");
        let (mut sender, mut other) =
            (Client::connect(place(&server), &path).await, Client::connect(place(&server), &path).await);
        sender.subscribe("private-a").await;
        other.subscribe("private-a").await;
        sender.send(&json!({ "event": "client-typing", "channel": "private-a", "data": {} })).await;
        if is_on {
            assert_eq!(other.next().await["event"], "client-typing");
        } else {
            assert_eq!(sender.next().await["event"], "pusher:error");
        }
    }
}

#[tokio::test]
async fn an_app_of_pusher_is_told_another_host() {
    let told = |more: &str| settings(&pusher(more), &[]);
    assert_eq!(value(&told(&at("ws.example.com", 443, "https")), "server.port"), 6001);
    assert_eq!(value(&told(&at("ws.example.com", 443, "https")), "server.hostname"), "ws.example.com");
    let theirs = told(&at("api-eu.pusher.com", 6001, "https"));
    assert_eq!((value(&theirs, "server.port"), value(&theirs, "server.hostname")), (6001.into(), Value::Null));
    assert_eq!(setting(&theirs, "server.port").1, "default of soketi and laravel-websockets");
    assert_eq!(limit(&theirs, "activity_timeout_secs"), 120);
    let port = free_port();
    let folder = Folder::new(&pusher(&at("localhost", port, "http")));
    let _server = Running::start(folder.fanfare(&["serve", "--host=127.0.0.1"]));
    serves(local(port), "").await;
    is_well(&folder, &[]);
}
