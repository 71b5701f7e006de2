//! Several servers as one, over real sockets.

use crate::support::{APP, Client, TestServer, data, eventually};
use fanfare::broker::memory::Bus;
use fanfare::protocol::{ChannelName, UserId};
use serde_json::{Value, json};

fn three() -> [TestServer; 3] {
    let bus = Bus::default();
    [0; 3].map(|_| TestServer::of(&bus))
}

async fn member(server: &TestServer, id: &str) -> (Client, Value) {
    let mut client = server.connect().await;
    let roster = client.join("presence-a", &json!({ "user_id": id }).to_string()).await;
    (client, roster)
}

/// Members and subscribers, as a server knows them.
fn counts(server: &TestServer) -> (usize, usize) {
    let channel = ChannelName::parse("presence-a", 164).unwrap();
    let counts = server.node.counts(server.node.app(APP).unwrap(), &channel);
    (counts.users, counts.subscriptions)
}

#[tokio::test]
async fn an_event_reaches_subscribers_of_every_server_but_its_sender() {
    let servers = three();
    let mut clients = Vec::new();
    for server in &servers {
        let mut client = server.connect().await;
        client.subscribe("a").await;
        clients.push(client);
    }
    let except = clients[2].socket_id.clone();
    let body = json!({ "name": "e", "channel": "a", "data": "x", "socket_id": except });
    servers[0].http().await.trigger(&body).await.expect(200, "{}");
    servers[1].publish("a", "last", "x").await;
    for (n, client) in clients.iter_mut().enumerate() {
        let mut heard = vec![client.next().await["event"].clone()];
        if n < 2 {
            heard.push(client.next().await["event"].clone());
        }
        heard.sort_by_key(Value::to_string);
        assert_eq!(heard, if n < 2 { vec![json!("e"), json!("last")] } else { vec![json!("last")] });
    }
}

#[tokio::test]
async fn rosters_members_and_counts_are_those_of_every_server() {
    let servers = three();
    let (mut ann, _) = member(&servers[0], "ann").await;
    eventually("ann is known", || counts(&servers[1]) == (1, 1)).await;
    let (bob, roster) = member(&servers[1], "bob").await;
    assert_eq!(data(&roster)["presence"]["ids"], json!(["ann", "bob"]));
    assert_eq!(data(&ann.next().await)["user_id"], "bob");
    eventually("the third knows both", || counts(&servers[2]) == (2, 2)).await;
    bob.close().await;
    assert_eq!(ann.next().await["event"], "pusher_internal:member_removed");
}

#[tokio::test]
async fn a_user_is_terminated_on_every_server() {
    let servers = three();
    let mut client = servers[1].connect().await;
    let user_data = r#"{"id":"1"}"#;
    let auth = crate::support::auth(&[&client.socket_id, "::user::", user_data]);
    let signin = json!({ "event": "pusher:signin", "data": { "auth": auth, "user_data": user_data } });
    assert_eq!(client.ask(&signin).await["event"], "pusher:signin_success");
    let app = servers[0].node.app(APP).unwrap();
    servers[0].node.terminate_user(app, &UserId::new("1"));
    assert_eq!(client.closed().await.0, 4009);
}
