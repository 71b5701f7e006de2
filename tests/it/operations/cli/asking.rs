//! `fanfare keys`, `trigger`, `channels`, `health` and `completions`.

use super::{APP, Site, error, fails, fed};
use crate::binary::{Folder, Running};
use crate::operations::tls::Chain;
use std::collections::BTreeSet;

/// Every connection to such a server begins with a header, and so do ours.
#[test]
fn a_server_that_wants_the_proxy_protocol_is_asked_in_it() {
    for more in ["", "REVERB_SSL_CERT=cert.pem\nREVERB_SSL_KEY=key.pem\n"] {
        let folder = Folder::new(&format!("{APP}{more}"));
        Chain::new().write(&folder);
        folder.write("fanfare.toml", "[server]\nproxy_protocol = true\n");
        let site = Site::at(folder, &["--config", "fanfare.toml"]);
        let configured = ["--config", "fanfare.toml", "--host", "127.0.0.1"];
        for args in [&["health"][..], &["health", "--ready"], &["channels"], &["subscribe", "a", "--for", "1"]] {
            site.prints(&[args, &configured].concat());
        }
        let url = format!("http://127.0.0.1:{}", site.port);
        let elsewhere = [&["channels", "--url", &url], &configured[..2]].concat();
        assert_eq!(
            site.folder.output(&elsewhere).status.code(),
            Some(1),
            "a proxy is there, and sends the header itself"
        );
        site.folder.write("fanfare.toml", "[server]\nproxy_protocol = true\ntrusted_proxies = [\"10.0.0.0/8\"]\n");
        let refused = site.output(&[&["health"], &configured[..]].concat());
        fails(&refused, 1, &["127.0.0.1, this machine, is none of them", "server.trusted_proxies"]);
    }
}

#[test]
fn new_credentials_start_a_server() {
    let folder = Folder::new("");
    let print = |args: &[&str]| String::from_utf8(folder.output(args).stdout).unwrap();
    let env = print(&["keys"]);
    // As they are added to a file whose last line was never ended.
    folder.write(".env", &format!("APP_NAME=a{env}"));
    let lines = env.lines().filter(|line| !line.is_empty());
    let values: Vec<_> = lines.map(|line| line.split_once('=').unwrap()).collect();
    assert_eq!(
        values.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["REVERB_APP_ID", "REVERB_APP_KEY", "REVERB_APP_SECRET"]
    );
    assert!(values[0].1.len() == 6 && values[0].1.parse::<u32>().is_ok(), "{env}");
    assert!(values[1].1.len() >= 20 && values[2].1.len() >= 20, "{env}");
    let at = ["serve", "--host", "127.0.0.1", "--port", "0"];
    drop(Running::start(folder.fanfare(&at)));

    folder.write(".env", "");
    folder.write("fanfare.toml", &print(&["keys", "--format", "toml"]));
    drop(Running::start(folder.fanfare(&[&at[..], &["--config", "fanfare.toml"]].concat())));

    let json: serde_json::Value = serde_json::from_str(&print(&["keys", "--json"])).unwrap();
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "key", "secret"]);
    let all: BTreeSet<_> = (0..5).map(|_| print(&["keys"])).collect();
    assert_eq!(all.len(), 5);
}

