//! `fanfare check`, and apps from several files.

use crate::binary::{Folder, Running};
use crate::support::Client;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;

const APP: &str = "REVERB_APP_ID=1\nREVERB_APP_KEY=key\nREVERB_APP_SECRET=hunter2\n";

fn app(id: &str) -> String {
    format!("id = \"{id}\"\nkey = \"key-{id}\"\nsecret = \"hunter2-{id}\"\n")
}

/// What `check --json` prints, and its exit code; `DIR` is the folder.
pub(crate) fn checked(folder: &Folder, options: &[&str]) -> (Value, Option<i32>) {
    let output = folder.output(&[&["check", "--json"], options].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("hunter2") && output.stderr.is_empty(), "{text}");
    (serde_json::from_str(&text.replace(folder.name(), "DIR")).unwrap(), output.status.code())
}

/// Value and source of a setting.
pub(crate) fn setting(report: &Value, key: &str) -> (Value, String) {
    let settings = report["settings"].as_array().unwrap();
    let found: Vec<_> = settings.iter().filter(|setting| setting["key"] == key).collect();
    assert_eq!(found.len(), 1, "{key}");
    (found[0]["value"].clone(), found[0]["source"].as_str().unwrap().to_owned())
}

#[test]
fn every_setting_is_told_with_its_source() {
    let folder = Folder::new(&format!("{APP}REVERB_SERVER_PORT=9000\nFANFARE__LIMITS__OUTBOX_BYTES=2_000_000\n"));
    folder.write(
        "a.toml",
        &format!("[server]\nheader_timeout_secs = 5\n[redis]\npassword = \"hunter2\"\n[[apps]]\n{}", app("2")),
    );
    let (report, code) = checked(&folder, &["--config", "a.toml", "--host", "127.0.0.1"]);
    assert_eq!((code, &report["errors"]), (Some(0), &json!([])));
    for (key, value, source) in [
        ("server.host", json!("127.0.0.1"), "--host"),
        ("server.port", json!(9000), "REVERB_SERVER_PORT in DIR/.env line 4"),
        ("server.path", json!(""), "default"),
        ("server.hostname", Value::Null, "default"),
        ("server.api_origins", json!([]), "default"),
        ("server.header_timeout_secs", json!(5), "DIR/a.toml"),
        ("redis.password", json!("***"), "DIR/a.toml"),
        ("limits.outbox_bytes", json!(2_000_000), "FANFARE__LIMITS__OUTBOX_BYTES in DIR/.env line 5"),
        ("limits.message_rate", Value::Null, "default"),
        ("apps[0].id", json!("1"), "REVERB_APP_ID in DIR/.env line 1"),
        ("apps[0].secret", json!("***"), "REVERB_APP_SECRET in DIR/.env line 3"),
        ("apps[0].limits.max_message_bytes", json!(10_000), "default of Laravel Reverb"),
        ("apps[0].limits.outbox_bytes", json!(2_000_000), "FANFARE__LIMITS__OUTBOX_BYTES in DIR/.env line 5"),
        ("apps[1].limits.max_message_bytes", json!(65_536), "default"),
        ("apps[1].key", json!("***"), "DIR/a.toml"),
        ("apps[1].allowed_origins", json!(["*"]), "default"),
    ] {
        assert_eq!(setting(&report, key), (value, source.to_owned()), "{key}");
    }
    // Every key of the config file is there.
    let example = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/fanfare.toml")).unwrap();
    folder.write("b.toml", &example);
    let (report, _) = checked(&folder, &["--config", "b.toml"]);
    let known = example.lines().filter(|line| !line.starts_with(['#', '[']) && line.contains(" = ")).count();
    let told = report["settings"].as_array().unwrap().iter().filter(|setting| setting["source"] == "DIR/b.toml");
    let told = told.filter(|setting| !setting["key"].as_str().unwrap().starts_with("apps[")).count();
    // Two of them are overridden by variables.
    assert!(known > 50 && told == known - 2, "{told} of {known}");
}

