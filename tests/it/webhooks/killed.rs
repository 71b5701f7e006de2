//! The binary: killed in the middle of its work, and asked about it.

use super::{say_at_once, subscribe};
use crate::binary::{Folder, Running};
use crate::support::{Client, Receiver, Reply, Request, occupied};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{interval, timeout};

const ENV: &str = "REVERB_APP_ID=1\nREVERB_APP_KEY=key\nREVERB_APP_SECRET=secret\n";
/// Channels that somebody is on.
const CHANNELS: usize = 300;
/// As many as are told before the receiver hangs.
const TAKEN: usize = 100;

/// A folder whose server tells of occupied channels; `more` are lines of `[webhooks]`.
fn telling(receiver: &Receiver, more: &str) -> Folder {
    let folder = Folder::new(ENV);
    let url = receiver.url();
    let endpoint = format!("[[webhooks.endpoints]]\nurl = {url:?}\nevents = [\"channel_occupied\"]\n");
    let text = format!("features.private_webhook_targets = true\n[webhooks]\n{more}\n{endpoint}");
    folder.write("fanfare.toml", &text);
    folder
}

fn serve(folder: &Folder) -> Running {
    Running::start(folder.fanfare(&["serve", "--config", "fanfare.toml", "--host", "127.0.0.1", "--port", "0"]))
}

async fn connect(server: &Running) -> Client {
    let address: std::net::SocketAddr = server.address.parse().unwrap();
    Client::connect(address, "/app/key?protocol=7").await
}

/// Waits until the journal has so many events.
async fn journalled(folder: &Folder, count: usize) {
    let wait = async {
        let mut look = interval(Duration::from_millis(20));
        while folder.read("fanfare-webhooks.journal").lines().filter(|line| line.contains("\"tell\"")).count() < count {
            look.tick().await;
        }
    };
    assert!(timeout(Duration::from_secs(20), wait).await.is_ok(), "the journal never has {count} events");
}

/// Nothing that was written down is lost with the process, whatever it was doing.
#[tokio::test]
async fn a_server_that_is_killed_loses_no_delivery() {
    let receiver = Receiver::start();
    receiver.answers((0..TAKEN).map(|_| Reply::status(200)).chain([Reply::never()]));
    let folder = telling(&receiver, "");
    let mut server = serve(&folder);
    let mut client = connect(&server).await;
    let names: Vec<_> = (0..CHANNELS).map(|n| format!("c-{n}")).collect();
    say_at_once(&mut client, names.iter().map(|name| subscribe(name))).await;
    receiver.reaches(TAKEN + 1).await;
    journalled(&folder, CHANNELS).await;
    server.signal("-KILL");
    server.ended();

    receiver.answers([Reply::status(200)]);
    let server = serve(&folder);
    let all: BTreeSet<_> = names.iter().map(|name| occupied(name).to_string()).collect();
    let told = |requests: &[Request]| -> BTreeSet<String> {
        requests.iter().flat_map(Request::events).map(|event: Value| event.to_string()).collect()
    };
    let requests = receiver.until("every channel", |requests| told(requests) == all).await;
    let deliveries: BTreeSet<_> = requests.iter().map(|request| request.header("X-Fanfare-Delivery")).collect();
    assert_eq!(deliveries.len(), CHANNELS, "what comes again is known by its delivery");
    drop(server);
}

#[tokio::test]
async fn what_is_lost_without_a_journal_is_said() {
    let receiver = Receiver::start();
    receiver.answers([Reply::status(500)]);
    let folder = telling(&receiver, "journal = \"\"");
    let mut command = folder.fanfare(&["serve", "--config", "fanfare.toml", "--host", "127.0.0.1", "--port", "0"]);
    command.args(["--drain-delay", "0", "--drain-window", "0"]).stderr(folder.create("log"));
    let mut server = Running::start(command);
    let mut client = connect(&server).await;
    client.subscribe("a").await;
    receiver.reaches(1).await;
    server.signal("-TERM");
    tokio::task::spawn_blocking(move || server.ended()).await.unwrap();
    let log = folder.read("log");
    assert!(log.contains("webhooks are lost that endpoints have not taken") && log.contains("events=1"), "{log}");
}

/// What the README has people do about an endpoint that was away.
#[tokio::test]
async fn what_was_given_up_is_listed_and_sent_after_all() {
    let receiver = Receiver::start();
    receiver.answers([Reply::status(500)]);
    let folder = telling(&receiver, "retry_for_secs = 0");
    let server = serve(&folder);
    let mut client = connect(&server).await;
    client.subscribe("a").await;
    receiver.reaches(1).await;

    let port = server.address.rsplit(':').next().unwrap().to_owned();
    let place = ["--config", "fanfare.toml", "--host", "127.0.0.1", "--port", &port];
    let ask = |words: &[&str]| {
        let output = folder.output(&[&["webhooks"], &place[..], words].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let wait = async {
        let mut look = interval(Duration::from_millis(50));
        while ask(&["dead"]).starts_with("no webhook") {
            look.tick().await;
        }
    };
    assert!(timeout(Duration::from_secs(10), wait).await.is_ok(), "it never is a dead letter");
    let dead = ask(&["dead"]);
    assert!(dead.contains("channel_occupied") && dead.contains("status 500"), "{dead}");
    let endpoint = dead.lines().nth(1).and_then(|line| line.split_whitespace().nth(2)).unwrap();
    let some = |words: &[&str]| {
        let output = folder.output(&[&["webhooks", "dead"], words, &place[..]].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(some(&["--endpoint", endpoint, "--limit", "1"]), dead, "flags may stand anywhere");
    assert!(some(&["--endpoint", "other"]).starts_with("no webhook"));
    let table = ask(&[]);
    assert!(table.contains(&receiver.url()) && table.contains("1 of 1"), "{table}");
    let json: Value = serde_json::from_str(&ask(&["--json"])).unwrap();
    assert_eq!((&json["endpoints"][0]["dead"], &json["endpoints"][0]["state"]), (&1.into(), &"idle".into()), "{json}");

    receiver.answers([Reply::status(200)]);
    let id = dead.lines().nth(1).and_then(|line| line.split(' ').next()).unwrap();
    assert_eq!(ask(&["replay", id]), "1 webhooks wait to be sent again\n");
    let requests = receiver.reaches(2).await;
    assert_eq!((&requests[0].head, &requests[0].body), (&requests[1].head, &requests[1].body));
    assert_eq!(ask(&["replay"]), "0 webhooks wait to be sent again\n");
    let refused = folder.output(&[&["webhooks"], &place[..], &["replay", "x"]].concat());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("an event's id is"), "{refused:?}");
    let unknown = folder.output(&[&["webhooks", "--app", "2"], &place[..]].concat());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no app of the configuration has the id"), "{unknown:?}");
}
