//! Endpoints of webhooks: what is read of them, and every refusal in one line.

use super::*;
use crate::app::EventKind;

const SECOND: &str = "[[apps]]\nid = \"2\"\nkey = \"k2\"\nsecret = \"s2\"\n";

/// What is said about `text`, which stands in the config file of an app that is otherwise complete.
fn refused(text: &str, expect: &str) {
    let (_folder, sources) = Folder::new().toml(text);
    assert_eq!(load_error(sources, &[]), expect, "{text}");
}

fn loaded(mut sources: Sources) -> Config {
    set(&mut sources, APP);
    Config::load(&sources).unwrap()
}

fn own(url: &str) -> String {
    format!("{SECOND}[[apps.webhooks]]\nurl = \"{url}\"\n")
}

#[test]
fn endpoints_that_could_never_work_are_refused() {
    let not_a_url = "must be a URL such as https://app.example/pusher/webhooks, with http:// or https://, in ASCII, what \
                     else it has percent-encoded";
    for url in [
        "app.example",
        "ftp://a.test",
        "https://",
        "https://a b.test",
        "https://a.test:0",
        "https://a.test:x",
        "https://é.test/é",
    ] {
        refused(&own(url), &format!("apps[0].webhooks[0].url is {url:?} (DIR/fanfare.toml): {not_a_url}"));
    }
    refused(
        &own("https://me:hunter2@a.test/"),
        "apps[0].webhooks[0].url is \"https://***@a.test/\" (DIR/fanfare.toml): must not hold a user or a password: send an \
         Authorization header instead, under headers",
    );
    refused(
        &format!("{SECOND}[[apps.webhooks]]\nbatch = true\n"),
        "apps[0].webhooks[0].url is not set (DIR/fanfare.toml): add url = \"https://app.example/pusher/webhooks\"",
    );
    refused(
        "[[webhooks.endpoints]]\nurls = \"https://a.test\"",
        "webhooks.endpoints[0].urls is not a setting (DIR/fanfare.toml): did you mean webhooks.endpoints[0].url?",
    );
}

#[test]
fn events_and_headers_are_checked() {
    let kinds = EventKind::ALL.map(EventKind::as_str).join(", ");
    refused(
        &(own("https://a.test") + "events = [\"channel_ocupied\"]"),
        &format!("apps[0].webhooks[0].events[0] is \"channel_ocupied\" (DIR/fanfare.toml): must be one of {kinds}"),
    );
    refused(
        &(own("https://a.test") + "events = []"),
        &format!("apps[0].webhooks[0].events is an empty list (DIR/fanfare.toml): must list at least one of {kinds}"),
    );
    for (header, mend) in [
        ("Content-Type = \"text/plain\"", "is set by the server itself: leave it out"),
        ("X-Pusher-Key = \"k\"", "is set by the server itself: leave it out"),
        ("\"a b\" = \"c\"", "must be the name of a header, such as X-Team"),
        ("X-Team = \"é\"", "must be printable ASCII, without blanks around it"),
        ("X-Team = 5", "must be text in quotes"),
    ] {
        let name = header.split(" =").next().unwrap().trim_matches('"');
        let expect = format!("apps[0].webhooks[0].headers.{name} is *** (DIR/fanfare.toml): {mend}");
        refused(&format!("{}headers = {{ {header} }}", own("https://a.test")), &expect);
    }
}

#[test]
fn endpoints_on_this_network_need_a_switch() {
    for url in ["http://127.0.0.1:8000/hook", "https://[::1]/", "http://10.0.0.5?x", "http://[::ffff:192.168.0.1]:80"] {
        let shown = url.replace("?x", "?***");
        refused(
            &own(url),
            &format!(
                "apps[0].webhooks[0].url is {shown:?} (DIR/fanfare.toml): is not an address of the public internet; set \
                 features.private_webhook_targets = true if app \"2\" may send webhooks there"
            ),
        );
    }
    let (_folder, sources) =
        Folder::new().toml(&(own("http://127.0.0.1/") + "[apps.features]\nprivate_webhook_targets = true"));
    assert_eq!(loaded(sources).apps[1].webhooks.iter().count(), 1);
    refused(
        &format!(
            "[[webhooks.endpoints]]\nurl = \"http://127.0.0.1/\"\n{SECOND}features = {{ private_webhook_targets = true }}"
        ),
        "webhooks.endpoints[0].url is \"http://127.0.0.1/\" (DIR/fanfare.toml): is not an address of the public internet; set \
         features.private_webhook_targets = true if app \"123456\" may send webhooks there",
    );
}

#[test]
fn every_app_has_the_shared_endpoints_and_its_own() {
    let text = format!("[[webhooks.endpoints]]\nurl = \"https://all.test\"\n{}", own("https://own.test"));
    let (_folder, sources) = Folder::new().toml(&text);
    let config = loaded(sources);
    let urls =
        |app: usize| config.apps[app].webhooks.iter().map(|(_, endpoint)| endpoint.url.as_str()).collect::<Vec<_>>();
    assert_eq!((urls(0), urls(1)), (vec!["https://all.test"], vec!["https://all.test", "https://own.test"]));
}

#[test]
fn how_webhooks_are_sent_is_checked() {
    for (text, expect) in [
        (
            "retry_after_secs = []",
            "webhooks.retry_after_secs is an empty list (DIR/fanfare.toml): must list at least one number",
        ),
        (
            "retry_after_secs = [1, 0]",
            "webhooks.retry_after_secs[1] is 0 (DIR/fanfare.toml): must be a whole number from 1 to 3600",
        ),
        (
            "debounce_ms = 60001",
            "webhooks.debounce_ms is 60001 (DIR/fanfare.toml): must be a whole number from 0 to 60000",
        ),
        ("timeout_secs = 0", "webhooks.timeout_secs is 0 (DIR/fanfare.toml): must be a whole number from 1 to 300"),
        ("endpoint = 1", "webhooks.endpoint is not a setting (DIR/fanfare.toml): did you mean webhooks.endpoints?"),
    ] {
        refused(&format!("[webhooks]\n{text}"), expect);
    }
}
