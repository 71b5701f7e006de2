//! PRE: presence channels.

use crate::support::Needs::{Nodes, Nothing};
use crate::support::{Client, Target, data, presence, statements, unique};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ADDED: &str = "pusher_internal:member_added";
const REMOVED: &str = "pusher_internal:member_removed";

fn member(id: &str) -> String {
    json!({ "user_id": id, "user_info": { "name": format!("name of {id}") } }).to_string()
}

/// A new connection in the channel as the member, and its roster.
async fn joins(target: &Target, channel: &str, id: &str) -> (Client, Value) {
    let mut client = target.connect().await;
    let roster = client.join(channel, &member(id)).await;
    (client, roster)
}

/// Members 1 and 2, of whom 1 has heard of 2.
async fn two(target: &Target) -> (Client, Client, String) {
    let channel = unique("presence-");
    let (mut one, _) = joins(target, &channel, "1").await;
    let (two, _) = joins(target, &channel, "2").await;
    one.hears(ADDED).await;
    (one, two, channel)
}

async fn roster_of(target: &Target, channel_data: &str) -> Value {
    target.connect().await.join(&unique("presence-"), channel_data).await
}

async fn refused(target: &Target, channel_data: &str) {
    let mut client = target.connect().await;
    let wish = client.wish_with(&unique("presence-"), channel_data);
    client.refused(&wish).await;
}

/// The ids in a roster, each once.
fn ids(roster: &Value) -> BTreeSet<String> {
    let ids: Vec<_> = roster["ids"].as_array().expect("ids").iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    let set: BTreeSet<_> = ids.iter().cloned().collect();
    assert_eq!((ids.len(), &json!(ids.len())), (set.len(), &roster["count"]), "{roster}");
    set
}

fn set<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.into_iter().map(str::to_owned).collect()
}

/// Applies what a member was told of the others since to what it has seen; each change must be one.
async fn follow(client: &mut Client, seen: &mut BTreeSet<String>) {
    for frame in client.drain().await {
        let id = data(&frame)["user_id"].as_str().unwrap().to_owned();
        let consistent = if frame["event"] == ADDED { seen.insert(id) } else { seen.remove(&id) };
        assert!(consistent, "{frame}");
    }
}

