//! From Laravel Reverb.

use super::super::check::setting;
use super::super::tls::Chain;
use super::super::{free_port, place, serve};
use super::{checked, event, is_well, local, names, post, serves, settings};
use crate::binary::{Folder, Running};
use crate::support::{APP, Client, Credentials, Http, KEY, SECRET, now, sign};
use fanfare::protocol::signature::Secret;
use serde_json::{Value, json};
use std::process::Stdio;

/// What Laravel and `reverb:install` write, and what people add where the port is another.
fn env(port: u16) -> String {
    format!(
        "APP_NAME=Laravel\nAPP_ENV=local\nAPP_KEY=base64:x\nAPP_DEBUG=true\nAPP_URL=http://localhost\n\n\
         BROADCAST_CONNECTION=reverb\nQUEUE_CONNECTION=database\nREDIS_CLIENT=phpredis\nREDIS_HOST=127.0.0.1\n\
         REDIS_PASSWORD=null\nREDIS_PORT=6379\nVITE_APP_NAME=\"${{APP_NAME}}\"\n\n\
         REVERB_APP_ID={APP}\nREVERB_APP_KEY={KEY}\nREVERB_APP_SECRET={SECRET}\n\
         REVERB_HOST=\"localhost\"\nREVERB_PORT={port}\nREVERB_SCHEME=http\n\n\
         VITE_REVERB_APP_KEY=\"${{REVERB_APP_KEY}}\"\nVITE_REVERB_HOST=\"${{REVERB_HOST}}\"\n\
         VITE_REVERB_PORT=\"${{REVERB_PORT}}\"\nVITE_REVERB_SCHEME=\"${{REVERB_SCHEME}}\"\n"
    )
}

#[tokio::test]
async fn its_env_stays() {
    let port = free_port();
    let folder = Folder::new(&(env(port) + &format!("REVERB_SERVER_PORT={port}\n")));
    let _server = Running::start(folder.fanfare(&["serve", "--host=127.0.0.1"]));
    serves(local(port), "").await;
    is_well(&folder, &[]);
    // As it is installed, it listens on 8080.
    let report = settings(&env(8080), &[]);
    assert_eq!(setting(&report, "server.port"), (8080.into(), "default".to_owned()));
    assert_eq!(setting(&report, "server.host"), ("0.0.0.0".into(), "default".to_owned()));
    assert_eq!((&report["warnings"], names(&report["ignored"])), (&json!([]), vec!["REVERB_PORT", "REVERB_SCHEME"]));
}

#[tokio::test]
async fn its_options_stay() {
    let folder = Folder::new(&env(1));
    let log = folder.create("log");
    let options = ["--host=127.0.0.1", "--port=0", "--path=/ws", "--hostname=ws.test", "--debug"];
    let mut command = folder.fanfare(&[&["serve"], &options[..]].concat());
    command.stderr(Stdio::from(log));
    let server = Running::start(command);
    let address = server.address.strip_suffix("/ws (ws.test)").expect("what reverb:start prints");
    serves(address.parse().unwrap(), "/ws").await;
    assert!(folder.read("log").contains("connection established"));
}

