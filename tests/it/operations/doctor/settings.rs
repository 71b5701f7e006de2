//! What is wrong in configuration.

use super::{Found, env};
use crate::binary::Folder;
use crate::operations::cli::{APP, Site};

/// What is found with lines added, and some texts replaced, where all is well otherwise.
fn changed(site: &Site, more: &str, replaced: &[(&str, &str)]) -> Found {
    let env = env(&site.port, &site.port) + more;
    Found::with(&replaced.iter().fold(env, |env, (from, to)| env.replace(from, to)), &[])
}

#[test]
fn there_are_no_keys() {
    let found = Found::with("BROADCAST_CONNECTION=reverb\n", &[]);
    found.is_wrong("configuration", &["no app is configured", "REVERB_APP_KEY", "fanfare keys"]);
    let found = Found::with(&APP.replace("REVERB_APP_SECRET=secret", "REVERB_APP_SECRET="), &[]);
    found.is_wrong("configuration", &[".env line 3"]);
}

#[test]
fn credentials_are_others_than_the_servers() {
    let site = Site::start("");
    let check = |from: &str, to: &str, check: &str, parts: &[&str]| {
        let found = changed(&site, "", &[(from, to)]);
        let wrong = found.all("wrong");
        assert!(!wrong.is_empty() && wrong.iter().all(|(found, _)| found == check), "{:#}", found.json);
        assert!(parts.iter().all(|part| wrong[0].1.contains(part)), "{wrong:?}");
        assert!(!found.json.to_string().contains("hidden"), "{:#}", found.json);
    };
    let nobody = Found::with(&env(&site.port, &site.port), &["--app", "9"]);
    nobody.is_wrong("app", &["no app of the configuration has the id \\\"9\\\"", "--app"]);
    check("SECRET=secret", "SECRET=hidden", "secret", &["another secret", "REVERB_APP_SECRET"]);
    check("KEY=key", "KEY=other", "app", &["does not know the key other", "REVERB_APP_KEY"]);
    check("APP_ID=1", "APP_ID=2", "app", &["no app 2", "REVERB_APP_ID"]);
}

#[test]
fn the_app_broadcasts_elsewhere() {
    let site = Site::start("");
    let found = changed(&site, "", &[("CONNECTION=reverb", "CONNECTION=log")]);
    found.is_wrong("broadcasting", &["broadcasts by \\\"log\\\"", "/.env line 4", "=reverb"]);
    changed(&site, "", &[("BROADCAST_CONNECTION=reverb\n", "")]).is_wrong("broadcasting", &["is not set"]);
    let pusher =
        [("CONNECTION=reverb", "CONNECTION=pusher"), ("REVERB_HOST", "PUSHER_HOST"), ("REVERB_PORT", "PUSHER_PORT")];
    let pusher = [&pusher[..], &[("REVERB_SCHEME", "PUSHER_SCHEME")]].concat();
    let keys = "PUSHER_APP_ID=1\nPUSHER_APP_KEY=key\nPUSHER_APP_SECRET=";
    changed(&site, &format!("{keys}secret\n"), &pusher).is_well();
    let found = changed(&site, &format!("{keys}hidden\n"), &pusher);
    found.is_wrong("secret", &["signs with another secret", "PUSHER_APP_SECRET"]);
    assert!(!found.json.to_string().contains("hidden"));
}

#[test]
fn the_place_is_one_to_listen_on() {
    let site = Site::start("");
    let found = changed(&site, "", &[("REVERB_HOST=127.0.0.1", "REVERB_HOST=0.0.0.0")]);
    found.is_wrong("publish", &["none to connect to", "/.env line 7", "REVERB_SERVER_HOST"]);
    let found = changed(&site, "", &[("REVERB_HOST=127.0.0.1", "REVERB_HOST=http://127.0.0.1")]);
    found.is_wrong("publish", &["no host name", "without scheme"]);
}

#[test]
fn the_page_is_of_an_origin_that_may_not_connect() {
    let site = Site::start("REVERB_ALLOWED_ORIGINS=app.test\n");
    let allowed = "REVERB_ALLOWED_ORIGINS=app.test\n";
    changed(&site, &format!("{allowed}APP_URL=https://app.test/home\n"), &[]).is_well();
    let found = changed(&site, &format!("{allowed}APP_URL=https://other.test\n"), &[]);
    found.is_wrong("origin", &["pages of https://other.test may not connect", "APP_URL in /", "/.env line 11"]);
    let args = ["--origin", "https://other.test"];
    let found = Found::with(&(env(&site.port, &site.port) + allowed), &args);
    found.is_wrong("origin", &["--origin", "REVERB_ALLOWED_ORIGINS"]);
    // The configuration was changed, and the server was not started again.
    let found = changed(&site, "APP_URL=https://other.test\n", &[]);
    found.is_wrong("origin", &["Origin not allowed", "start the server again"]);
}

#[test]
fn pages_were_told_something_else() {
    let site = Site::start("");
    let vite = "VITE_REVERB_APP_KEY=\"${REVERB_APP_KEY}\"\nVITE_REVERB_HOST=\"${REVERB_HOST}\"\n\
                VITE_REVERB_PORT=\"${REVERB_PORT}\"\nVITE_REVERB_SCHEME=\"${REVERB_SCHEME}\"\n";
    changed(&site, vite, &[]).is_well();
    let found = changed(&site, vite, &[("${REVERB_APP_KEY}", "other")]);
    found.is_wrong("vite", &["connect with the key other", "npm run build"]);
    let found = changed(&site, vite, &[("${REVERB_HOST}", "${REVERB_HOSTS}")]);
    found.is_wrong("vite", &["${REVERB_HOSTS} stands there as it is"]);
    let found = changed(&site, vite, &[("${REVERB_PORT}", "1")]);
    found.is_wrong("vite", &["pages look for the server at http://127.0.0.1:1", "npm run build"]);
    // By another name, as in a container.
    let found = changed(&site, vite, &[("${REVERB_HOST}", "localhost")]);
    found.is_well();
    assert!(found.json.to_string().contains("pages find the server at http://localhost:"), "{:#}", found.json);
}

#[test]
fn limits_contradict_each_other() {
    let site = Site::start("");
    let folder = Folder::new(&env(&site.port, &site.port));
    let check = |limits: &str, parts: &[&str]| {
        folder.write("fanfare.toml", &format!("[limits]\n{limits}\n"));
        Found::at(&folder, &["--config", "fanfare.toml"]).is_wrong("sizes", parts);
    };
    check("max_event_data_bytes = 50_000", &["50000 bytes", "only 10000", "raise max_request_bytes to 100000"]);
    check(
        "max_user_info_bytes = 20_000\nmax_presence_members = 10",
        &["user_info", "10000", "REVERB_APP_MAX_MESSAGE_SIZE"],
    );
    check("max_presence_members = 2000", &["2000 members", "outbox_bytes"]);
}

#[test]
fn there_are_fewer_files_than_connections() {
    let site = Site::start("");
    let folder = Folder::new(&(env(&site.port, &site.port) + "REVERB_APP_MAX_CONNECTIONS=1000\n"));
    let script = format!("ulimit -n 500 && exec {} doctor --json", env!("CARGO_BIN_EXE_fanfare"));
    let mut shell = std::process::Command::new("sh");
    let output = shell.args(["-c", &script]).current_dir(folder.name()).env_clear().output().unwrap();
    Found::of(output).is_wrong("files", &["1000 connections", "500 files", "LimitNOFILE"]);
}
