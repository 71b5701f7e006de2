//! Request signatures over HTTP (AUT); their forms are unit-tested in `protocol::request`.

use crate::support::{APP, KEY, SECRET, TestServer};
use fanfare::app::App;
use serde_json::json;

const PATH: &str = "/apps/3/events";
const BODY: &str = r#"{"name":"e","channel":"a","data":"x"}"#;

/// A query for `BODY` signed after `adjust` has changed it.
fn query(adjust: impl FnOnce(String) -> String) -> String {
    use md5::{Digest, Md5};
    let now = crate::support::now();
    let md5 = hex::encode(Md5::digest(BODY));
    let query = adjust(format!("auth_key={KEY}&auth_timestamp={now}&auth_version=1.0&body_md5={md5}"));
    let signature = crate::support::sign("POST", PATH, &query);
    format!("{query}&auth_signature={signature}")
}

#[tokio::test]
async fn each_fault_has_its_answer() {
    let server = TestServer::start();
    let mut http = server.http().await;
    let now = crate::support::now();
    let at = |time: u64| query(|q| q.replace(&now.to_string(), &time.to_string()));
    let without = |name: &'static str| {
        query(|q| q.split('&').filter(|pair| !pair.starts_with(name)).collect::<Vec<_>>().join("&"))
    };
    let good = query(|q| q);
    for (query, body, part) in [
        (without("auth_key"), BODY, "Missing parameter: auth_key"),
        (query(|q| q.replace(KEY, "other")), BODY, "Unknown auth_key"),
        (without("auth_version"), BODY, "Version required"),
        (query(|q| q.replace("1.0", "2.0")), BODY, "Version not supported"),
        (without("auth_timestamp"), BODY, "Timestamp required"),
        (at(now - 601), BODY, "Timestamp expired: Given timestamp ("),
        (at(now + 620), BODY, "Timestamp expired: Given timestamp ("),
        (without("body_md5"), BODY, "Missing parameter: body_md5"),
        (good.clone(), r#"{"name":"other","channel":"a","data":"x"}"#, "Invalid body_md5"),
        (good.split("&auth_signature").next().unwrap().to_owned(), BODY, "Missing parameter: auth_signature"),
        (
            good.replace("auth_signature=", "auth_signature=0"),
            BODY,
            r#"you should have sent HmacSHA256Hex("POST\n/apps/3/events\nauth_key="#,
        ),
        (String::new(), BODY, "Missing parameter: auth_key"),
    ] {
        http.request("POST", &format!("{PATH}?{query}"), body).await.expect_error(401, part);
    }
    server.has_counted(|metrics| &metrics.encodings_total, 0);
    http.request("POST", &format!("{PATH}?{}", at(now - 590)), BODY).await.expect(200, "{}");
    http.request("POST", &format!("/apps/nobody/events?{good}"), BODY).await.expect_error(404, "Unknown app_id");
    http.request("POST", &format!("/apps/%ff/events?{good}"), BODY).await.expect_error(404, "Unknown app_id");
}

#[tokio::test]
async fn one_apps_credentials_do_not_open_another() {
    let server = TestServer::with(|config| {
        config.apps.push(App::new("4", "other", "other"));
        let mut disabled = App::new("5", "disabled", SECRET);
        disabled.enabled = false;
        config.apps.push(disabled);
    });
    let mut http = server.http().await;
    http.signed("POST", "/apps/4/events", BODY).await.expect_error(401, "Unknown auth_key");
    let query = crate::support::signed("POST", "/apps/5/events", BODY);
    http.request("POST", &format!("/apps/5/events?{query}"), BODY).await.expect_error(401, "Unknown auth_key");
    let query = query.replace(KEY, "disabled");
    let (query, _) = query.split_once("&auth_signature").unwrap();
    let signature = crate::support::sign("POST", "/apps/5/events", query);
    let target = format!("/apps/5/events?{query}&auth_signature={signature}");
    http.request("POST", &target, BODY).await.expect_error(403, "Application disabled");
}

#[tokio::test]
async fn below_a_prefix_either_path_may_be_signed() {
    let server = TestServer::with(|config| config.server.path = "/ws".to_owned());
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let mut http = server.http().await;
    for signed in [PATH, "/ws/apps/3/events"] {
        for sent in [PATH, "/ws/apps/3/events"] {
            let query = crate::support::signed("POST", signed, BODY);
            http.request("POST", &format!("{sent}?{query}"), BODY).await.expect(200, "{}");
            assert_eq!(client.next().await["event"], "e");
        }
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = TestServer::start();
    let mut http = server.http().await;
    let body = json!({ "name": "e", "channel": "a", "data": "x" }).to_string();
    for n in 0..100 {
        let path = format!("/apps/{APP}/events");
        let answer = http.signed("POST", &path, if n % 2 == 0 { &body } else { "[]" }).await;
        assert_eq!(answer.status, if n % 2 == 0 { 200 } else { 400 });
    }
}
