//! The configuration, read again while the server runs.

use super::{env, place, serve};
use crate::binary::{Folder, Running};
use crate::support::{Client, PATIENCE, connect, eventually};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::timeout;

/// A config file with these apps, each with its settings.
fn apps(apps: &[(&str, &str)]) -> String {
    let app = |(id, more): &(&str, &str)| {
        format!("[[apps]]\nid = \"{id}\"\nkey = \"{id}-key\"\nsecret = \"{id}-secret\"\n{more}\n")
    };
    apps.iter().map(app).collect()
}

/// The server of the config file, with its log in a file.
fn start(folder: &Folder, apps: &str) -> Running {
    folder.write("fanfare.toml", apps);
    let args = ["serve", "--host", "127.0.0.1", "--port", "0", "--config", "fanfare.toml", "--drain-delay", "0"];
    let mut command = folder.fanfare(&args);
    command.stderr(folder.create("log"));
    Running::start(command)
}

/// Waits until the log says `what` the given number of times.
async fn logged(folder: &Folder, what: &str, count: usize) {
    eventually(what, || folder.read("log").matches(what).count() >= count).await;
}

async fn client(server: &Running, key: &str) -> Client {
    Client::connect(place(server), &format!("/app/{key}?protocol=7")).await
}

/// The code with which a client of this key is refused.
async fn refused(server: &Running, key: &str) -> u16 {
    Client::open(place(server), &format!("/app/{key}?protocol=7")).await.closed().await.0
}