statements! {
    "PRE-01" "the first member's roster holds the member" Nothing, |t| {
        let roster = roster_of(&t, r#"{"user_id":"1","user_info":{"name":"A"}}"#).await;
        assert_eq!(roster, json!({ "count": 1, "ids": ["1"], "hash": { "1": { "name": "A" } } }));
    }
    "PRE-02" "an integer id becomes text" Nothing, |t| {
        let roster = roster_of(&t, r#"{"user_id":10,"user_info":{}}"#).await;
        assert_eq!((&roster["ids"], &roster["hash"]["10"]), (&json!(["10"]), &json!({})));
    }
    "PRE-03" "channel_data is verified as it was written" Nothing, |t| {
        let (channel, mut client) = (unique("presence-"), t.connect().await);
        let mut wish = client.wish_with(&channel, r#"{"user_id":"1"}"#);
        wish["channel_data"] = json!(r#"{"user_id": "1"}"#);
        client.refused(&wish).await;
        let spaced = client.wish_with(&channel, r#"{ "user_id" : "1" }"#);
        client.granted(&spaced).await;
    }
    "PRE-04" "members hear of a new one, who does not hear of itself" Nothing, |t| {
        let channel = unique("presence-");
        let (mut one, _) = joins(&t, &channel, "1").await;
        let (mut two, _) = joins(&t, &channel, "2").await;
        let added = one.hears(ADDED).await;
        assert_eq!(data(&added), json!({ "user_id": "2", "user_info": { "name": "name of 2" } }));
        assert_eq!(added["channel"], *channel);
        two.hears_nothing().await;
    }
    "PRE-05" "a newcomer's roster holds everybody" Nothing, |t| {
        let channel = unique("presence-");
        let (_one, _) = joins(&t, &channel, "1").await;
        let (_two, roster) = joins(&t, &channel, "2").await;
        assert_eq!(ids(&roster), set(["1", "2"]));
    }
    "PRE-06" "second connection of a member" Nothing, |t| {
        let (mut one, mut two, channel) = two(&t).await;
        let (_tab, roster) = joins(&t, &channel, "2").await;
        assert_eq!(ids(&roster), set(["1", "2"]));
        one.hears_nothing().await;
        two.hears_nothing().await;
    }
    "PRE-07" "one of a member's two connections leaves" Nothing, |t| {
        let (mut one, mut two, channel) = two(&t).await;
        let (_tab, _) = joins(&t, &channel, "2").await;
        two.unsubscribe(&channel).await;
        two.hears_nothing().await;
        one.hears_nothing().await;
    }
    "PRE-08" "a member's last connection leaves" Nothing, |t| {
        let (mut one, mut two, channel) = two(&t).await;
        let (mut tab, _) = joins(&t, &channel, "2").await;
        for client in [&mut two, &mut tab] {
            client.unsubscribe(&channel).await;
            client.hears_nothing().await;
        }
        assert_eq!(data(&one.hears(REMOVED).await), json!({ "user_id": "2" }));
        one.hears_nothing().await;
    }
    "PRE-09" "a member is gone when its connection is lost" Nothing, |t| {
        let (mut one, two, _) = two(&t).await;
        two.lose().await;
        assert_eq!(data(&one.hears(REMOVED).await), json!({ "user_id": "2" }));
    }
    "PRE-10" "a member without info has an empty one" Nothing, |t| {
        let channel = unique("presence-");
        let (mut one, _) = joins(&t, &channel, "1").await;
        let roster = t.connect().await.join(&channel, r#"{"user_id":"2"}"#).await;
        assert_eq!(roster["hash"]["2"], json!({}));
        assert_eq!(data(&one.hears(ADDED).await)["user_info"], json!({}));
    }
    "PRE-11" "user_info of true is relayed" Nothing, |t| {
        assert_eq!(roster_of(&t, r#"{"user_id":"1","user_info":true}"#).await["hash"]["1"], true);
    }
    "PRE-12" "channel_data without user_id is refused" Nothing, |t| {
        refused(&t, r#"{"user_info":{}}"#).await;
    }
    "PRE-13" "channel_data that is not JSON is refused" Nothing, |t| {
        refused(&t, "not json").await;
    }
    "PRE-14" "presence without channel_data is refused if nobody is signed in" Nothing, |t| {
        let mut client = t.connect().await;
        let wish = client.wish(&unique("presence-"));
        client.refused(&wish).await;
    }
    "PRE-15" "presence without channel_data takes who is signed in" Nothing, |t| {
        let mut client = t.connect().await.signed_in(r#"{"id":"7","user_info":{"name":"Ann"}}"#).await;
        let roster = presence(&client.subscribe(&unique("presence-")).await);
        assert_eq!(roster, json!({ "count": 1, "ids": ["7"], "hash": { "7": { "name": "Ann" } } }));
    }
    "PRE-16" "channel_data wins over who is signed in" Nothing, |t| {
        let mut client = t.connect().await.signed_in(r#"{"id":"7"}"#).await;
        let roster = client.join(&unique("presence-"), &member("8")).await;
        assert_eq!(ids(&roster), set(["8"]));
    }
    "PRE-17" "the 101st member is refused, a 101st connection is not" Nothing, |t| {
        let channel = unique("presence-");
        let mut clients = Vec::new();
        for n in 0..100 {
            clients.push(joins(&t, &channel, &n.to_string()).await.0);
        }
        let mut late = t.connect().await;
        let wish = late.wish_with(&channel, &member("100"));
        late.refused(&wish).await;
        let (_tab, roster) = joins(&t, &channel, "0").await;
        assert_eq!(roster["count"], 100);
    }
    "PRE-18" "a user_id has at most 128 characters" Nothing, |t| {
        roster_of(&t, &member(&"u".repeat(128))).await;
        refused(&t, &member(&"u".repeat(129))).await;
    }
    "PRE-19" "user_info has at most 1 KB" Nothing, |t| {
        let info = |bytes: usize| json!({ "user_id": "1", "user_info": { "a": "x".repeat(bytes - 8) } }).to_string();
        roster_of(&t, &info(1024)).await;
        refused(&t, &info(1025)).await;
    }
    "PRE-20" "rosters and changes add up when many come and go at once" Nothing, |t| {
        let channel = unique("presence-");
        let (watcher, roster) = joins(&t, &channel, "watcher").await;
        let watcher = (watcher, ids(&roster));
        let stays = |n: u32| !n.is_multiple_of(3);
        let visit = |n: u32| {
            let (t, channel) = (&t, &channel);
            async move {
                let (mut client, mut seen) = (t.connect().await, BTreeSet::new());
                for round in 0..4 {
                    seen = ids(&client.join(channel, &member(&(n % 10 + round).to_string())).await);
                    if round < 3 || !stays(n) {
                        client.unsubscribe(channel).await;
                    }
                    follow(&mut client, &mut seen).await;
                }
                (client, seen)
            }
        };
        let visits = futures_util::future::join_all((0..50).map(visit)).await;
        let truth: BTreeSet<_> = (0..50).filter(|n| stays(*n)).map(|n| (n % 10 + 3).to_string()).collect();
        let truth = &truth | &set(["watcher"]);
        let visits = (0..).zip(visits).filter(|(n, _)| stays(*n)).map(|(_, visit)| visit);
        // All of them stay until the end: nobody may go while others are asked.
        let mut visits: Vec<_> = visits.chain([watcher]).collect();
        for (client, seen) in &mut visits {
            follow(client, seen).await;
            assert_eq!(*seen, truth);
        }
        let (_late, roster) = joins(&t, &channel, "late").await;
        assert_eq!(ids(&roster), &truth | &set(["late"]));
    }
    "PRE-21" "a second subscription of one connection changes nothing" Nothing, |t| {
        let (mut one, mut two, channel) = two(&t).await;
        let wish = two.wish_with(&channel, &member("3"));
        two.send(&json!({ "event": "pusher:subscribe", "data": wish })).await;
        two.complains(false).await;
        one.hears_nothing().await;
        let (_late, roster) = joins(&t, &channel, "4").await;
        assert_eq!(ids(&roster), set(["1", "2", "4"]));
    }
    "PRE-22" "joins on one node are in rosters and events of another" Nodes { why: "needs three nodes" }, |t| {
        let channel = unique("presence-");
        let mut clients = Vec::new();
        for n in 0..3 {
            let mut client = t.connect_to(n).await;
            let roster = client.join(&channel, &member(&n.to_string())).await;
            assert_eq!(ids(&roster), (0..=n).map(|n| n.to_string()).collect());
            for earlier in &mut clients {
                let added = Client::hears(earlier, ADDED).await;
                assert_eq!(data(&added)["user_id"], n.to_string());
            }
            clients.push(client);
        }
        clients.remove(1).unsubscribe(&channel).await;
        for client in &mut clients {
            assert_eq!(data(&client.hears(REMOVED).await), json!({ "user_id": "1" }));
            client.hears_nothing().await;
        }
    }
    "PRE-23" "members of a node that dies are removed" Nodes { why: "needs three nodes, of which one dies" }, |t| {
        let channel = unique("presence-");
        let (mut one, mut two, mut three) = (t.connect_to(0).await, t.connect_to(1).await, t.connect_to(2).await);
        one.join(&channel, &member("1")).await;
        two.join(&channel, &member("2")).await;
        three.join(&channel, &member("3")).await;
        let mut tab = t.connect_to(2).await;
        tab.join(&channel, &member("2")).await;
        assert_eq!(one.drain().await.len() + two.drain().await.len(), 3);
        t.kill(2);
        for client in [&mut one, &mut two] {
            assert_eq!(data(&client.hears(REMOVED).await), json!({ "user_id": "3" }));
            client.hears_nothing().await;
        }
        let (_late, roster) = joins(&t, &channel, "4").await;
        assert_eq!(ids(&roster), set(["1", "2", "4"]));
    }
}
