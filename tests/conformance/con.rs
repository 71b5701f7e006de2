//! CON: connecting.

use crate::support::Needs::{App, Nothing, Server, Us};
use crate::support::{Client, Target, credentials, data, key_path, statements};
use serde_json::{Value, json};
use std::collections::HashSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;

const OTHER_APP: &str = "[[apps]]\nid = \"4\"\nkey = \"other\"\nsecret = \"s\"";

/// The close code of a connection that was refused, and the text frames before it.
async fn refused(mut client: Client) -> (u16, Vec<Value>) {
    let mut before = Vec::new();
    loop {
        match client.raw().await {
            Message::Text(text) => before.push(serde_json::from_str(&text).unwrap()),
            Message::Close(close) => {
                let close = close.expect("a close frame with a code");
                assert!(!close.reason.is_empty(), "a reason");
                return (close.code.into(), before);
            }
            _ => {}
        }
    }
}

async fn established(target: &Target, query: &str) -> Value {
    let mut client = target.open_as(query).await;
    client.hears("pusher:connection_established").await
}

statements! {
    "CON-01" "a current client connects and is told so first" Nothing, |t| {
        established(&t, "protocol=7&client=js&version=8.6.0&flash=false").await;
    }
    "CON-02" "the data of connection_established is a string" Nothing, |t| {
        assert!(established(&t, "protocol=7").await["data"].is_string());
    }
    "CON-03" "socket_id is two integers joined by a dot" Nothing, |t| {
        let id = data(&established(&t, "protocol=7").await)["socket_id"].as_str().expect("a string").to_owned();
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        assert!(id.split_once('.').is_some_and(|(a, b)| digits(a) && digits(b)), "{id}");
    }
    "CON-04" "activity_timeout is a number above 0" Nothing, |t| {
        let timeout = data(&established(&t, "protocol=7").await)["activity_timeout"].as_f64();
        assert!(timeout.is_some_and(|secs| secs > 0.0), "{timeout:?}");
    }
    "CON-05" "protocol 5 is accepted and told the activity timeout" Nothing, |t| {
        let frame = established(&t, "client=java-client&protocol=5&version=2.4.4").await;
        assert!(data(&frame)["activity_timeout"].is_number(), "{frame}");
    }
    "CON-06" "protocol 6 is accepted" Nothing, |t| {
        established(&t, "protocol=6").await;
    }
    "CON-07" "no protocol at all is accepted" Nothing, |t| {
        established(&t, "client=js").await;
    }
    "CON-08" "no protocol in strict mode is closed with 4008"
        App { why: "needs an app in strict mode", config: "features = { strict_protocol = true }" }, |t| {
        assert_eq!(refused(t.open_as("client=js").await).await.0, 4008);
    }
    "CON-09" "protocol 3 is closed with 4007" Nothing, |t| {
        assert_eq!(refused(t.open_as("protocol=3").await).await.0, 4007);
    }
    "CON-10" "protocol 8 is closed with 4007" Nothing, |t| {
        assert_eq!(refused(t.open_as("protocol=8").await).await.0, 4007);
    }
    "CON-11" "protocol abc is closed with 4007" Nothing, |t| {
        assert_eq!(refused(t.open_as("protocol=abc").await).await.0, 4007);
    }
    "CON-12" "an unknown key is upgraded, then closed with 4001 and a reason" Nothing, |t| {
        let (code, before) = refused(t.open("/app/nobodys-key?protocol=7").await).await;
        assert_eq!(code, 4001);
        assert!(before.iter().all(|frame| frame["event"] != "pusher:connection_established"), "{before:?}");
    }
    "CON-13" "an unknown key of protocol 5 hears a pusher:error first" Nothing, |t| {
        let (code, before) = refused(t.open("/app/nobodys-key?protocol=5").await).await;
        assert_eq!(code, 4001);
        let [error] = &before[..] else { panic!("expected one pusher:error, got {before:?}") };
        assert_eq!((&error["event"], &error["data"]["code"]), (&json!("pusher:error"), &json!(4001)), "{error}");
    }
    "CON-14" "an unknown key of protocol 7 hears no pusher:error" Nothing, |t| {
        assert_eq!(refused(t.open("/app/nobodys-key?protocol=7").await).await, (4001, vec![]));
    }
    "CON-15" "a disabled app is closed with 4003"
        App { why: "needs a disabled app", config: "enabled = false" }, |t| {
        assert_eq!(refused(t.open_as("protocol=7").await).await.0, 4003);
    }
    "CON-16" "one connection too many is closed with 4004, the others stay"
        App { why: "needs an app with a limit of 2 connections", config: "limits = { max_connections = 2 }" }, |t| {
        let (mut one, mut two) = (t.connect().await, t.connect().await);
        assert_eq!(refused(t.open_as("protocol=7").await).await.0, 4004);
        one.hears_nothing().await;
        two.hears_nothing().await;
    }
    "CON-17" "a place that is given up can be taken again"
        App { why: "needs an app with a limit of 1 connection", config: "limits = { max_connections = 1 }" }, |t| {
        t.connect().await.close().await;
        crate::support::eventually("the place is free", || async {
            let mut client = t.open_as("protocol=7").await;
            matches!(client.raw().await, Message::Text(text) if text.contains("connection_established"))
        })
        .await;
    }
    "CON-18" "an app that requires TLS closes ws:// with 4000"
        App { why: "needs an app that requires TLS", config: "features = { require_tls = true }" }, |t| {
        assert_eq!(refused(t.open_as("protocol=7").await).await.0, 4000);
    }
    "CON-19" "a WebSocket on another path is closed with 4005, or refused with 404" Nothing, |t| {
        let place = t.place();
        let request = t.url(&place, "/nonsense").into_client_request().unwrap();
        let stream = tokio::net::TcpStream::connect(place.address).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok(_) => assert_eq!(refused(t.open("/nonsense").await).await.0, 4005),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 404),
            Err(error) => panic!("{error}"),
        }
    }
    "CON-20" "the subprotocol of the Swift client is echoed" Nothing, |t| {
        assert_eq!(subprotocol(&t, Some("pusher-channels-protocol-7")).await.as_deref(), Some("pusher-channels-protocol-7"));
    }
    "CON-21" "without a subprotocol none is answered" Nothing, |t| {
        assert_eq!(subprotocol(&t, None).await, None);
    }
    "CON-22" "10,000 connections have distinct socket ids" Us { why: "10,000 connections are a load on somebody's server" }, |t| {
        let mut ids = HashSet::new();
        for _ in 0..100 {
            let mut batch = Vec::new();
            for _ in 0..100 {
                batch.push(t.connect().await);
            }
            ids.extend(batch.into_iter().map(|client| client.socket_id));
        }
        assert_eq!(ids.len(), 10_000);
    }
    "CON-23" "an unknown query parameter is ignored" Nothing, |t| {
        established(&t, "protocol=7&cluster=mt1&unheard=of").await;
    }
    "CON-24" "two apps never share a channel" App { why: "needs a second app", config: OTHER_APP }, |t| {
        let mut theirs = Client::connect(t.place(), "/app/other?protocol=7").await;
        let mut ours = t.connect().await;
        ours.subscribe("same").await;
        theirs.granted(&json!({ "channel": "same" })).await;
        t.publish("same", "e", "x").await;
        ours.hears("e").await;
        theirs.hears_nothing().await;
    }
    "CON-25" "a path prefix is accepted" Server { why: "needs a server with the path prefix /ws", config: "path = \"/ws\"" }, |t| {
        Client::connect(t.place(), &format!("/ws/app/{}?protocol=7", credentials().key)).await;
    }
    "CON-26" "every frame is text that holds an object with an event" Nothing, |t| {
        // The client fails on any other frame, in every statement; here is one of each kind.
        let mut client = t.connect().await;
        let channel = crate::support::unique("presence-");
        client.join(&channel, r#"{"user_id":"1"}"#).await;
        t.publish(&channel, "e", "x").await;
        client.text("not json").await;
        let events: Vec<_> = client.drain().await.iter().map(|frame| frame["event"].clone()).collect();
        assert!(events.contains(&json!("e")), "{events:?}");
    }
}

/// What the server answers when it is offered this subprotocol.
async fn subprotocol(target: &Target, offered: Option<&str>) -> Option<String> {
    let place = target.place();
    let mut request = target.url(&place, &key_path("protocol=7")).into_client_request().unwrap();
    if let Some(offered) = offered {
        request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
    }
    let stream = tokio::net::TcpStream::connect(place.address).await.unwrap();
    let (_, answer) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    answer.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap().to_owned())
}
