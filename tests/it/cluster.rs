//! Several servers as one, over real sockets, where it matters which is which.

use crate::support::{APP, Client, Http, PATIENCE, TestServer, auth, connect, data, eventually};
use fanfare::protocol::ChannelName;
use serde_json::{Value, json};

async fn member(server: &TestServer, n: usize, id: &str) -> (Client, Value) {
    let mut client = connect(server.at(n)).await;
    let roster = client.join("presence-a", &json!({ "user_id": id }).to_string()).await;
    (client, roster)
}

/// Members and subscribers, as a node knows them.
fn counts(server: &TestServer, n: usize) -> (usize, usize) {
    let channel = ChannelName::parse("presence-a", 164).unwrap();
    let node = server.node(n);
    let counts = node.counts(&node.app(APP).unwrap(), &channel);
    (counts.users, counts.subscriptions)
}

#[tokio::test]
async fn an_event_reaches_subscribers_of_every_node_but_its_sender() {
    let server = TestServer::three();
    let mut clients = Vec::new();
    for n in 0..3 {
        let mut client = connect(server.at(n)).await;
        client.subscribe("a").await;
        clients.push(client);
    }
    let except = &clients[2].socket_id;
    let body = json!({ "name": "e", "channel": "a", "data": "x", "socket_id": except });
    Http::connect(server.at(0)).await.trigger(&body).await.expect(200, "{}");
    let body = json!({ "name": "last", "channel": "a", "data": "x" });
    Http::connect(server.at(1)).await.trigger(&body).await.expect(200, "{}");
    for (n, client) in clients.iter_mut().enumerate() {
        if n < 2 {
            assert_eq!(client.next().await["event"], "e");
        }
        assert_eq!(client.next().await["event"], "last");
        client.hears_nothing().await;
    }
}

#[tokio::test]
async fn rosters_members_and_counts_are_those_of_every_node() {
    let server = TestServer::three();
    let (mut ann, _) = member(&server, 0, "ann").await;
    eventually("ann is known", || counts(&server, 1) == (1, 1)).await;
    let (bob, roster) = member(&server, 1, "bob").await;
    assert_eq!(data(&roster)["presence"]["ids"], json!(["ann", "bob"]));
    assert_eq!(data(&ann.next().await)["user_id"], "bob");
    eventually("the third knows both", || counts(&server, 2) == (2, 2)).await;
    bob.close().await;
    assert_eq!(ann.next().await["event"], "pusher_internal:member_removed");
}

#[tokio::test]
async fn a_user_is_terminated_on_every_node() {
    let server = TestServer::three();
    let mut client = connect(server.at(1)).await;
    let user_data = r#"{"id":"1"}"#;
    let auth = auth(&[&client.socket_id, "::user::", user_data]);
    let signin = json!({ "event": "pusher:signin", "data": { "auth": auth, "user_data": user_data } });
    assert_eq!(client.ask(&signin).await["event"], "pusher:signin_success");
    let path = format!("/apps/{APP}/users/1/terminate_connections");
    Http::connect(server.at(0)).await.post(&path, "", "{}").await.expect(200, "{}");
    assert_eq!(client.closed().await.0, 4009);
}

#[tokio::test]
async fn statistics_are_those_of_all_nodes_and_of_each() {
    let server = TestServer::three();
    let mut clients = [connect(server.at(0)).await, connect(server.at(1)).await, connect(server.at(2)).await];
    clients[0].subscribe("a").await;
    clients[1].subscribe("a").await;
    let body = json!({ "name": "e", "channel": "a", "data": "x" });
    Http::connect(server.at(0)).await.trigger(&body).await.expect(200, "{}");
    clients[1].next().await;
    let mut http = Http::connect(server.at(2)).await;
    let stats = async |http: &mut Http| -> Value {
        serde_json::from_str(&http.get(&format!("/apps/{APP}/stats"), "").await.body).unwrap()
    };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut found = stats(&mut http).await;
    while (&found["connections"], &found["events"]["deliveries"]["total"]) != (&json!(3), &json!(2)) {
        assert!(tokio::time::Instant::now() < deadline, "{found}");
        found = stats(&mut http).await;
    }
    assert_eq!([&found["channels"], &found["events"]["published"]["total"]], [&json!(1), &json!(1)]);
    let nodes = found["nodes"].as_array().unwrap();
    assert_eq!(nodes[0]["node"], server.node(2).identity().id.to_string());
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
async fn nodes_know_each_other_and_whether_they_are_ready() {
    let (server, link) = TestServer::linked();
    let one = server.node(0);
    let mut http = Http::connect(server.at(0)).await;
    eventually("they know each other", || one.nodes().iter().filter(|node| node.is_known).count() == 3).await;
    eventually("all have introduced themselves", || one.nodes().iter().all(|node| node.about.is_some())).await;
    let answer = http.get(&format!("/apps/{APP}/nodes"), "").await;
    let found: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!([&found["bus"]["kind"], &found["bus"]["link"]], [&json!("memory"), &json!("up")]);
    let nodes = found["nodes"].as_array().unwrap();
    assert_eq!((nodes.len(), &nodes[0]["here"]), (3, &json!(true)));
    assert_eq!(nodes[0]["node"], one.identity().id.to_string());
    for n in 1..3 {
        let id = json!(server.node(n).identity().id.to_string());
        let node = nodes.iter().find(|node| node["node"] == id).unwrap();
        assert_eq!(node["state"], "known");
        assert!(node["name"].as_str().unwrap().ends_with(&format!(":{}", server.at(n).address.port())), "{found}");
    }
    http.request("GET", "/ready", "").await.expect(200, r#"{"ready":true}"#);
    link.cut();
    eventually("the link is down", || one.link().is_some_and(|link| !link.is_up)).await;
    // Not through a connection that waits for the nodes to agree.
    let mut http = Http::connect(server.at(0).address).await;
    let refused = http.request("GET", "/ready", "").await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("the link to the bus (memory) is down"), "{}", refused.body);
    link.mend();
    eventually("the link is up", || one.link().is_some_and(|link| link.is_up)).await;
    http.request("GET", "/ready", "").await.expect(200, r#"{"ready":true}"#);
}

/// The others hear nothing of a crash but silence, and take it for one after some seconds.
#[tokio::test]
async fn members_of_a_node_that_crashes_leave() {
    let mut server = TestServer::three();
    let (mut ann, _) = member(&server, 0, "ann").await;
    let (_tab, _) = member(&server, 1, "bob").await;
    let (_bob, _) = member(&server, 2, "bob").await;
    let (_cid, _) = member(&server, 2, "cid").await;
    for id in ["bob", "cid"] {
        assert_eq!(data(&ann.next().await)["user_id"], id);
    }
    server.kill(2);
    let removed = ann.next().await;
    assert_eq!(
        (&removed["event"], data(&removed)),
        (&json!("pusher_internal:member_removed"), json!({ "user_id": "cid" }))
    );
    eventually("only bob's other tab is left", || (0..2).all(|n| counts(&server, n) == (2, 2))).await;
    ann.hears_nothing().await;
}
