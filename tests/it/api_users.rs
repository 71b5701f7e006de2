//! Signed-in users over HTTP: who is there, and ending their connections (spec 4.4, 5.8).

use crate::support::{APP, Client, TestServer, auth, eventually};
use fanfare::app::App;
use serde_json::{Value, json};

async fn sign_in(client: &mut Client, id: &str) {
    let user_data = json!({ "id": id }).to_string();
    let auth = auth(&[&client.socket_id, "::user::", &user_data]);
    let answer =
        client.ask(&json!({ "event": "pusher:signin", "data": { "auth": auth, "user_data": user_data } })).await;
    assert_eq!(answer["event"], "pusher:signin_success", "{answer}");
}

#[tokio::test]
async fn a_user_is_there_while_a_connection_is_signed_in() {
    let server = TestServer::start();
    let mut http = server.http().await;
    let path = format!("/apps/{APP}/users/u@1");
    let nobody = r#"{"connected":false,"connections":0,"since":null}"#;
    http.get(&path, "").await.expect(200, nobody);
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    for client in [&mut one, &mut two] {
        sign_in(client, "u@1").await;
    }
    let answer: Value = serde_json::from_str(&http.get(&path, "").await.body).unwrap();
    assert_eq!((&answer["connected"], &answer["connections"]), (&json!(true), &json!(2)));
    let since = humantime::parse_rfc3339(answer["since"].as_str().unwrap()).unwrap();
    assert!(since.elapsed().unwrap().as_secs() < 10, "{answer}");
    for client in [one, two] {
        client.close().await;
    }
    eventually("both are gone", || server.connections() == 0).await;
    http.get(&path, "").await.expect(200, nobody);
}

#[tokio::test]
async fn a_users_connections_are_listed_and_users_are_counted() {
    let server = TestServer::alone("a node lists and adds up its own connections", |_| {});
    let mut http = server.http().await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    for client in [&mut one, &mut two] {
        sign_in(client, "u@1").await;
    }
    let connections = format!("/apps/{APP}/connections");
    let listed: Value = serde_json::from_str(&http.get(&connections, "user=u@1&limit=1").await.body).unwrap();
    assert_eq!((&listed["connections"], &listed["page"][0]["user_id"]), (&json!(2), &json!("u@1")));
    assert_eq!(listed["cursor"], listed["page"][0]["socket_id"]);
    let stats: Value = serde_json::from_str(&http.get(&format!("/apps/{APP}/stats"), "").await.body).unwrap();
    assert_eq!((&stats["users"], &stats["connections"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn only_signed_in_connections_of_the_user_are_ended() {
    let server = TestServer::start();
    let (mut signed_in, mut other, mut member) =
        (server.connect().await, server.connect().await, server.connect().await);
    sign_in(&mut signed_in, "u@1").await;
    sign_in(&mut other, "2").await;
    member.join("presence-room", r#"{"user_id":"u@1"}"#).await;
    let mut http = server.http().await;
    http.post(&format!("/apps/{APP}/users/u%401/terminate_connections"), "", "{}").await.expect(200, "{}");
    assert_eq!(signed_in.closed().await.0, 4009);
    other.hears_nothing().await;
    member.hears_nothing().await;
}

/// The body means nothing, and an unknown user is no error (H7, 4.4).
#[tokio::test]
async fn any_body_will_do() {
    let server = TestServer::start();
    let mut http = server.http().await;
    for body in [&b""[..], b"{}", b"null", b"not json", b"\xff"] {
        http.post(&format!("/apps/{APP}/users/nobody/terminate_connections"), "", body).await.expect(200, "{}");
    }
    http.post(&format!("/apps/{APP}/users/%ff/terminate_connections"), "", "").await.expect_error(400, "must be UTF-8");
}

/// Python leaves the app out of the path (H11).
#[tokio::test]
async fn the_key_tells_the_app_where_the_path_does_not() {
    let server = TestServer::with(|config| config.apps.push(App::new("4", "other", "other")));
    let mut client = server.connect().await;
    sign_in(&mut client, "1").await;
    let mut http = server.http().await;
    let path = "/users/1/terminate_connections";
    http.request("POST", path, "").await.expect_error(401, "Missing parameter: auth_key");
    http.request("POST", &format!("{path}?auth_key=nobodys"), "").await.expect_error(401, "Unknown auth_key: nobodys");
    let forged = crate::support::signed("POST", path, "").replace(crate::support::KEY, "other");
    http.request("POST", &format!("{path}?{forged}"), "").await.expect_error(401, "Invalid signature");
    client.hears_nothing().await;
    http.post(path, "", "{}").await.expect(200, "{}");
    assert_eq!(client.closed().await.0, 4009);
}