#[test]
fn people_read_it_in_columns() {
    let folder = Folder::new(&format!("{APP}REVERB_ALLOWED_ORIGINS=a.test,b.test\nREVERB_PORT=443\n"));
    let output = folder.output(&["check", "--port", "9000"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !text.contains("hunter2"), "{text}");
    let line = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{key} "))).unwrap_or_else(|| panic!("{text}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("server.port"), "server.port 9000 (--port)");
    assert_eq!(line("server.path"), "server.path \"\" (default)");
    assert_eq!(line("server.hostname"), "server.hostname none (default)");
    let origins = format!("a.test, b.test (REVERB_ALLOWED_ORIGINS in {}/.env line 4)", folder.name());
    assert_eq!(line("apps[0].allowed_origins"), format!("apps[0].allowed_origins {origins}"));
    assert!(text.ends_with(&format!("ignored: REVERB_PORT in {}/.env line 5\n", folder.name())), "{text}");
}

#[test]
fn mistakes_are_told_to_programs_too() {
    let folder = Folder::new(&format!("{APP}REVERB_SERVER_PORT=x\nREVERB_SERVER_PATHS=/x\n"));
    let (report, code) = checked(&folder, &["--host", "a b"]);
    let expect = [
        "server.host is \"a b\" (--host): must be a host name or an IP address, without scheme, port or path",
        "server.port is \"x\" (REVERB_SERVER_PORT in DIR/.env line 4): must be a whole number from 0 to 65535",
    ];
    assert_eq!((&report["errors"], code), (&json!(expect), Some(78)));
    let warning = "REVERB_SERVER_PATHS in DIR/.env line 5 has no effect: did you mean REVERB_SERVER_PATH?";
    assert_eq!(report["warnings"], json!([warning]));
    assert_eq!(setting(&report, "server.port").0, "x");
}

#[test]
fn origins_that_no_page_has_are_a_warning() {
    let folder = Folder::new(&format!("{APP}REVERB_ALLOWED_ORIGINS=a.test,https://a.test/app,b.test:8080\n"));
    let (report, code) = checked(&folder, &[]);
    let of = |at, written, instead| {
        format!(
            "app.allowed_origins[{at}] is \"{written}\" (REVERB_ALLOWED_ORIGINS in DIR/.env line 4): no page has such an \
             origin; write {instead}"
        )
    };
    let expect = [of(1, "https://a.test/app", "https://a.test"), of(2, "b.test:8080", "b.test")];
    assert_eq!((&report["warnings"], code), (&json!(expect), Some(0)));
}

#[test]
fn what_contradicts_itself_is_a_warning() {
    let warnings = |toml: &str| {
        let folder = Folder::new(APP);
        folder.write("a.toml", &format!("{toml}\n[[apps]]\n{}", app("2")));
        let (report, code) = checked(&folder, &["--config", "a.toml"]);
        assert_eq!(code, Some(0), "{report}");
        serde_json::from_value::<Vec<String>>(report["warnings"].clone()).unwrap()
    };
    let check = |toml: &str, expect: &[&str]| assert_eq!(warnings(toml), expect, "{toml}");
    check("", &[]);
    check(
        "[limits]\nmax_request_bytes = 5000",
        &[
            "apps[0].limits.max_request_bytes is 5000 (DIR/a.toml), less than max_event_data_bytes, 10240 (default): no \
           request can hold so large an event",
        ],
    );
    check(
        "[limits]\nping_interval_secs = 60",
        &[
            "apps[0].limits.ping_interval_secs is 60 (DIR/a.toml), less than activity_timeout_secs, 120 (default): the server \
           asks before a client does",
        ],
    );
    let pair = |app: &str, less: &str, origin: &str, then: &str| {
        format!("{app}.limits.{less} ({origin}), less than max_event_data_bytes, 100000 (DIR/a.toml): {then}")
    };
    let reverb = "default of Laravel Reverb";
    check(
        "[limits]\nmax_event_data_bytes = 100_000\ncache_bytes = 65_536",
        &[
            &pair("app", "max_request_bytes is 10000", reverb, "no request can hold so large an event"),
            &pair("app", "max_message_bytes is 10000", reverb, "no client can send so large an event"),
            &pair("app", "cache_bytes is 65536", "DIR/a.toml", "a cache channel cannot keep so large an event"),
            &pair("apps[0]", "max_message_bytes is 65536", "default", "no client can send so large an event"),
            &pair("apps[0]", "cache_bytes is 65536", "DIR/a.toml", "a cache channel cannot keep so large an event"),
        ],
    );
    check(
        "[redis]\nurls = [\"redis://a.test\"]\n[nats]\nservers = [\"nats://127.0.0.1:4222\"]",
        &["redis.urls has no effect (DIR/a.toml): cluster.bus is none"],
    );
    let pair = |app: &str| {
        format!(
            "{app}.limits.events_per_second is 50 (DIR/a.toml), less than max_channels_per_publish, 100: so large a publish is \
             always refused"
        )
    };
    check("[limits]\nevents_per_second = 50", &[&pair("app"), &pair("apps[0]")]);
    check(
        "[cluster]\nbus = \"nats\"\nrepeat_bytes = 1000",
        &[
            "cluster.repeat_bytes is 1000, less than outage_bytes, 67108864: a server that comes back late may lose some",
        ],
    );
}

