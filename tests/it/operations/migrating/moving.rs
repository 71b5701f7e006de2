//! Several servers, the way without an interruption, and the way back.

use super::super::check::setting;
use super::super::{env, free_port, place, publish, serve};
use super::{is_well, local, serves, settings};
use crate::binary::{Folder, Running};
use crate::support::{Client, KEY};
use serde_json::json;
use std::fs;
use std::net::TcpListener;

#[test]
fn the_bus_stays_under_another_name() {
    let scaled =
        |more: &str| settings(&env(&format!("REVERB_SCALING_ENABLED=true\nREDIS_HOST=redis.test\n{more}")), &[]);
    let report = scaled("");
    assert_eq!(setting(&report, "cluster.bus").0, "redis");
    assert_eq!(setting(&report, "redis.urls").0.to_string().matches("redis.test").count(), 1);
    assert_eq!(setting(&report, "cluster.prefix").0, "fanfare");
    assert_eq!(setting(&scaled("REVERB_SCALING_CHANNEL=mine\n"), "cluster.prefix").0, "mine");
}

#[tokio::test]
async fn it_starts_beside_the_old_server_on_another_port() {
    // Whatever listens there speaks no HTTP and shares its port with nobody.
    let old = TcpListener::bind("127.0.0.1:0").unwrap();
    let [taken, port] = [old.local_addr().unwrap().port(), free_port()].map(|port| port.to_string());
    let folder = Folder::new(&env(&format!("BROADCAST_CONNECTION=reverb\nREVERB_SERVER_PORT={taken}\n")));
    for args in [&["serve", "--host", "127.0.0.1"][..], &["serve", "--host", "127.0.0.1", "--reuse-port"]] {
        let output = folder.output(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && error.contains("another process listens there"), "{error}");
    }
    let _new = Running::start(folder.fanfare(&["serve", "--host", "127.0.0.1", "--port", &port]));
    serves(local(port.parse().unwrap()), "").await;
    is_well(&folder, &["--port", &port, &format!("http://127.0.0.1:{port}")]);
}

#[tokio::test]
async fn two_without_a_bus_do_not_hear_each_other() {
    let folder = Folder::new(&env(""));
    let [old, new] = [serve(&folder, &[]), serve(&folder, &[])];
    let mut page = Client::connect(place(&old), &format!("/app/{KEY}?protocol=7")).await;
    page.subscribe("private-a").await;
    assert_eq!(publish(place(&new), "private-a").await, 200);
    page.hears_nothing().await;
    assert_eq!(publish(place(&old), "private-a").await, 200);
    assert_eq!(page.next().await["channel"], "private-a");
}

#[tokio::test]
async fn nothing_is_left_for_the_way_back() {
    let files = |folder: &Folder| {
        let mut names: Vec<_> = fs::read_dir(folder.name()).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    for (hooks, expect) in [
        ("", &[".env"][..]),
        (
            "FANFARE__FEATURES__PRIVATE_WEBHOOK_TARGETS=true\n\
             FANFARE__WEBHOOKS__ENDPOINTS='[{\"url\":\"http://127.0.0.1:9/\"}]'\n",
            &[".env", "fanfare-webhooks.journal", "fanfare-webhooks.journal.lock"],
        ),
    ] {
        let written = env(hooks);
        let folder = Folder::new(&written);
        let mut server = serve(&folder, &["--drain-delay", "0", "--drain-window", "0"]);
        let mut page = Client::connect(place(&server), &format!("/app/{KEY}?protocol=7")).await;
        page.subscribe("private-a").await;
        drop(page);
        server.signal("-TERM");
        assert_eq!(server.ended().0.code(), Some(0));
        assert_eq!(
            (json!(files(&folder).iter().map(|name| name.to_str()).collect::<Vec<_>>()), folder.read(".env")),
            (json!(expect), written)
        );
    }
}
