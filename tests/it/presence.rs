//! Presence channels (PRE).

use crate::support::{APP, Client, TestServer, auth};
use fanfare::node::Node;
use fanfare::protocol::ChannelName;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn data(frame: &Value) -> Value {
    serde_json::from_str(frame["data"].as_str().unwrap()).unwrap()
}

async fn presence(client: &mut Client, channel_data: &str) -> Value {
    let frame = client.join("presence-room", channel_data).await;
    assert_eq!(frame["event"], "pusher_internal:subscription_succeeded", "{frame}");
    data(&frame)["presence"].clone()
}

#[tokio::test]
async fn rosters_and_deltas() {
    let server = TestServer::start();
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    assert_eq!(
        presence(&mut ann, r#"{"user_id":"1","user_info":{"name":"Ann"}}"#).await,
        json!({ "count": 1, "ids": ["1"], "hash": { "1": { "name": "Ann" } } })
    );
    assert_eq!(
        presence(&mut bob, r#"{ "user_id" : 10 }"#).await,
        json!({ "count": 2, "ids": ["1", "10"], "hash": { "1": { "name": "Ann" }, "10": {} } })
    );
    let added = ann.next().await;
    assert_eq!((&added["event"], &added["channel"]), (&json!("pusher_internal:member_added"), &json!("presence-room")));
    assert_eq!(data(&added), json!({ "user_id": "10", "user_info": {} }));

    let mut tab = server.connect().await;
    assert_eq!(presence(&mut tab, r#"{"user_id":"10","user_info":true}"#).await["count"], 2);
    bob.lose().await;
    crate::support::eventually("the first tab is gone", || server.connections() == 2).await;
    ann.hears_nothing().await;
    tab.unsubscribe("presence-room").await;
    let removed = ann.next().await;
    assert_eq!(removed["event"], "pusher_internal:member_removed");
    assert_eq!(data(&removed), json!({ "user_id": "10" }));
    ann.hears_nothing().await;
}

#[tokio::test]
async fn user_info_may_be_anything_small() {
    let server = TestServer::with_limits(|limits| limits.max_user_info_bytes = 10);
    let mut client = server.connect().await;
    assert_eq!(presence(&mut client, r#"{"user_id":"1","user_info":true}"#).await["hash"], json!({ "1": true }));
    let mut other = server.connect().await;
    let big = r#"{"user_id":"2","user_info":"345678901"}"#;
    let sign = auth(&[&other.socket_id, ":presence-room:", big]);
    let ask = json!({ "channel": "presence-room", "auth": sign, "channel_data": big });
    other.send(&json!({ "event": "pusher:subscribe", "data": ask })).await;
    let refusal = other.refused("presence-room").await;
    assert_eq!((&refusal["type"], &refusal["status"]), (&json!("LimitReached"), &json!(403)));
}

#[tokio::test]
async fn who_does_not_say_who_it_is_stays_out() {
    let server = TestServer::start();
    let mut client = server.connect().await;
    let long = format!(r#"{{"user_id":"{}"}}"#, "x".repeat(129));
    for (channel_data, kind) in [
        (None, "InvalidChannelData"),
        (Some(""), "InvalidChannelData"),
        (Some("{}"), "InvalidChannelData"),
        (Some("[\"1\"]"), "InvalidChannelData"),
        (Some("not json"), "InvalidChannelData"),
        (Some(r#"{"user_id":""}"#), "InvalidChannelData"),
        (Some(r#"{"user_id":1.5}"#), "InvalidChannelData"),
        (Some(r#"{"user_id":{}}"#), "InvalidChannelData"),
        (Some(&*long), "LimitReached"),
    ] {
        let parts =
            [&*client.socket_id, ":presence-room", channel_data.map_or("", |_| ":"), channel_data.unwrap_or("")];
        let mut ask = json!({ "channel": "presence-room", "auth": auth(&parts) });
        if let Some(channel_data) = channel_data {
            ask["channel_data"] = channel_data.into();
        }
        client.send(&json!({ "event": "pusher:subscribe", "data": ask })).await;
        assert_eq!(client.refused("presence-room").await["type"], kind, "{channel_data:?}");
    }
    assert_eq!(server.channels(), 0);
    let data = r#"{"user_id":"1"}"#;
    let reordered = auth(&[&client.socket_id, ":presence-room:", r#"{ "user_id":"1"}"#]);
    let ask = json!({ "channel": "presence-room", "auth": reordered, "channel_data": data });
    client.send(&json!({ "event": "pusher:subscribe", "data": ask })).await;
    assert_eq!(client.refused("presence-room").await["type"], "AuthError");
}

#[tokio::test]
async fn a_full_channel_still_takes_another_tab_of_a_member() {
    let server = TestServer::with_limits(|limits| limits.max_presence_members = 2);
    let mut clients = [server.connect().await, server.connect().await, server.connect().await];
    presence(&mut clients[0], r#"{"user_id":"1"}"#).await;
    presence(&mut clients[1], r#"{"user_id":"2"}"#).await;
    let third = r#"{"user_id":"3"}"#;
    let sign = auth(&[&clients[2].socket_id, ":presence-room:", third]);
    let ask = json!({ "channel": "presence-room", "auth": sign, "channel_data": third });
    clients[2].send(&json!({ "event": "pusher:subscribe", "data": ask })).await;
    assert_eq!(clients[2].refused("presence-room").await["type"], "LimitReached");
    assert_eq!(presence(&mut clients[2], r#"{"user_id":"2"}"#).await["count"], 2);
}

#[tokio::test]
async fn a_second_subscribe_of_the_same_connection_changes_nothing() {
    let server = TestServer::start();
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    presence(&mut one, r#"{"user_id":"1"}"#).await;
    presence(&mut two, r#"{"user_id":"2"}"#).await;
    assert_eq!(data(&one.next().await)["user_id"], "2");
    let again = two.join("presence-room", r#"{"user_id":"3"}"#).await;
    assert_eq!(again["data"]["message"], "Existing subscription to channel presence-room");
    one.hears_nothing().await;
}

/// Fifty connections come and half of them go at once; what every one that stays was told is the truth (PRE-20).
#[tokio::test(flavor = "multi_thread")]
async fn crowds_converge() {
    let server = TestServer::start();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let place = server.place();
        tasks.spawn(async move {
            let path = format!("/app/{}?protocol=7", crate::support::KEY);
            let mut client = Client::connect(place, &path).await;
            // Frames of members who came meanwhile may be waiting after the roster, never before it.
            let roster = presence(&mut client, &format!(r#"{{"user_id":{}}}"#, n % 30)).await;
            let ids: BTreeSet<String> = serde_json::from_value(roster["ids"].clone()).unwrap();
            (n >= 25).then_some((client, ids))
        });
    }
    let mut stays: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    crate::support::eventually("the others are gone", || server.connections() == 25).await;
    let truth: BTreeSet<String> = (25..50).map(|n| (n % 30).to_string()).collect();
    let channel = ChannelName::parse("presence-room", 164).unwrap();
    let errs = |node: &Node| {
        let app = node.app(APP).unwrap();
        let members = node.members(&app, &channel).into_iter().map(|member| member.id.as_str().to_owned());
        // A member may be there by a tab that has gone, while another is not known yet.
        let is_so = members.collect::<BTreeSet<_>>() == truth && node.counts(&app, &channel).subscriptions == 25;
        u64::from(!is_so)
    };
    // Who has gone may not be known everywhere when an event is published, which then comes before the news.
    crate::support::eventually("every node knows who is there", || server.sum(errs) == 0).await;
    server.publish("presence-room", "end", "").await;
    // All of them stay to the end: of one who goes others may hear before they hear the event.
    for (client, ids) in &mut stays {
        loop {
            let frame = client.next().await;
            let id = || data(&frame)["user_id"].as_str().unwrap().to_owned();
            match frame["event"].as_str().unwrap() {
                "pusher_internal:member_added" => assert!(ids.insert(id()), "{frame}"),
                "pusher_internal:member_removed" => assert!(ids.remove(&id()), "{frame}"),
                "end" => break,
                _ => panic!("{frame}"),
            }
        }
        assert_eq!(*ids, truth);
    }
}
