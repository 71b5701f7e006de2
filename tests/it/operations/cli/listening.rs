//! `fanfare subscribe`.

use super::{APP, Following, Site, fails};
use crate::binary::{Folder, Running};
use serde_json::{Value, json};

#[test]
fn events_are_heard_on_every_kind_of_channel() {
    let site = Site::start("");
    let channels = ["a", "private-a", "presence-a"];
    let args = [&["subscribe", "--json", "--for", "60", "--count", "3", "--user-id", "7"], &channels[..]].concat();
    let mut there = site.follow(&args);
    there.until("subscribed to presence-a with 1 members");
    site.prints(&["trigger", "a", "first", r#"{"n":1}"#, "--channel", "private-a", "--channel", "presence-a"]);
    for channel in channels {
        let line: Value = serde_json::from_str(&there.line()).unwrap();
        assert_eq!(line["channel"], channel);
        assert_eq!((&line["event"], &line["data"]), (&json!("first"), &json!(r#"{"n":1}"#)));
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    assert_eq!(there.ended(), (String::new(), String::new(), Some(0)));
}

#[test]
fn a_connection_can_be_left_out_and_nothing_drives_the_terminal() {
    let site = Site::start("");
    let mut there = site.follow(&["subscribe", "--for", "60", "--count", "1", "a"]);
    let line = there.until("connected to ");
    let id = line.trim().rsplit(' ').next().unwrap().to_owned();
    there.until("subscribed to a");
    site.prints(&["trigger", "a", "not-for-it", "--socket-id", &id]);
    site.prints(&["trigger", "a", "e\u{1b}[2J", "\u{7}"]);
    let line = there.line();
    assert!(line.ends_with(r#"  a  e\u{1b}[2J  "\u0007""#), "{line}");
    assert_eq!(there.ended().2, Some(0));
}

#[test]
fn who_is_refused_is_told_why() {
    let site = Site::start("REVERB_ALLOWED_ORIGINS=app.test\n");
    let page = ["--origin", "https://app.test"];
    fails(&site.output(&["subscribe", "a"]), 1, &["4009 Origin not allowed", "--origin"]);
    let there = site.follow(&[&["subscribe", "a", "--for", "1"], &page[..]].concat());
    assert_eq!(there.ended().2, Some(0));
    fails(&site.output(&["subscribe", "presence-a"]), 78, &["presence-a is a presence channel", "--user-id"]);
    let info = ["subscribe", "presence-a", "--user-id", "7", "--user-info", "{"];
    fails(&site.output(&info), 78, &["--user-info is no JSON"]);
    let stranger = Folder::new(&APP.replace("=secret", "=other"));
    let asked = stranger.fanfare(&["subscribe", "private-a", "--port", &site.port, page[0], page[1]]);
    let (out, err, code) = Following::start(asked).ended();
    assert_eq!((out.as_str(), code), ("", Some(1)));
    assert!(err.contains("refuses the subscription to private-a: Invalid signature"), "{err}");
    let stranger = Folder::new(&APP.replace("=key", "=other"));
    let output = stranger.output(&["subscribe", "a", "--port", &site.port]);
    fails(&output, 1, &["4001 Application does not exist", "the app's key"]);
    drop(site.server);
    fails(&stranger.output(&["subscribe", "a", "--port", &site.port]), 1, &["cannot connect", "is the server running"]);
}

#[test]
fn a_server_that_starts_again_is_found_again() {
    let site = Site::start("");
    let mut there = site.follow(&["subscribe", "--for", "120", "--count", "1", "--json", "a"]);
    there.until("subscribed to a");
    let Site { folder, mut server, port } = site;
    server.signal("-TERM");
    server.ended();
    there.until("connecting again in ");
    let again = Running::start(folder.fanfare(&["serve", "--host", "127.0.0.1", "--port", &port]));
    there.until("subscribed to a");
    assert!(folder.output(&["trigger", "a", "later", "--port", &port]).status.success());
    assert!(there.line().contains("\"later\""));
    assert_eq!(there.ended().2, Some(0));
    drop(again);
}