#[tokio::test]
async fn health_and_the_card_of_pulse_stay() {
    let folder = Folder::new(&env(1));
    let server = serve(&folder, &[]);
    let _page = Client::connect(place(&server), &format!("/app/{KEY}?protocol=7")).await;
    let mut http = Http::connect(place(&server)).await;
    let answer = http.request("GET", "/up", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"health":"OK"}"#));
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    let answer = http.signed("GET", &format!("/apps/{APP}/connections"), "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"connections":1}"#));
}

/// What `json_encode(config("reverb"))` prints of two apps.
fn export(tls: &Value) -> Value {
    let app = |id: &str, key: &str, secret: &str| {
        json!({
            "key": key, "secret": secret, "app_id": id,
            "options": { "host": "localhost", "port": 8080, "scheme": "http", "useTLS": false },
            "allowed_origins": ["*"], "ping_interval": 60, "activity_timeout": 30, "max_connections": null,
            "max_message_size": 10_000, "accept_client_events_from": "members",
            "rate_limiting": { "enabled": false, "max_attempts": 60, "decay_seconds": 60, "terminate_on_limit": false }
        })
    };
    json!({
        "default": "reverb",
        "servers": { "reverb": {
            "host": "0.0.0.0", "port": 8080, "path": "", "hostname": "localhost", "options": { "tls": tls },
            "max_request_size": 10_000,
            "scaling": { "enabled": false, "channel": "reverb", "server": {
                "url": null, "host": "127.0.0.1", "port": "6379", "username": null, "password": null, "database": "0",
                "timeout": 60
            } },
            "pulse_ingest_interval": 15, "telescope_ingest_interval": 15
        } },
        "apps": { "provider": "config", "apps": [app(APP, KEY, SECRET), app("8", "second-key", "second-secret")] }
    })
}

#[tokio::test]
async fn two_apps_of_its_config_file_are_exported() {
    let folder = Folder::new(&env(1));
    folder.write("reverb.json", &export(&json!([])).to_string());
    let server = serve(&folder, &["--config", "reverb.json"]);
    let place = place(&server);
    serves(place, "").await;
    let second = Credentials { id: "8", key: "second-key", secret: "second-secret" };
    let mut page = Client::connect(place, &format!("/app/{}?protocol=7", second.key)).await;
    let auth = Secret::new(second.secret).sign(&[&page.socket_id, ":private-a"]);
    let data = json!({ "channel": "private-a", "auth": format!("{}:{auth}", second.key) });
    let answer = page.ask(&json!({ "event": "pusher:subscribe", "data": data })).await;
    assert_eq!(answer["event"], "pusher_internal:subscription_succeeded");
    let port = place.port().to_string();
    let place = ["--config", "reverb.json", "--app", second.id, "--port", &port];
    let output = folder.output(&[&["trigger", "private-a", "shipped"], &place[..]].concat());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(page.next().await["event"], "shipped");
    let (report, _) = checked(&folder, &["--config", "reverb.json"]);
    assert_eq!((&report["warnings"], setting(&report, "apps[1].id").0), (&json!([]), json!("8")));
}

#[test]
fn the_certificate_in_its_config_file_counts() {
    let folder = Folder::new(&env(1));
    Chain::new().write(&folder);
    let tls = json!({ "local_cert": "cert.pem", "local_pk": "key.pem", "passphrase": "x" });
    folder.write("reverb.json", &export(&tls).to_string());
    let (report, code) = checked(&folder, &["--config", "reverb.json"]);
    let [warning] = &report["warnings"].as_array().unwrap()[..] else { panic!("{report:#}") };
    assert!(code == Some(0) && warning.as_str().unwrap().contains("options.tls.passphrase has no effect"), "{warning}");
    assert_eq!(setting(&report, "tls.key_file").0, "key.pem");
}

#[tokio::test]
async fn client_events_follow_pushers_rule_unless_told() {
    for (more, is_heard) in [("", false), ("REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM=members\n", true)] {
        let folder = Folder::new(&(env(1) + more));
        let server = serve(&folder, &[]);
        let path = format!("/app/{KEY}?protocol=7");
        let mut pages = [Client::connect(place(&server), &path).await, Client::connect(place(&server), &path).await];
        for channel in ["orders", "private-orders"] {
            for page in &mut pages {
                page.subscribe(channel).await;
            }
            let [sender, other] = &mut pages;
            sender.send(&json!({ "event": "client-typing", "channel": channel, "data": {} })).await;
            if is_heard || channel == "private-orders" {
                assert_eq!(other.next().await["event"], "client-typing", "{channel}");
            } else {
                assert!(sender.error().await.contains("only supported on private and presence channels"));
            }
        }
    }
    assert_eq!(setting(&settings(&env(1), &[]), "apps[0].limits.client_events_per_second").0, 10);
}

#[tokio::test]
async fn limits_are_pushers_and_can_be_raised() {
    let folder = Folder::new(&env(1));
    let server = serve(&folder, &[]);
    let place = place(&server);
    let channels = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!("c-{n}")).collect();
        json!({ "name": "e", "data": "x", "channels": names })
    };
    let long = "a".repeat(165);
    for (event, status) in [
        (channels(100), 200),
        (channels(101), 400),
        (event("my channel", "x"), 400),
        (event(&long[1..], "x"), 200),
        (event(&long, "x"), 400),
        (event("a", &"x".repeat(9_000)), 200),
        (event("a", &"x".repeat(10_000)), 413),
    ] {
        assert_eq!(post(place, "", &event).await.0, status, "{event:.50}");
    }
    let batch = json!({ "batch": vec![event("a", "x"); 11] }).to_string();
    let path = format!("/apps/{APP}/batch_events");
    assert_eq!(Http::connect(place).await.signed("POST", &path, &batch).await.status, 400);

    let mut page = Client::connect(place, &format!("/app/{KEY}?protocol=7")).await;
    let member = |bytes: usize| json!({ "user_id": "7", "user_info": "x".repeat(bytes) }).to_string();
    let answer = page.join("presence-a", &member(1025)).await;
    assert_eq!(
        (&answer["event"], answer["channel"].as_str()),
        (&json!("pusher:subscription_error"), Some("presence-a"))
    );
    page.error().await;
    assert_eq!(page.join("presence-a", &member(1000)).await["event"], "pusher_internal:subscription_succeeded");
    let report = settings(&env(1), &[]);
    assert_eq!(setting(&report, "apps[0].limits.max_presence_members").0, 100);

    let larger = Folder::new(&(env(1) + "REVERB_MAX_REQUEST_SIZE=50000\n"));
    let server = serve(&larger, &[]);
    assert_eq!(post(super::super::place(&server), "", &event("a", &"x".repeat(40_000))).await.0, 200);
}

#[tokio::test]
async fn refusals_and_the_end_are_told_by_code() {
    let folder = Folder::new(&env(1));
    let mut server = serve(&folder, &["--drain-delay", "0", "--drain-window", "1"]);
    let place = place(&server);
    let mut stranger = Client::open(place, "/app/nobody?protocol=7").await;
    assert_eq!(stranger.closed().await.0, 4001);

    let mut page = Client::connect(place, &format!("/app/{KEY}?protocol=7")).await;
    page.send(&json!({ "event": "pusher:subscribe", "data": { "channel": "private-a", "auth": "wrong:auth" } })).await;
    page.refused("private-a").await;

    let (path, body) = (format!("/apps/{APP}/channels"), "");
    for (age, status) in [(500, 200), (700, 401)] {
        let query = format!("auth_key={KEY}&auth_timestamp={}&auth_version=1.0", now() - age);
        let target = format!("{path}?{query}&auth_signature={}", sign("GET", &path, &query));
        assert_eq!(Http::connect(place).await.request("GET", &target, body).await.status, status, "{age}");
    }
    server.signal("-TERM");
    assert_eq!(page.closed().await.0, 4200);
    drop(page);
    assert_eq!(server.ended().0.code(), Some(0));
    assert_eq!(setting(&settings(&env(1), &[]), "server.drain_window_secs").0, 30);
}
