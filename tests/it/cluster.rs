//! Several servers as one, over real sockets.

use crate::support::{APP, Client, Http, TestServer, data, eventually};
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

#[tokio::test]
async fn statistics_are_those_of_all_servers_and_of_each() {
    let servers = three();
    let mut clients = Vec::new();
    for server in &servers {
        clients.push(server.connect().await);
    }
    clients[0].subscribe("a").await;
    clients[1].subscribe("a").await;
    servers[0].publish("a", "e", "x").await;
    clients[1].next().await;
    let mut http = servers[2].http().await;
    let stats = async |http: &mut Http| -> Value {
        serde_json::from_str(&http.get(&format!("/apps/{APP}/stats"), "").await.body).unwrap()
    };
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    let mut found = stats(&mut http).await;
    while (&found["connections"], &found["events"]["deliveries"]["total"]) != (&json!(3), &json!(2)) {
        assert!(tokio::time::Instant::now() < deadline, "{found}");
        found = stats(&mut http).await;
    }
    assert_eq!([&found["channels"], &found["events"]["published"]["total"]], [&json!(1), &json!(1)]);
    let nodes = found["nodes"].as_array().unwrap();
    assert_eq!(nodes[0]["node"], servers[2].node.identity().id.to_string());
    let each = |what: fn(&Value) -> &Value| {
        let mut each: Vec<_> = nodes.iter().map(|node| what(node).as_u64().unwrap()).collect();
        each.sort_unstable();
        each
    };
    assert_eq!(each(|node| &node["connections"]), [1, 1, 1]);
    assert_eq!(each(|node| &node["channels"]), [0, 1, 1]);
    assert_eq!(each(|node| &node["events"]["published"]["total"]), [0, 0, 1]);
}

#[tokio::test]
async fn servers_know_each_other_and_whether_they_are_ready() {
    let bus = Bus::default();
    let ((one, link), two) = (TestServer::linked(&bus), TestServer::of(&bus));
    let mut http = one.http().await;
    eventually("they know each other", || one.node.nodes().iter().filter(|node| node.is_known).count() == 2).await;
    eventually("it has introduced itself", || one.node.nodes()[1].about.is_some()).await;
    let answer = http.get(&format!("/apps/{APP}/nodes"), "").await;
    let found: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!([&found["bus"]["kind"], &found["bus"]["link"]], [&json!("memory"), &json!("up")]);
    let ids = [&one, &two].map(|server| json!(server.node.identity().id.to_string()));
    assert_eq!([&found["nodes"][0]["node"], &found["nodes"][1]["node"]], [&ids[0], &ids[1]]);
    assert_eq!([&found["nodes"][0]["here"], &found["nodes"][1]["state"]], [&json!(true), &json!("known")]);
    assert!(found["nodes"][1]["name"].as_str().unwrap().ends_with(&format!(":{}", two.address.port())), "{found}");
    http.request("GET", "/ready", "").await.expect(200, r#"{"ready":true}"#);
    link.cut();
    eventually("the link is down", || one.node.link().is_some_and(|link| !link.is_up)).await;
    let refused = http.request("GET", "/ready", "").await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("the link to the bus (memory) is down"), "{}", refused.body);
    link.mend();
    eventually("the link is up", || one.node.link().is_some_and(|link| link.is_up)).await;
    http.request("GET", "/ready", "").await.expect(200, r#"{"ready":true}"#);
}
