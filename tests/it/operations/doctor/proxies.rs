//! What is wrong between clients and the server.

use super::proxy::{Proxy, Rules};
use super::{Found, env};
use crate::binary::Folder;
use crate::operations::cli::{APP, Site};
use crate::operations::free_port;
use std::time::{Duration, SystemTime};

/// What is found at `{url}` behind a proxy with these rules.
async fn behind(site: &Site, rules: Rules, path: &str) -> Found {
    let proxy = Proxy::start(&site.port, rules).await;
    let port = proxy.port();
    let env = env(&site.port, &port);
    let place = format!("http://127.0.0.1:{port}{path}");
    let args: Vec<&str> = if path.is_empty() { Vec::new() } else { vec![&place] };
    tokio::task::block_in_place(|| Found::with(&env, &args))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_does_no_harm() {
    let site = Site::start("");
    behind(&site, Rules::default(), "").await.is_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prefix_is_taken_away() {
    let rules = Rules { path: Some(|path| path.strip_prefix("/ws").map(str::to_owned)), ..Rules::default() };
    let site = Site::start("");
    let found = behind(&site, rules.clone(), "/ws").await;
    found.is_wrong("prefix", &["takes /ws away", "REVERB_SERVER_PATH=/ws"]);
    // A server that knows it is reached all the same.
    let site = Site::start("REVERB_SERVER_PATH=/ws\n");
    behind(&site, rules, "/ws").await.is_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prefix_is_not_known() {
    let site = Site::start("");
    let found = behind(&site, Rules::default(), "/ws").await;
    let wrong = found.all("wrong");
    assert!(
        wrong.iter().all(|(check, _)| check == "prefix") && wrong[0].1.contains("REVERB_SERVER_PATH=/ws"),
        "{wrong:?}"
    );
    let changed = env(&site.port, &site.port) + "REVERB_SERVER_PATH=/ws\n";
    Found::with(&changed, &[]).is_wrong("prefix", &["started with another path prefix", "start it again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_app_is_proxied() {
    let rules = Rules { path: Some(|path| path.starts_with("/app/").then(|| path.to_owned())), ..Rules::default() };
    let found = behind(&Site::start(""), rules, "").await;
    found.is_wrong("apps-route", &["/apps does not come to this server: 404", "location /"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_apps_is_proxied() {
    let rules = Rules { path: Some(|path| path.starts_with("/apps/").then(|| path.to_owned())), ..Rules::default() };
    let found = behind(&Site::start(""), rules, "").await;
    found.is_wrong("app-route", &["/app does not come to this server: 404", "location /"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_loses_its_headers() {
    let rules = Rules { drops_upgrade: true, ..Rules::default() };
    behind(&Site::start(""), rules, "").await.is_wrong("upgrade", &["426", "proxy_set_header Upgrade"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clocks_differ() {
    let date = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(7200));
    let found = behind(&Site::start(""), Rules { date: Some(date), ..Rules::default() }, "").await;
    found.is_wrong("clock", &["the clocks differ by 2h", "600 s", "NTP"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_sent_elsewhere() {
    let rules = Rules { location: Some("https://ws.a.test"), ..Rules::default() };
    let found = behind(&Site::start(""), rules, "").await;
    found.is_wrong(
        "redirect",
        &["301", "https://ws.a.test/apps/1/channels", "set REVERB_SCHEME=https and REVERB_PORT=443"],
    );
    assert!(!found.json.to_string().contains("auth_signature"), "{:#}", found.json);
    let rules = Rules { location: Some("http://b.test:81"), ..Rules::default() };
    behind(&Site::start(""), rules, "").await.is_wrong("redirect", &["http://b.test:81/apps", "REVERB_HOST"]);
}

/// What the server says of itself is told, whether the proxy hands the question on or not.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_not_ready() {
    let lost = format!("REVERB_SCALING_ENABLED=true\nREDIS_HOST=127.0.0.1\nREDIS_PORT={}\n", free_port());
    let parts = ["the link to the bus (redis) is down", "REDIS_PORT", "/ready"];
    let site = Site::start(&lost);
    behind(&site, Rules::default(), "").await.is_wrong("ready", &parts);
    let hidden = Rules { path: Some(|path| (path != "/ready").then(|| path.to_owned())), ..Rules::default() };
    behind(&site, hidden.clone(), "").await.is_wrong("ready", &parts);
    // A server that is well is not blamed for a proxy of few words.
    behind(&Site::start(""), hidden, "").await.is_well();
    let site = Site::start(&format!("{lost}REVERB_SERVER_PATH=/ws\n"));
    behind(&site, Rules::default(), "/ws").await.is_wrong("ready", &["/ws/ready", "down"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_behind_the_proxy() {
    let site = Site::start("");
    let proxy = Proxy::start("1", Rules::default()).await;
    let env = env(&site.port, &proxy.port());
    let found = tokio::task::block_in_place(|| Found::with(&env, &[]));
    let checks: Vec<_> = found.all("wrong").into_iter().map(|(check, _)| check).collect();
    assert_eq!(checks[0], "proxy", "{:#}", found.json);
}

#[test]
fn nothing_listens_where_the_app_looks() {
    let site = Site::start("");
    Found::with(&env(&site.port, "1"), &[]).is_wrong("reach", &["cannot connect to 127.0.0.1:1", "REVERB_PORT"]);
}

/// What a load balancer begins connections with.
#[test]
fn the_server_wants_a_header_of_the_proxy_protocol() {
    let behind = |trusted: &str| {
        let folder = Folder::new(APP);
        folder.write("fanfare.toml", &format!("[server]\nproxy_protocol = true\n{trusted}\n"));
        Site::at(folder, &["--config", "fanfare.toml"])
    };
    let found = |site: &Site| Found::of(site.output(&["doctor", "--json", "--config", "fanfare.toml"]));
    let site = behind("");
    found(&site).is_well();
    let direct = env(&site.port, &site.port);
    site.folder.write(".env", &direct);
    let direct = found(&site);
    direct.is_wrong("proxy-protocol", &["the server itself", "REVERB_HOST"]);
    let site = behind("trusted_proxies = [\"10.0.0.0/8\"]");
    found(&site).is_wrong("proxy-protocol", &["127.0.0.1, this machine, is none of them", "trusted_proxies"]);
}

#[test]
fn the_server_is_not_running() {
    let Site { server, port, .. } = Site::start("");
    drop(server);
    Found::with(&env(&port, &port), &[]).is_wrong("port", &["nothing listens", "fanfare serve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_has_the_port() {
    for (answer, part) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"health\":\"OK\"}", "Laravel Reverb"),
        ("HTTP/1.1 404 Not Found\r\nServer: nginx/1.2\r\nContent-Length: 0\r\n\r\n", "nginx/1.2 answers"),
        ("SSH-2.0-x\r\n", "does not answer as a server of HTTP does"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let other = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut some = [0; 4096];
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut some).await;
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
            }
        });
        let found = tokio::task::block_in_place(|| Found::with(&env(&port, &port), &[]));
        found.is_wrong("port", &[part]);
        other.abort();
    }
}

#[test]
fn no_tls_is_spoken_there() {
    let site = Site::start("");
    let env = env(&site.port, &site.port).replace("SCHEME=http", "SCHEME=https");
    Found::at(&Folder::new(&env), &[]).is_wrong("tls", &["no TLS is spoken there", "REVERB_SCHEME=http"]);
}