/// Secrets stand in odd places: in URLs, under mistyped names, and where something else belongs.
#[test]
fn what_may_be_secret_is_not_shown() {
    let env = "FANFARE__APP__KEYS='[{\"key\": \"k\", \"secrt\": \"hunter2\"}, \"hunter2\"]'\n\
               REVERB_HOST=https://me:hunter2@a.test\n";
    let folder = Folder::new(&format!("{APP}{env}"));
    let url = "https://a.test/hook?token=hunter2";
    folder.write(
        "a.toml",
        &format!(
            "redis.urls = [\"redis://a.test/0?password=hunter2\"]\n[[webhooks.endpoints]]\nurl = \"{url}\"\n\
             header = {{ Authorization = \"hunter2\" }}\n"
        ),
    );
    // It sees to it itself that nothing of it is shown.
    let (report, code) = checked(&folder, &["--config", "a.toml"]);
    assert_eq!(code, Some(78));
    let value = |key: &str| setting(&report, key).0;
    assert_eq!(value("apps[0].keys"), json!([{ "key": "***", "secrt": "***" }, "***"]));
    assert_eq!(value("redis.urls"), json!(["redis://a.test/0?***"]));
    assert_eq!(value("webhooks.endpoints"), json!([{ "url": "https://a.test/hook?***", "header": "***" }]));
    assert_eq!(value("server.hostname"), "https://***@a.test");
}

#[test]
fn warnings_are_logged_at_the_start() {
    let folder = Folder::new(&format!("{}SOKETI_MODE=worker\n", APP.replace("REVERB_", "SOKETI_DEFAULT_")));
    let mut command = folder.fanfare(&["serve", "--host", "127.0.0.1", "--port", "0"]);
    command.stderr(Stdio::from(fs::File::create(format!("{}/log", folder.name())).unwrap()));
    let mut server = Running::start(command);
    server.signal("-TERM");
    server.ended();
    let log = folder.read("log");
    let expect = format!("configuration: SOKETI_MODE in {}/.env line 4 has no effect", folder.name());
    assert!(log.contains("WARN") && log.contains(&expect), "{log}");
}

#[tokio::test]
async fn apps_of_a_folder_are_served() {
    let folder = Folder::new(APP);
    fs::create_dir(format!("{}/apps", folder.name())).unwrap();
    folder.write("apps/b.toml", &app("b"));
    folder.write("apps/a.toml", &format!("[[apps]]\n{}[[apps]]\n{}", app("a1"), app("a2")));
    folder.write("apps/c.json", &json!({ "apps": [{ "id": "c", "key": "key-c", "secret": "hunter2" }] }).to_string());
    folder.write("apps/README", "no apps");
    folder.write("fanfare.json", &json!({ "server": { "host": "127.0.0.1", "port": 0, "apps": "apps" } }).to_string());
    let (report, _) = checked(&folder, &["--config", "fanfare.json"]);
    let ids: Vec<_> = (0..5).map(|at| setting(&report, &format!("apps[{at}].id")).0).collect();
    assert_eq!(ids, ["1", "a1", "a2", "b", "c"]);
    let server = Running::start(folder.fanfare(&["serve", "--config", "fanfare.json"]));
    for key in ["key", "key-a1", "key-a2", "key-b", "key-c"] {
        let client = Client::connect(server.address.parse::<SocketAddr>().unwrap(), &format!("/app/{key}")).await;
        assert_eq!(client.established["activity_timeout"], if key == "key" { 30 } else { 120 });
    }
    fs::remove_dir_all(format!("{}/apps", folder.name())).unwrap();
    fs::create_dir(format!("{}/apps", folder.name())).unwrap();
    let (report, code) = checked(&folder, &["--config", "fanfare.json"]);
    let expect = "DIR/apps holds no .toml or .json file: add one for each app, or name another folder";
    assert_eq!((&report["errors"], code), (&json!([expect]), Some(78)));
}
