//! PRV: private channels.

use crate::support::Needs::{App, Nothing, Us};
use crate::support::{Client, Target, auth, credentials, data, statements, unique};
use fanfare::protocol::SocketId;
use fanfare::protocol::signature::{Keys, Secret, verify_channel};
use serde_json::{Value, json};

const SECOND_KEY: &str = "[[apps.keys]]\nkey = \"second-key\"\nsecret = \"second-secret\"";

/// A client and a private channel of its own.
async fn client(target: &Target) -> (Client, String) {
    (target.connect().await, unique("private-foobar"))
}

fn signature(client: &Client, channel: &str) -> String {
    Secret::new(credentials().secret).sign(&[&client.socket_id, ":", channel])
}

/// What became of a signature with one wrong digit.
struct OffByOne {
    channel: String,
    frames: Vec<Value>,
    /// The right signature.
    right: String,
}

async fn off_by_one(target: &Target) -> OffByOne {
    let (mut client, channel) = client(target).await;
    let right = signature(&client, &channel);
    let (rest, last) = right.split_at(63);
    let wrong = format!("{rest}{}", if last == "0" { "1" } else { "0" });
    let wish = json!({ "channel": channel, "auth": format!("{}:{wrong}", credentials().key) });
    let frames = client.refused(&wish).await;
    target.publish(&channel, "e", "x").await;
    client.hears_nothing().await;
    OffByOne { channel, frames, right }
}

async fn refused(target: &Target, auth: impl Fn(&Client, &str) -> Value) {
    let (mut client, channel) = client(target).await;
    let auth = auth(&client, &channel);
    client.refused(&json!({ "channel": channel, "auth": auth })).await;
}

statements! {
    "PRV-01" "a signed subscription is confirmed with the string {}" Nothing, |t| {
        let (mut client, channel) = client(&t).await;
        assert_eq!(client.subscribe(&channel).await["data"], "{}");
    }
    "PRV-02" "the documented signature verifies" Us { why: "verifies with this crate's own code" }, |_t| {
        let keys = Keys::new("278d425bdf160c739803", "7ad3773142a6692b25b8");
        let socket = SocketId::parse("1234.1234").unwrap().unwrap();
        let auth = "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
        assert_eq!(verify_channel(&keys, socket, "private-foobar", None, Some(auth)), Ok(()));
    }
    "PRV-03" "a signature that is off by a digit is refused" Nothing, |t| {
        off_by_one(&t).await;
    }
    "PRV-04" "a signature for another connection is refused" Nothing, |t| {
        let other = t.connect().await;
        refused(&t, |_, channel| auth(&[&other.socket_id, ":", channel]).into()).await;
    }
    "PRV-05" "a signature for another channel is refused" Nothing, |t| {
        refused(&t, |client, _| auth(&[&client.socket_id, ":private-other"]).into()).await;
    }
    "PRV-06" "a right signature after a wrong key is refused" Nothing, |t| {
        refused(&t, |client, channel| format!("wrong-key:{}", signature(client, channel)).into()).await;
    }
    "PRV-07" "a missing or empty auth is refused" Nothing, |t| {
        refused(&t, |_, _| Value::Null).await;
        refused(&t, |_, _| "".into()).await;
    }
    "PRV-08" "an auth without a colon is refused" Nothing, |t| {
        refused(&t, |client, channel| signature(client, channel).into()).await;
    }
    "PRV-09" "channel_data is signed too, and must be" Nothing, |t| {
        let (mut client, channel) = client(&t).await;
        let wish = client.wish_with(&channel, r#"{"user_id":"7"}"#);
        client.granted(&wish).await;
        client.unsubscribe(&channel).await;
        client.refused(&json!({ "channel": channel, "auth": wish["auth"] })).await;
    }
    "PRV-10" "a refused subscription leaves no channel" Nothing, |t| {
        let (mut client, channel) = client(&t).await;
        client.refused(&json!({ "channel": channel, "auth": "a:b" })).await;
        let channels = t.look("/channels", &format!("filter_by_prefix={channel}")).await;
        assert_eq!(channels, json!({ "channels": {} }));
    }
    "PRV-11" "a refusal is a subscription_error of the channel, status 401" Nothing, |t| {
        let OffByOne { channel, frames, .. } = off_by_one(&t).await;
        let error = frames.iter().find(|frame| frame["event"] == "pusher:subscription_error");
        let error = error.unwrap_or_else(|| panic!("no pusher:subscription_error in {frames:?}"));
        // Clients tell nobody of an error that names no channel of theirs.
        assert_eq!((&data(error)["status"], &error["channel"]), (&json!(401), &json!(channel)), "{error}");
    }
    "PRV-12" "a refusal is a pusher:error with an object" Nothing, |t| {
        let frames = off_by_one(&t).await.frames;
        let error = frames.iter().find(|frame| frame["event"] == "pusher:error");
        let error = error.unwrap_or_else(|| panic!("no pusher:error in {frames:?}"));
        assert!(error["data"].is_object(), "{error}");
    }
    "PRV-13" "a refusal does not tell the right signature" Nothing, |t| {
        let OffByOne { frames, right, .. } = off_by_one(&t).await;
        assert!(!frames.iter().any(|frame| frame.to_string().contains(&right)), "{frames:?}");
    }
    "PRV-14" "either of two keys signs" App { why: "needs an app with a second key", config: SECOND_KEY }, |t| {
        let (mut client, channel) = client(&t).await;
        client.subscribe(&unique("private-")).await;
        let signature = Secret::new("second-secret").sign(&[&client.socket_id, ":", &channel]);
        client.granted(&json!({ "channel": channel, "auth": format!("second-key:{signature}") })).await;
    }
}
