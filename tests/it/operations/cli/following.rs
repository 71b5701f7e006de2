//! `fanfare tail`.

use super::{APP, Site, fails};
use crate::binary::Folder;
use serde_json::Value;

#[test]
fn what_happens_is_told_to_people() {
    let site = Site::start("");
    let mut tail = site.follow(&["tail", "--for", "60", "--max-payload", "5", "--count", "6"]);
    let first = tail.line();
    assert!(first.contains("tail            app=1 node=") && first.ends_with(" nodes=1"), "{first}");
    let there = site.follow(&["subscribe", "a", "--for", "60", "--count", "1", "--origin", "http://app.test"]);
    let expect =
        [("connected", "ip=127.0.0.1 origin=http://app.test"), ("occupied", "channel=a"), ("subscribed", "channel=a")];
    let mut reads = |kind: &str, part: &str| {
        let line = tail.line();
        assert!(line.contains(&format!("  {kind:14}  ")) && line.contains(part), "{line} is no {kind} with {part}");
    };
    for (kind, part) in expect {
        reads(kind, part);
    }
    site.prints(&["trigger", "a", "e\u{1b}", "1234567"]);
    reads("published", r"channel=a event=e\u{1b} connections=1 data=12345... (7 bytes)");
    fails(&site.output(&["trigger", "a b", "e"]), 1, &["Invalid channel name"]);
    let (rest, err, code) = there.ended();
    assert_eq!((rest.lines().count(), code), (1, Some(0)), "{err}");
    // The subscriber leaves and the refusal comes in whatever order.
    let (rest, err, code) = tail.ended();
    assert_eq!((rest.lines().count(), err.as_str(), code), (2, "", Some(0)), "{rest}");
}

#[test]
fn what_happens_is_told_to_programs() {
    let site = Site::start("");
    let mut tail = site.follow(&["tail", "--json", "--for", "60", "--type", "refused,published", "--count", "2"]);
    assert!(tail.line().contains(r#""type":"tail""#));
    site.prints(&["trigger", "b", "hello"]);
    let record: Value = serde_json::from_str(&tail.line()).unwrap();
    assert_eq!(
        [&record["type"], &record["channel"], &record["data"]],
        ["published", "b", "{}"].map(Value::from).each_ref()
    );
    let stranger = Folder::new(&APP.replace("=secret", "=other"));
    fails(&stranger.output(&["trigger", "b", "hello", "--port", &site.port]), 1, &["401"]);
    let record: Value = serde_json::from_str(&tail.line()).unwrap();
    assert_eq!((&record["status"], &record["path"]), (&Value::from(401), &Value::from("/apps/1/events")));
    assert!(record["message"].as_str().unwrap().starts_with("Invalid signature"), "{record}");
    assert_eq!(tail.ended().2, Some(0));
}

#[test]
fn a_server_that_stops_is_told() {
    let mut site = Site::start("");
    let mut tail = site.follow(&["tail", "--for", "60"]);
    tail.line();
    site.server.signal("-TERM");
    site.server.ended();
    let (_, err, code) = tail.ended();
    assert!(code == Some(1) && err.contains("the server has ended it"), "{code:?} {err}");
    fails(&site.output(&["tail", "--type", "nothing"]), 78, &["nothing", "see `fanfare tail --help`"]);
    fails(&site.output(&["tail"]), 1, &["cannot connect"]);
}
