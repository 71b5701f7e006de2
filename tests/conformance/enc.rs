//! ENC: encrypted channels, whose payload the server never reads.

use crate::support::Needs::Nothing;
use crate::support::{statements, unique};
use serde_json::json;

const ENVELOPE: &str = r#"{"nonce":"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB","ciphertext":"c2VjcmV0\/+="}"#;

statements! {
    "ENC-01" "an encrypted channel takes the plain private signature" Nothing, |t| {
        t.connect().await.subscribe(&unique("private-encrypted-")).await;
    }
    "ENC-02" "a ciphertext is relayed byte for byte" Nothing, |t| {
        let (channel, mut client) = (unique("private-encrypted-"), t.connect().await);
        client.subscribe(&channel).await;
        t.publish(&channel, "e", ENVELOPE).await;
        assert_eq!(client.hears("e").await["data"], ENVELOPE);
    }
    "ENC-03" "a shared_secret that slipped in is ignored" Nothing, |t| {
        let mut client = t.connect().await;
        let mut wish = client.wish(&unique("private-encrypted-"));
        wish["shared_secret"] = json!("c2VjcmV0");
        client.granted(&wish).await;
    }
    "ENC-04" "one event goes to an encrypted and a plain channel" Nothing, |t| {
        let (secret, plain) = (unique("private-encrypted-"), unique("plain"));
        let mut client = t.connect().await;
        client.subscribe(&secret).await;
        client.subscribe(&plain).await;
        t.trigger(&json!({ "name": "e", "channels": [secret, plain], "data": ENVELOPE })).await.ok();
        let heard = [client.hears("e").await, client.hears("e").await];
        for channel in [secret, plain] {
            assert!(heard.iter().any(|frame| frame["channel"] == *channel && frame["data"] == ENVELOPE), "{heard:?}");
        }
    }
    "ENC-05" "the confirmation is plain" Nothing, |t| {
        assert_eq!(t.connect().await.subscribe(&unique("private-encrypted-")).await["data"], "{}");
    }
}