#[tokio::test]
async fn apps_come_change_and_go_and_nobody_else_is_disconnected() {
    let folder = Folder::new("");
    let server = start(&folder, &apps(&[("a", ""), ("b", ""), ("c", "")]));
    let mut stays = client(&server, "a-key").await;
    stays.subscribe("public").await;
    let (mut goes, mut disabled) = (client(&server, "b-key").await, client(&server, "c-key").await);
    assert_eq!(refused(&server, "d-key").await, 4001);
    let changed = apps(&[
        ("a", "client_events = \"none\"\nlimits = { max_channels_per_connection = 1 }"),
        ("c", "enabled = false"),
        ("d", ""),
    ]);
    folder.write("fanfare.toml", &changed);
    assert_eq!(goes.closed().await.0, 4001);
    assert_eq!(disabled.closed().await.0, 4003);
    client(&server, "d-key").await.subscribe("public").await;
    assert_eq!((refused(&server, "b-key").await, refused(&server, "c-key").await), (4001, 4003));
    // What is allowed changes for those who are there too.
    stays.send(&json!({ "event": "pusher:subscribe", "data": { "channel": "other" } })).await;
    assert_eq!(stays.refused("other").await["error"], "This connection is already subscribed to 1 channels, its limit");
    logged(&folder, r#"added="d" changed="a, c" removed="b""#, 1).await;
    // And back again.
    folder.write("fanfare.toml", &apps(&[("a", ""), ("b", ""), ("c", "")]));
    server.signal("-HUP");
    logged(&folder, r#"added="b" changed="a, c" removed="d""#, 1).await;
    client(&server, "b-key").await.subscribe("public").await;
    client(&server, "c-key").await.subscribe("public").await;
    stays.hears_nothing().await;
}

#[tokio::test]
async fn a_mistake_leaves_everything_as_it_was() {
    let folder = Folder::new("");
    let good = apps(&[("a", "")]);
    let server = start(&folder, &good);
    let mut stays = client(&server, "a-key").await;
    folder.write("fanfare.toml", &format!("{good}enabeld = false\n"));
    server.signal("-HUP");
    logged(&folder, "the configuration stays as it was: apps[0].enabeld is not a setting", 1).await;
    folder.write("fanfare.toml", &format!("[server]\nheader_timeout_secs = 7\n{good}"));
    server.signal("-HUP");
    logged(&folder, "server.header_timeout_secs is configured in another way now: restart the server for it", 1).await;
    stays.hears_nothing().await;
    client(&server, "a-key").await.hears_nothing().await;
    assert!(!folder.read("log").contains("a-secret"));
}

/// Whoever deploys may take the file away before putting the next one there, or write it bit by bit.
#[tokio::test]
async fn a_file_that_is_gone_is_no_reason_to_send_clients_away() {
    let folder = Folder::new(&env(""));
    let server = start(&folder, &apps(&[("a", "")]));
    let mut stays = connect(place(&server).into()).await;
    let dotenv = folder.read(".env");
    std::fs::remove_file(folder.path(".env")).unwrap();
    logged(&folder, ".env is gone: put it back", 1).await;
    server.signal("-HUP");
    logged(&folder, ".env is gone: put it back", 2).await;
    folder.write(".env", &dotenv);
    server.signal("-HUP");
    logged(&folder, "configuration read again added=\"\" changed=\"\" removed=\"\"", 1).await;
    stays.hears_nothing().await;
}

#[tokio::test]
async fn a_signal_right_after_the_start_is_no_end() {
    let folder = Folder::new("");
    for _ in 0..10 {
        let mut server = start(&folder, &apps(&[("a", "")]));
        server.signal("-HUP");
        server.signal("-TERM");
        assert_eq!(server.ended().0.code(), Some(0));
    }
}

/// The keys of an app are rotated: clients and back ends move from one to the other without a pause.
#[tokio::test]
async fn a_key_is_added_and_the_old_one_removed() {
    let folder = Folder::new("");
    let server = start(&folder, &apps(&[("a", "")]));
    let mut stays = client(&server, "a-key").await;
    let both = apps(&[("a", "keys = [{ key = \"next-key\", secret = \"next-secret\" }]")]);
    folder.write("fanfare.toml", &both);
    server.signal("-HUP");
    // It may be read twice, because it has changed and because of the signal.
    logged(&folder, r#"changed="a""#, 1).await;
    client(&server, "next-key").await.hears_nothing().await;
    client(&server, "a-key").await.hears_nothing().await;
    folder.write(
        "fanfare.toml",
        &both
            .replace("a-key", "next-key")
            .replace("a-secret", "next-secret")
            .replace("keys = [{ key = \"next-key\", secret = \"next-secret\" }]", ""),
    );
    server.signal("-HUP");
    logged(&folder, r#"changed="a""#, 2).await;
    assert_eq!(refused(&server, "a-key").await, 4001);
    client(&server, "next-key").await.hears_nothing().await;
    stays.hears_nothing().await;
}

/// Clients that hold connections, come and go, and are published to while the configuration is read again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_is_lost_while_it_is_read_under_load() {
    let folder = Folder::new(&env(""));
    let server = serve(
        &folder,
        &["--config", &{
            folder.write("fanfare.toml", "");
            "fanfare.toml".to_owned()
        }],
    );
    let place = place(&server);
    let mut stays = Vec::new();
    for _ in 0..200 {
        let mut client = connect(place.into()).await;
        client.subscribe("a").await;
        stays.push(client);
    }
    let done = Arc::new(AtomicBool::new(false));
    let visitor = |done: Arc<AtomicBool>| async move {
        let mut visits = 0;
        while !done.load(Ordering::Relaxed) {
            let mut client = connect(place.into()).await;
            client.subscribe("b").await;
            assert_eq!(super::publish(place, "b").await, 200);
            assert_eq!(client.next().await["event"], "e");
            visits += 1;
        }
        visits
    };
    let visitors: Vec<_> = (0..1).map(|_| tokio::spawn(visitor(done.clone()))).collect();
    for n in 0..20 {
        folder.write(
            "fanfare.toml",
            &format!("[limits]\nmax_batch_events = {}\n{}", n + 1, apps(&[(&format!("new-{n}"), "")])),
        );
        server.signal("-HUP");
        let path = format!("/app/new-{n}-key?protocol=7");
        let there = async { while !Client::open(place, &path).await.message().await.is_text() {} };
        timeout(PATIENCE, there).await.expect("a new app is there");
    }
    done.store(true, Ordering::Relaxed);
    for visitor in visitors {
        assert!(visitor.await.unwrap() > 0);
    }
    assert_eq!(super::publish(place, "a").await, 200);
    for client in &mut stays {
        assert_eq!(client.next().await["event"], "e");
    }
}
