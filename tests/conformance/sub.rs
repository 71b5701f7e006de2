//! SUB: public channels.

use crate::support::Needs::Nothing;
use crate::support::{Client, Target, statements, unique};
use serde_json::{Value, json};

/// A confirmation of what was asked for.
async fn confirmed(target: &Target, data: &Value) -> Value {
    target.connect().await.granted(data).await
}

async fn refused(target: &Target, channel: &str) {
    target.connect().await.refused(&json!({ "channel": channel, "auth": "" })).await;
}

/// A client subscribed to a channel of its own.
async fn subscriber(target: &Target) -> (Client, String) {
    let (channel, mut client) = (unique("c"), target.connect().await);
    client.subscribe(&channel).await;
    (client, channel)
}

statements! {
    "SUB-01" "a subscription is confirmed with the string {}" Nothing, |t| {
        let channel = unique("my-channel");
        let frame = confirmed(&t, &json!({ "auth": "", "channel": channel })).await;
        assert_eq!(frame["data"], "{}", "{frame}");
    }
    "SUB-02" "a subscription without auth is confirmed" Nothing, |t| {
        assert_eq!(confirmed(&t, &json!({ "channel": unique("c") })).await["data"], "{}");
    }
    "SUB-03" "garbage for auth does not matter on a public channel" Nothing, |t| {
        confirmed(&t, &json!({ "channel": unique("c"), "auth": "garbage" })).await;
    }
    "SUB-04" "a name of 164 characters is accepted" Nothing, |t| {
        let name = unique("c");
        confirmed(&t, &json!({ "channel": format!("{name}{}", "a".repeat(164 - name.len())) })).await;
    }
    "SUB-05" "a name of 201 characters is refused" Nothing, |t| {
        refused(&t, &"a".repeat(201)).await;
    }
    "SUB-06" "names outside the alphabet are refused" Nothing, |t| {
        for name in ["a b", "a/b", "a:b", "#a", "é", "a\n", ""] {
            refused(&t, name).await;
        }
    }
    "SUB-07" "the whole alphabet is accepted" Nothing, |t| {
        confirmed(&t, &json!({ "channel": unique("foo-bar_1234@=,.;") })).await;
    }
    "SUB-08" "private without the dash is public" Nothing, |t| {
        confirmed(&t, &json!({ "channel": unique("privatefoo") })).await;
    }
    "SUB-09" "presence without the dash is public and has no roster" Nothing, |t| {
        assert_eq!(confirmed(&t, &json!({ "channel": unique("presencefoo") })).await["data"], "{}");
    }
    "SUB-10" "a second subscription is an error and changes nothing" Nothing, |t| {
        let (mut client, channel) = subscriber(&t).await;
        client.send(&json!({ "event": "pusher:subscribe", "data": { "channel": channel } })).await;
        let error = client.complains(false).await;
        assert_eq!(error, Some(format!("Existing subscription to channel {channel}")));
        t.publish(&channel, "e", "x").await;
        client.hears("e").await;
        client.hears_nothing().await;
    }
    "SUB-11" "an unsubscription is silent, and no event comes after it" Nothing, |t| {
        let (mut client, channel) = subscriber(&t).await;
        client.unsubscribe(&channel).await;
        client.hears_nothing().await;
        t.publish(&channel, "e", "x").await;
        client.hears_nothing().await;
    }
    "SUB-12" "an unsubscription from nothing is survived" Nothing, |t| {
        let mut client = t.connect().await;
        client.unsubscribe(&unique("c")).await;
        client.complains(true).await;
    }
    "SUB-13" "after unsubscribing one can subscribe again" Nothing, |t| {
        let (mut client, channel) = subscriber(&t).await;
        client.unsubscribe(&channel).await;
        client.subscribe(&channel).await;
        t.publish(&channel, "e", "x").await;
        client.hears("e").await;
    }
    "SUB-14" "each of two subscribers gets an event once" Nothing, |t| {
        let (mut one, channel) = subscriber(&t).await;
        let mut two = t.connect().await;
        two.subscribe(&channel).await;
        t.publish(&channel, "e", "x").await;
        for client in [&mut one, &mut two] {
            client.hears("e").await;
            client.hears_nothing().await;
        }
    }
    "SUB-15" "no event of a channel comes before its confirmation" Nothing, |t| {
        let channel = unique("c");
        let publish = async {
            for n in 0..50 {
                t.publish(&channel, "e", &n.to_string()).await;
            }
        };
        let subscribe = async {
            for _ in 0..50 {
                let mut client = t.connect().await;
                client.send(&json!({ "event": "pusher:subscribe", "data": { "channel": channel } })).await;
                client.hears("pusher_internal:subscription_succeeded").await;
            }
        };
        tokio::join!(publish, subscribe);
    }
    "SUB-16" "a lost subscriber does not keep others from an event" Nothing, |t| {
        let (lost, channel) = subscriber(&t).await;
        let mut stays = t.connect().await;
        stays.subscribe(&channel).await;
        drop(lost);
        t.publish(&channel, "e", "x").await;
        stays.hears("e").await;
    }
    "SUB-17" "subscribing and unsubscribing at once ends unsubscribed" Nothing, |t| {
        let (channel, mut client) = (unique("c"), t.connect().await);
        client.send(&json!({ "event": "pusher:subscribe", "data": { "channel": channel } })).await;
        client.unsubscribe(&channel).await;
        client.hears("pusher_internal:subscription_succeeded").await;
        client.hears_nothing().await;
        t.publish(&channel, "e", "x").await;
        client.hears_nothing().await;
    }
}