#[test]
fn channels_are_listed_with_their_counts_and_members() {
    let site = Site::start("");
    assert_eq!(site.prints(&["channels"]), "no channel is occupied\n");
    let join = |args: &[&str]| {
        let mut there = site.follow(&[&["subscribe", "--for", "60"], args].concat());
        there.until("subscribed to ");
        there
    };
    let _public = join(&["a"]);
    let _member = join(&["presence-a", "--user-id", "7", "--user-info", r#"{"name":"Ann"}"#]);
    let _again = join(&["presence-a", "--user-id", "7"]);
    let expect = "\
CHANNEL     TYPE      CONNECTIONS  USERS
a           public    1            -
presence-a  presence  2            1
";
    assert_eq!(site.prints(&["channels"]), expect);
    assert!(!site.prints(&["channels", "--prefix", "presence-"]).contains("public"));
    assert!(site.prints(&["channels", "--prefix", "a"]).ends_with("\na        public  1            -\n"));
    let one = site.prints(&["channels", "presence-a"]);
    assert!(
        one.contains("presence  yes       2            1\n") && one.ends_with("7     {\"name\":\"Ann\"}\n"),
        "{one}"
    );
    let json: serde_json::Value = serde_json::from_str(&site.prints(&["channels", "--json"])).unwrap();
    assert_eq!(json["channels"]["presence-a"], serde_json::json!({ "subscription_count": 2, "user_count": 1 }));
    fails(&site.output(&["channels", "--info", "user_count"]), 1, &["400", "user_count may only be requested for"]);
    fails(&site.output(&["channels", "a/b"]), 1, &["Invalid channel name \"a/b\""]);
    fails(&site.output(&["channels", "--app", "9"]), 1, &["no app of the configuration has the id \"9\"; there are 1"]);
}

#[test]
fn counts_that_the_server_has_switched_off_are_left_out() {
    let folder = Folder::new(APP);
    folder.write("fanfare.toml", "[features]\nsubscription_counts = false\n");
    let site = Site::at(folder, &["--config", "fanfare.toml"]);
    let mut there = site.follow(&["subscribe", "--for", "60", "presence-a", "--user-id", "7"]);
    there.until("subscribed to presence-a with 1 members");
    assert!(site.prints(&["channels"]).ends_with("\npresence-a  presence  -            1\n"));
    assert!(site.prints(&["channels", "presence-a"]).contains("presence  yes       -            1\n"));
}

#[test]
fn refusals_of_events_are_told_in_the_servers_words() {
    let site = Site::start("REVERB_MAX_REQUEST_SIZE=2000000\n");
    assert_eq!(site.prints(&["trigger", "a", "b", "text", "--json"]), "{}\n");
    let counted = site.prints(&["trigger", "a", "b", "--channel", "c", "--info", "subscription_count"]);
    assert_eq!(
        counted,
        "published b to a, c\nCHANNEL  CONNECTIONS  USERS\na        0            -\nc        0            -\n"
    );
    let body = vec![b'x'; 5 << 20];
    let refused = fed(site.command(&["trigger", "a", "b", "-"]), &body);
    fails(&refused, 1, &["413", "exceeds the allowed maximum (2000000 bytes, see REVERB_MAX_REQUEST_SIZE"]);
    let accepted = fed(site.command(&["trigger", "a", "b", "-"]), &body[..1_500_000]);
    assert!(accepted.status.success(), "{}", error(&accepted));
    fails(&site.output(&["trigger", "a b", "c"]), 1, &["400", "Invalid channel name \"a b\""]);
    fails(&site.output(&["trigger", "a", "b", "--socket-id", "x"]), 1, &["400", "Invalid socket_id"]);
    let stranger = Folder::new(&APP.replace("=secret", "=other"));
    fails(&stranger.output(&["trigger", "a", "b", "--port", &site.port]), 1, &["401", "Invalid signature"]);
}

#[test]
fn a_server_elsewhere_is_asked_by_its_url() {
    let site = Site::start("REVERB_SERVER_PATH=/ws\n");
    let elsewhere = Folder::new(APP);
    let url = format!("http://127.0.0.1:{}/ws/", site.port);
    let ask = |args: &[&str]| elsewhere.output(&[args, &["--url", &url]].concat());
    for args in [&["trigger", "a", "b"][..], &["channels"], &["nodes"], &["health"]] {
        let output = ask(args);
        assert!(output.status.success(), "{args:?}: {}", error(&output));
    }
    fails(&elsewhere.output(&["nodes", "--url", "a.test"]), 78, &["\"a.test\"", "write https://"]);
    let secure = url.replace("http:", "https:");
    fails(&elsewhere.output(&["nodes", "--url", &secure]), 1, &["cannot speak TLS with 127.0.0.1"]);
    let nobody = ["nodes", "--url", &url, "--ca-file", ".env"];
    fails(&elsewhere.output(&nobody), 78, &["--ca-file .env is of no use"]);
}

#[test]
fn health_needs_no_app() {
    let site = Site::start("REVERB_SERVER_PATH=/ws\n");
    let elsewhere = Folder::new("REVERB_SERVER_PATH=/ws\n");
    let ask = |args: &[&str]| elsewhere.output(&[&["health", "--port", &site.port], args].concat());
    let well = ask(&[]);
    let expect = format!("http://127.0.0.1:{}/ws/up answers {{\"health\":\"OK\"}}\n", site.port);
    assert_eq!((well.status.code(), String::from_utf8(well.stdout).unwrap()), (Some(0), expect));
    assert!(String::from_utf8(ask(&["--ready"]).stdout).unwrap().contains("/ws/ready answers {\"ready\":true"));
    let json: serde_json::Value = serde_json::from_slice(&ask(&["--json"]).stdout).unwrap();
    assert_eq!((&json["healthy"], &json["answer"]), (&true.into(), &r#"{"health":"OK"}"#.into()));
    let broken = Folder::new("REVERB_SERVER_PORT=x\n");
    fails(&broken.output(&["health"]), 78, &["REVERB_SERVER_PORT", "\"x\""]);
    fails(&elsewhere.output(&["health", "--port", "0"]), 78, &["--port"]);
    drop(site.server);
    fails(&elsewhere.output(&["health", "--port", &site.port]), 1, &["cannot connect", "is the server running"]);
    let gone = elsewhere.output(&["health", "--port", &site.port, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&gone.stdout).unwrap();
    assert_eq!((gone.status.code(), &json["healthy"]), (Some(1), &false.into()));
}

#[test]
fn a_server_that_never_answers_is_not_well() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let output = Folder::new("").output(&["health", "--port", &port, "--timeout", "1"]);
    fails(&output, 1, &["/up does not answer within 1 s"]);
}

#[test]
fn completions_know_the_commands() {
    let folder = Folder::new("");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = String::from_utf8(folder.output(&["completions", shell]).stdout).unwrap();
        assert!(["subscribe", "trigger", "socket-id"].iter().all(|word| script.contains(word)), "{shell}");
    }
    fails(&folder.output(&["completions", "dos"]), 78, &["dos", "see `fanfare completions --help`"]);
}
