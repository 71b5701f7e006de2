//! LAR: what Laravel and Echo rely on. Laravel's PHP package cannot be installed from the registries that the tests
//! use, so its half is sent as its SDK sends it: members in its order, `channel` for one and `channels` for several,
//! and JSON as PHP writes it. Echo's half is read from the frames as Echo reads them; `tests/e2e` has Echo itself.

use crate::support::Needs::Nothing;
use crate::support::{Answer, Client, Target, auth, data, statements, unique};
use serde_json::{Value, json};
use std::fmt::Write;

const EVENT: &str = r"App\Events\OrderShipped";
const NOTIFICATION: &str = r"Illuminate\Notifications\Events\BroadcastNotificationCreated";

/// As PHP's `json_encode` writes it: slashes and whatever is not ASCII are escaped.
fn php(value: &Value) -> String {
    let mut text = String::new();
    for char in value.to_string().chars() {
        match char {
            '/' => text.push_str(r"\/"),
            char if char.is_ascii() => text.push(char),
            char => char.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write!(text, r"\u{unit:04x}").unwrap()),
        }
    }
    text
}

/// `Pusher::trigger()` of the PHP SDK with data that is encoded already.
async fn trigger(target: &Target, channels: &[String], name: &str, data: &str, socket_id: Option<&str>) -> Answer {
    let channels = match channels {
        [channel] => format!(r#""channel":{}"#, php(&json!(channel))),
        channels => format!(r#""channels":{}"#, php(&json!(channels))),
    };
    let socket_id = socket_id.map(|id| format!(r#","socket_id":{}"#, php(&json!(id)))).unwrap_or_default();
    let body = format!(r#"{{"name":{},"data":{},{channels}{socket_id}}}"#, php(&json!(name)), php(&json!(data)));
    let path = target.path("/events");
    let query = crate::support::signed("POST", &path, &body);
    let headers = "Content-Type: application/json\r\nX-Pusher-Library: pusher-http-php 7.2.7\r\n";
    target.http().await.send("POST", &format!("{path}?{query}"), headers, body.as_bytes()).await
}

/// `broadcast(new Event)` of Laravel, which throws if the answer is not this one.
async fn broadcast(target: &Target, channels: &[String], name: &str, payload: &Value, socket_id: Option<&str>) {
    let answer = trigger(target, channels, name, &php(payload), socket_id).await;
    answer.ok();
    assert_eq!(answer.body, "{}");
}

async fn subscriber(target: &Target, channel: &str) -> Client {
    let mut client = target.connect().await;
    client.subscribe(channel).await;
    client
}

/// What `Echo.join()` is authorized with.
async fn join(target: &Target, channel: &str, id: &str) -> (Client, Value) {
    let mut client = target.connect().await;
    let channel_data = json!({ "user_id": id, "user_info": { "name": id } });
    let roster = client.join(channel, &php(&channel_data)).await;
    (client, roster)
}

/// What the callback of Echo's `here()` gets: pusher-js makes the members from `ids` and `hash`.
fn here(roster: &Value) -> Vec<Value> {
    let ids = roster["ids"].as_array().expect("ids");
    assert_eq!(roster["hash"].as_object().expect("a hash").len(), ids.len(), "{roster}");
    let mut members: Vec<_> = ids.iter().map(|id| roster["hash"][id.as_str().expect("text")].clone()).collect();
    members.sort_by_key(Value::to_string);
    members
}

statements! {
    "LAR-01" "a broadcast is answered with {} and listen() hears it" Nothing, |t| {
        let channel = unique("orders.");
        let mut echo = subscriber(&t, &channel).await;
        let payload = json!({ "order": { "id": 1, "url": "https://a/é/🎺" } });
        broadcast(&t, std::slice::from_ref(&channel), EVENT, &payload, None).await;
        let frame = echo.hears(EVENT).await;
        assert_eq!((data(&frame), &frame["channel"]), (payload, &json!(channel)));
    }
    "LAR-02" "toOthers() leaves out who caused it" Nothing, |t| {
        let channels = [unique("private-orders."), unique("orders.")];
        let (mut one, mut two) = (subscriber(&t, &channels[0]).await, subscriber(&t, &channels[0]).await);
        one.subscribe(&channels[1]).await;
        two.subscribe(&channels[1]).await;
        broadcast(&t, &channels, EVENT, &json!({ "n": 1 }), Some(&one.socket_id)).await;
        two.hears(EVENT).await;
        two.hears(EVENT).await;
        one.hears_nothing().await;
    }
    "LAR-03" "a whisper reaches listenForWhisper() on the other side" Nothing, |t| {
        let channel = unique("private-chat.");
        let (mut one, mut two) = (subscriber(&t, &channel).await, subscriber(&t, &channel).await);
        one.send(&json!({ "event": "client-typing", "channel": channel, "data": { "a": 1 } })).await;
        assert_eq!(data(&two.hears("client-typing").await), json!({ "a": 1 }));
        one.hears_nothing().await;
    }
    "LAR-04" "here() gets everybody, joining() and leaving() fire" Nothing, |t| {
        let channel = unique("presence-room.");
        let (mut ann, roster) = join(&t, &channel, "ann").await;
        assert_eq!(here(&roster), [json!({ "name": "ann" })]);
        let (mut bob, roster) = join(&t, &channel, "bob").await;
        assert_eq!(here(&roster), [json!({ "name": "ann" }), json!({ "name": "bob" })]);
        let joining = data(&ann.hears("pusher_internal:member_added").await);
        assert_eq!(joining, json!({ "user_id": "bob", "user_info": { "name": "bob" } }));
        bob.unsubscribe(&channel).await;
        // Of who leaves, pusher-js has kept the rest.
        assert_eq!(data(&ann.hears("pusher_internal:member_removed").await)["user_id"], "bob");
    }
    "LAR-05" "a notification keeps the backslashes of its event" Nothing, |t| {
        let channel = unique("private-App.Models.User.");
        let mut echo = subscriber(&t, &channel).await;
        let payload = json!({ "id": "9b", "type": r"App\Notifications\InvoicePaid" });
        broadcast(&t, &[channel], NOTIFICATION, &payload, None).await;
        assert_eq!(data(&echo.hears(NOTIFICATION).await), payload);
    }
    "LAR-06" "error() gets an AuthError with status 401" Nothing, |t| {
        let (channel, mut echo) = (unique("private-orders."), t.connect().await);
        let frames = echo.refused(&json!({ "channel": channel, "auth": auth(&["1.1:", &channel]) })).await;
        let told = frames.iter().find(|frame| frame["event"] == "pusher:subscription_error");
        let told = told.unwrap_or_else(|| panic!("no pusher:subscription_error in {frames:?}"));
        assert_eq!(told["channel"], *channel, "{told}");
        let error = data(told);
        assert_eq!((&error["type"], &error["status"]), (&json!("AuthError"), &json!(401)), "{error}");
        assert!(error["error"].is_string(), "{error}");
    }
    "LAR-07" "a broadcast to 101 channels takes two calls and reaches all" Nothing, |t| {
        let channels: Vec<_> = (0..101).map(|n| unique(&format!("orders.{n}."))).collect();
        let mut echo = t.connect().await;
        for channel in &channels {
            echo.subscribe(channel).await;
        }
        for chunk in channels.chunks(100) {
            broadcast(&t, chunk, EVENT, &json!({ "n": 1 }), None).await;
        }
        let mut heard = Vec::new();
        for _ in &channels {
            heard.push(echo.hears(EVENT).await["channel"].as_str().unwrap().to_owned());
        }
        heard.sort();
        let mut expect = channels;
        expect.sort();
        assert_eq!(heard, expect);
        echo.hears_nothing().await;
    }
    "LAR-08" "what the SDK encrypted is relayed byte for byte" Nothing, |t| {
        let channel = unique("private-encrypted-orders.");
        let mut echo = subscriber(&t, &channel).await;
        let envelope = r#"{"nonce":"4sVYwy4j\/8dCcjyxtPCWyk19GaaViaW9","ciphertext":"\/GMESnFGlbNn01BuBjp31XYa3i9vZsGKR8fgR9EDhXKx3lzGiUD501A="}"#;
        trigger(&t, &[channel], EVENT, envelope, None).await.ok();
        assert_eq!(echo.hears(EVENT).await["data"], envelope);
    }
    "LAR-09" "sendToUser() reaches who is signed in" Nothing, |t| {
        let user = unique("1");
        let channel = format!("#server-to-user-{user}");
        let user_data = php(&json!({ "id": user, "user_info": { "name": "Ann" } }));
        let mut echo = t.connect().await.signed_in(&user_data).await;
        echo.granted(&json!({ "channel": channel, "auth": "" })).await;
        broadcast(&t, std::slice::from_ref(&channel), "notice", &json!({ "n": 1 }), None).await;
        let frame = echo.hears("notice").await;
        assert_eq!((data(&frame), &frame["channel"]), (json!({ "n": 1 }), &json!(channel)));
    }
    "LAR-10" "a payload over 10 KB is refused with the text that Laravel throws" Nothing, |t| {
        let channel = unique("orders.");
        let mut echo = subscriber(&t, &channel).await;
        let payload = php(&json!({ "text": "x".repeat(10_240) }));
        let answer = trigger(&t, &[channel], EVENT, &payload, None).await;
        answer.says(413, "The data content of this event exceeds");
        echo.hears_nothing().await;
    }
}
