//! Sessions without sockets: text in, frames out of the outbox, time as a parameter.

mod hostile;
mod model;
mod users;

use super::*;
use crate::app::{App, Apps, MessageRate};
use crate::node::{Identity, Visitor};
use crate::protocol::signature::Secret;
use serde_json::{Value, json};
use std::task::{Context, Poll, Waker};

const SECRET: &str = "app-secret";

fn node(adjust: impl FnOnce(&mut App)) -> Arc<Node> {
    let mut app = App::new("app-id", "app-key", SECRET);
    adjust(&mut app);
    Arc::new(Node::new(Identity::new("test".to_owned(), std::time::SystemTime::UNIX_EPOCH), Apps::new([app])))
}

/// A session, and the frames it and others queued for its connection.
struct Client(Session);

impl Client {
    fn connect(node: &Arc<Node>, version: u8) -> Self {
        let app = node.app("app-id").unwrap();
        let connection = node.connect(&app, Visitor::default()).unwrap();
        let client = Self(Session::new(node.clone(), connection, version));
        let [established] = &client.frames()[..] else { panic!("one frame on connecting") };
        assert_eq!(established["event"], "pusher:connection_established");
        client
    }

    fn socket_id(&self) -> String {
        self.0.connection.socket().to_string()
    }

    fn frames(&self) -> Vec<Value> {
        match self.0.outbox().poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Vec::new(),
            Poll::Ready(()) => {
                let frames = self.0.outbox().take().unwrap();
                self.0.outbox().written();
                frames.iter().map(payload).collect()
            }
        }
    }

    /// Sends a message now and returns what came back.
    fn say(&mut self, message: &Value) -> Vec<Value> {
        assert_eq!(self.0.receive(&message.to_string(), Instant::now()).map(drop), Ok(()));
        self.frames()
    }

    fn subscribe(&mut self, channel: &str) -> Vec<Value> {
        let auth = format!("app-key:{}", Secret::new(SECRET).sign(&[&self.socket_id(), ":", channel]));
        self.say(&json!({ "event": "pusher:subscribe", "data": { "channel": channel, "auth": auth } }))
    }

    fn sign_in(&mut self, user_data: &Value) -> Vec<Value> {
        let user_data = user_data.to_string();
        let auth = format!("app-key:{}", Secret::new(SECRET).sign(&[&self.socket_id(), "::user::", &user_data]));
        self.say(&json!({ "event": "pusher:signin", "data": { "auth": auth, "user_data": user_data } }))
    }

    fn join(&mut self, channel: &str, user: &str) -> Vec<Value> {
        let data = json!({ "user_id": user, "user_info": { "name": user } }).to_string();
        let auth = format!("app-key:{}", Secret::new(SECRET).sign(&[&self.socket_id(), ":", channel, ":", &data]));
        self.say(&json!({
            "event": "pusher:subscribe", "data": { "channel": channel, "auth": auth, "channel_data": data }
        }))
    }

    fn whisper(&mut self, channel: &str) -> Vec<Value> {
        self.say(&json!({ "event": "client-x", "channel": channel, "data": { "a": 1 } }))
    }
}

fn payload(frame: &Frame) -> Value {
    serde_json::from_slice(frame.payload()).unwrap()
}

fn message(frame: &Value) -> &str {
    assert_eq!(frame["event"], "pusher:error");
    assert!(frame["data"]["code"].is_null(), "{frame}");
    frame["data"]["message"].as_str().unwrap()
}

fn data(frame: &Value) -> Value {
    serde_json::from_str(frame["data"].as_str().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn subscribing_twice_keeps_the_first_and_unsubscribing_is_silent() {
    let mut client = Client::connect(&node(|_| {}), 7);
    let subscribed = client.subscribe("my-channel");
    assert_eq!(
        subscribed,
        [json!({ "event": "pusher_internal:subscription_succeeded", "channel": "my-channel", "data": "{}" })]
    );
    assert_eq!(message(&client.subscribe("my-channel")[0]), "Existing subscription to channel my-channel");
    let leave = json!({ "event": "pusher:unsubscribe", "data": { "channel": "my-channel" } });
    assert!(client.say(&leave).is_empty());
    assert_eq!(
        message(&client.say(&leave)[0]),
        "No current subscription to channel my-channel, or subscription in progress"
    );
    assert_eq!(client.subscribe("my-channel").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_subscription_says_so_twice_and_leaves_nothing() {
    let node = node(|_| {});
    let mut client = Client::connect(&node, 7);
    let ask = json!({ "event": "pusher:subscribe", "data": { "channel": "private-a", "auth": "app-key:00" } });
    let [first, second] = &client.say(&ask)[..] else { panic!("two frames") };
    assert_eq!((&first["event"], &first["channel"]), (&json!("pusher:subscription_error"), &json!("private-a")));
    let refusal = data(first);
    assert_eq!((&refusal["type"], &refusal["status"]), (&json!("AuthError"), &json!(401)));
    assert_eq!(refusal["error"], message(second));
    assert_eq!(node.channels(), 0);
    assert_eq!(client.subscribe("private-a").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn presence_needs_channel_data_and_counts_distinct_members() {
    let node = node(|app| app.limits.max_presence_members = 2);
    let mut clients: Vec<_> = (0..4).map(|_| Client::connect(&node, 7)).collect();
    let refused = clients[0].subscribe("presence-a");
    assert!(message(&refused[1]).contains("must include channel_data"));
    assert_eq!(data(&clients[0].join("presence-a", "1")[0])["presence"]["count"], 1);
    let roster = data(&clients[1].join("presence-a", "2")[0]);
    assert_eq!(
        roster["presence"],
        json!({ "count": 2, "ids": ["1", "2"], "hash": { "1": { "name": "1" }, "2": { "name": "2" } } })
    );
    let [added] = &clients[0].frames()[..] else { panic!("one member added") };
    assert_eq!(data(added), json!({ "user_id": "2", "user_info": { "name": "2" } }));
    let full = clients[2].join("presence-a", "3");
    assert_eq!((&data(&full[0])["type"], &data(&full[0])["status"]), (&json!("LimitReached"), &json!(403)));
    assert_eq!(data(&clients[3].join("presence-a", "2")[0])["presence"]["count"], 2);
    assert!(clients[0].frames().is_empty());
    drop(clients.pop());
    assert!(clients[0].frames().is_empty());
    drop(clients.remove(1));
    let [removed] = &clients[0].frames()[..] else { panic!("one member removed") };
    assert_eq!(data(removed), json!({ "user_id": "2" }));
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_a_limit_of_channels() {
    let mut client = Client::connect(&node(|app| app.limits.max_channels_per_connection = 1), 7);
    client.subscribe("a");
    let [refused, _] = &client.subscribe("b")[..] else { panic!("two frames") };
    assert_eq!(data(refused)["type"], "LimitReached");
}

#[tokio::test(start_paused = true)]
async fn client_events_follow_the_apps_mode() {
    // Mode, sender's channel, whether the sender subscribes to it, and the refusal if there is one.
    use ClientEvents::{All, Guarded, Members};
    let cases = [
        (Guarded, "private-a", true, None),
        (Guarded, "private-a", false, Some("not subscribed to channel private-a")),
        (Guarded, "public", true, Some("only supported on private and presence channels")),
        (Members, "public", true, None),
        (Members, "public", false, Some("not subscribed to channel public")),
        (All, "private-a", false, None),
        (All, "a b", false, Some("only have letters")),
        (ClientEvents::None, "private-a", true, Some("you must enable this feature")),
    ];
    for (mode, channel, subscribes, refusal) in cases {
        let node = node(|app| app.client_events = mode);
        let (mut sender, mut other) = (Client::connect(&node, 7), Client::connect(&node, 7));
        other.subscribe(channel);
        if subscribes {
            sender.subscribe(channel);
        }
        let answer = sender.whisper(channel);
        let heard = other.frames();
        match refusal {
            None => {
                assert!(answer.is_empty(), "{mode:?} {channel}");
                assert_eq!(
                    heard.last().unwrap(),
                    &json!({ "event": "client-x", "channel": channel, "data": r#"{"a":1}"# })
                );
            }
            Some(expect) => {
                assert!(message(&answer[0]).contains(expect), "{mode:?} {channel}: {answer:?}");
                assert!(heard.iter().all(|frame| frame["event"] != "client-x"), "{mode:?} {channel}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn on_presence_channels_the_verified_member_is_the_sender() {
    let node = node(|_| {});
    let (mut sender, mut other) = (Client::connect(&node, 7), Client::connect(&node, 7));
    sender.join("presence-a", "1");
    other.join("presence-a", "1");
    sender.say(&json!({ "event": "client-x", "channel": "presence-a", "user_id": "forged", "more": 1 }));
    assert_eq!(
        other.frames(),
        [json!({ "event": "client-x", "channel": "presence-a", "data": "null", "user_id": "1" })]
    );
}

#[tokio::test(start_paused = true)]
async fn the_eleventh_client_event_in_a_second_is_dropped() {
    let mut client = Client::connect(&node(|_| {}), 7);
    client.subscribe("private-a");
    for _ in 0..10 {
        assert!(client.whisper("private-a").is_empty());
    }
    let [error] = &client.whisper("private-a")[..] else { panic!("one error") };
    assert_eq!(error["data"], json!({ "code": 4301, "message": "Client event rejected due to rate limit" }));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(client.whisper("private-a").is_empty());
}

#[tokio::test(start_paused = true)]
async fn client_events_have_limits_of_size() {
    let mut client = Client::connect(&node(|_| {}), 7);
    client.subscribe("private-a");
    let mut send = |name: String, data: String| {
        let answer = client.say(&json!({ "event": name, "channel": "private-a", "data": data }));
        answer.first().map(|frame| message(frame).to_owned())
    };
    let name = |len: usize| format!("client-{}", "é".repeat(len - 7));
    assert_eq!(send(name(200), "é".repeat(5120)), None);
    assert!(send(name(201), String::new()).unwrap().contains("at most 200 characters"));
    assert!(send(name(8), "é".repeat(5121)).unwrap().contains("at most 10240 bytes"));
}

#[tokio::test(start_paused = true)]
async fn reverbs_message_rate_counts_everything_and_may_end_the_connection() {
    for terminate in [false, true] {
        let rate = MessageRate { max_attempts: 2, decay_secs: 60, terminate };
        let mut client = Client::connect(&node(|app| app.limits.message_rate = Some(rate)), 7);
        let mut ping = || client.0.receive(r#"{"event":"pusher:ping"}"#, Instant::now()).map(drop);
        assert_eq!((ping(), ping()), (Ok(()), Ok(())));
        assert_eq!(ping(), if terminate { Err(CloseCode::RateLimited) } else { Ok(()) });
        let frames = client.frames();
        assert_eq!(frames[2]["data"], json!({ "code": 4301, "message": "Rate limit exceeded" }));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(client.0.receive(r#"{"event":"pusher:ping"}"#, Instant::now()).map(drop), Ok(()));
    }
}

/// Whether a ping waits in the outbox, which is emptied.
fn pinged(client: &Client) -> bool {
    match client.0.outbox().poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => false,
        Poll::Ready(()) => client.0.outbox().take().unwrap().contains(&Frame::ping()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_probed_then_closed() {
    let mut client = Client::connect(&node(|_| {}), 7);
    let start = Instant::now();
    let at = |secs: u64| start + Duration::from_secs(secs);
    assert_eq!(client.0.tick(at(119)), Tick::Wait(at(120)));
    assert!(!pinged(&client));
    assert_eq!(client.0.tick(at(120)), Tick::Wait(at(150)));
    assert!(pinged(&client));
    assert_eq!(client.0.tick(at(149)), Tick::Wait(at(150)));
    client.0.alive(at(149));
    assert_eq!(client.0.tick(at(150)), Tick::Wait(at(269)));
    assert!(!pinged(&client));
    assert_eq!(client.0.tick(at(270)), Tick::Wait(at(300)));
    assert!(pinged(&client));
    assert_eq!(client.0.tick(at(300)), Tick::Close(CloseCode::PongTimeout));
}

/// Probes keep their interval, and each has the whole timeout to be answered, also where it is the longer of the two.
#[tokio::test(start_paused = true)]
async fn a_short_ping_interval_leaves_the_pong_its_time() {
    let short = |app: &mut App| (app.limits.ping_interval_secs, app.limits.pong_timeout_secs) = (10, 30);
    let mut client = Client::connect(&node(short), 7);
    let start = Instant::now();
    let at = |secs: u64| start + Duration::from_secs(secs);
    assert_eq!(client.0.tick(at(10)), Tick::Wait(at(20)));
    client.0.alive(at(11));
    assert_eq!(client.0.tick(at(20)), Tick::Wait(at(21)));
    assert!(pinged(&client));
    assert_eq!(client.0.tick(at(21)), Tick::Wait(at(31)));
    assert!(pinged(&client));
    assert_eq!(client.0.tick(at(31)), Tick::Wait(at(51)));
    assert_eq!(client.0.tick(at(51)), Tick::Close(CloseCode::PongTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_client_of_protocol_4_has_a_day() {
    let mut client = Client::connect(&node(|_| {}), 4);
    let start = Instant::now();
    let day = start + Duration::from_secs(24 * 60 * 60);
    client.0.tick(start + Duration::from_secs(200));
    assert!(pinged(&client));
    assert_eq!(client.0.tick(start + Duration::from_secs(230)), Tick::Wait(day));
    assert_eq!(client.0.tick(day - Duration::from_secs(1)), Tick::Wait(day));
    assert_eq!(client.0.tick(day), Tick::Close(CloseCode::Inactive));
}

#[tokio::test(start_paused = true)]
async fn old_clients_are_told_why_they_are_closed() {
    let node = node(|_| {});
    let farewell = |version: u8, close| Client::connect(&node, version).0.farewell(close).as_ref().map(payload);
    let expect = json!({
        "event": "pusher:error", "data": { "code": 4200, "message": "Generic reconnect immediately" }
    });
    assert_eq!(farewell(5, CloseCode::Reconnect), Some(expect));
    assert_eq!(farewell(6, CloseCode::Reconnect), None);
    assert_eq!(farewell(5, CloseCode::TooBig), None);
}

#[tokio::test(start_paused = true)]
async fn mistakes_are_answered_and_survived() {
    let mut client = Client::connect(&node(|_| {}), 7);
    for text in ["not json", "[]", "{}", r#"{"event":"pusher:foo"}"#, r#"{"event":"pusher_internal:member_added"}"#] {
        assert_eq!(client.0.receive(text, Instant::now()).map(drop), Ok(()));
        assert!(!message(&client.frames()[0]).is_empty());
    }
    assert_eq!(client.0.receive_binary(Instant::now()), Ok(()));
    assert!(message(&client.frames()[0]).starts_with("Binary messages are not supported"));
    assert!(client.say(&json!({ "event": "pusher:pong", "data": {} })).is_empty());
    assert_eq!(client.say(&json!({ "event": "pusher:ping" })), [json!({ "event": "pusher:pong", "data": "{}" })]);
}
