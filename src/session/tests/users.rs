//! Signing in, and what it opens: users' channels, presence without `channel_data`, watchlists, authorization.

use super::*;
use crate::protocol::UserId;

const WATCHES: fn(&mut App) = |app| app.features.watchlist = true;

/// The groups of a `watchlist_events` frame.
fn watchlist(frame: &Value) -> Value {
    assert_eq!((&frame["event"], frame.get("channel")), (&json!("pusher_internal:watchlist_events"), None));
    data(frame)["events"].clone()
}

fn signed_in(client: &mut Client, user_data: &Value) -> Vec<Value> {
    let mut frames = client.sign_in(user_data);
    let success = json!({ "event": "pusher:signin_success", "data": { "user_data": user_data.to_string() } });
    assert_eq!(frames.remove(0), success);
    frames
}

fn close_code(client: &Client) -> Option<CloseCode> {
    let _ = client.0.outbox().poll_ready(&mut Context::from_waker(Waker::noop()));
    client.0.outbox().take().err()
}

#[tokio::test(start_paused = true)]
async fn a_user_stays_the_same_for_as_long_as_the_connection() {
    let node = node(|_| {});
    let app = node.app("app-id").unwrap().clone();
    let mut client = Client::connect(&node, 7);
    let forged = json!({ "event": "pusher:signin", "data": { "auth": "app-key:00", "user_data": r#"{"id":"1"}"# } });
    assert!(message(&client.say(&forged)[0]).starts_with("Invalid signature"));
    assert!(message(&client.sign_in(&json!({ "id": 1 }))[0]).starts_with("Invalid user_data"));
    assert_eq!(node.stats(&app).users, 0);
    assert!(signed_in(&mut client, &json!({ "id": "1" })).is_empty());
    assert!(signed_in(&mut client, &json!({ "id": "1", "more": true })).is_empty());
    assert!(message(&client.sign_in(&json!({ "id": "2" }))[0]).starts_with("Already signed in as 1"));
    let online = |id: &str| node.user(&app, &UserId::new(id)).map(|user| user.connections);
    assert_eq!((online("1"), online("2"), node.stats(&app).users), (Some(1), None, 1));
    drop(client);
    assert_eq!((online("1"), node.stats(&app).users), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_users_channel_is_for_that_user() {
    let node = node(|app| app.client_events = ClientEvents::All);
    let (mut one, mut two) = (Client::connect(&node, 7), Client::connect(&node, 7));
    assert_eq!(data(&one.subscribe("#server-to-user-1")[0])["status"], 401);
    signed_in(&mut one, &json!({ "id": "1" }));
    signed_in(&mut two, &json!({ "id": "2" }));
    assert_eq!(data(&two.subscribe("#server-to-user-1")[0])["status"], 401);
    assert_eq!(one.subscribe("#server-to-user-1")[0]["event"], "pusher_internal:subscription_succeeded");
    assert!(message(&two.whisper("#server-to-user-1")[0]).contains("only supported on private and presence"));
    assert!(one.frames().is_empty());
}

#[tokio::test(start_paused = true)]
async fn presence_takes_the_signed_in_user_unless_told_otherwise() {
    let node = node(|app| app.limits.max_user_info_bytes = 20);
    let mut client = Client::connect(&node, 7);
    signed_in(&mut client, &json!({ "id": "7", "user_info": { "name": "Ann" } }));
    let roster = data(&client.subscribe("presence-a")[0])["presence"].clone();
    assert_eq!(roster, json!({ "count": 1, "ids": ["7"], "hash": { "7": { "name": "Ann" } } }));
    assert_eq!(data(&client.join("presence-b", "8")[0])["presence"]["ids"], json!(["8"]));
    let mut large = Client::connect(&node, 7);
    signed_in(&mut large, &json!({ "id": "9", "user_info": "x".repeat(20) }));
    assert_eq!(data(&large.subscribe("presence-a")[0])["type"], "LimitReached");
}

#[tokio::test(start_paused = true)]
async fn watchers_hear_of_first_and_last_connections() {
    let node = node(WATCHES);
    let [mut watcher, mut ann, mut bob, mut tab] = [0; 4].map(|_| Client::connect(&node, 7));
    signed_in(&mut ann, &json!({ "id": "ann" }));
    let [state] = &signed_in(&mut watcher, &json!({ "id": "w", "watchlist": ["ann", "bob", "w"] }))[..] else {
        panic!("one state")
    };
    let expect = json!([{ "name": "online", "user_ids": ["ann", "w"] }, { "name": "offline", "user_ids": ["bob"] }]);
    assert_eq!(watchlist(state), expect);
    bob.join("presence-a", "bob");
    assert!(watcher.frames().is_empty());
    signed_in(&mut bob, &json!({ "id": "bob" }));
    signed_in(&mut tab, &json!({ "id": "bob" }));
    let [online] = &watcher.frames()[..] else { panic!("one event") };
    assert_eq!(watchlist(online), json!([{ "name": "online", "user_ids": ["bob"] }]));
    drop(bob);
    assert!(watcher.frames().is_empty());
    drop(tab);
    let [offline] = &watcher.frames()[..] else { panic!("one event") };
    assert_eq!(watchlist(offline), json!([{ "name": "offline", "user_ids": ["bob"] }]));
    assert!(ann.frames().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_sign_in_replaces_the_watchlist() {
    let node = node(WATCHES);
    let [mut watcher, mut ann] = [0; 2].map(|_| Client::connect(&node, 7));
    signed_in(&mut watcher, &json!({ "id": "w", "watchlist": ["ann"] }));
    assert!(signed_in(&mut watcher, &json!({ "id": "w" })).is_empty());
    signed_in(&mut ann, &json!({ "id": "ann" }));
    assert!(watcher.frames().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_long_watchlist_is_cut_and_said_so() {
    let node = node(WATCHES);
    let [mut watcher, mut last] = [0; 2].map(|_| Client::connect(&node, 7));
    let ids: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    let [error, state] = &signed_in(&mut watcher, &json!({ "id": "w", "watchlist": ids }))[..] else {
        panic!("an error and a state")
    };
    let text = "Watchlist limit exceeded. Only the first 100 user IDs are accepted.";
    assert_eq!(error["data"], json!({ "code": 4302, "message": text }));
    assert_eq!(watchlist(state), json!([{ "name": "offline", "user_ids": ids[..100] }]));
    signed_in(&mut last, &json!({ "id": "100" }));
    assert!(watcher.frames().is_empty());
}

#[tokio::test(start_paused = true)]
async fn terminating_ends_signed_in_connections_and_drops_what_waits() {
    let node = node(|_| {});
    let app = node.app("app-id").unwrap().clone();
    let [mut user, mut tab, mut member] = [0; 3].map(|_| Client::connect(&node, 5));
    user.sign_in(&json!({ "id": "1" }));
    tab.sign_in(&json!({ "id": "1" }));
    member.join("presence-a", "1");
    user.0.outbox().push(Frame::pong());
    assert_eq!(node.terminate_user(&app, &UserId::new("1")), 2);
    assert_eq!(
        [&user, &tab, &member].map(close_code),
        [Some(CloseCode::Terminated), Some(CloseCode::Terminated), None]
    );
    assert_eq!(node.terminate_user(&app, &UserId::new("nobody")), 0);
    let channel = ChannelName::parse("presence-a", 164).unwrap();
    assert_eq!(node.terminate_channel(&app, &channel), 1);
    assert_eq!(close_code(&member), Some(CloseCode::Terminated));
}

#[tokio::test(start_paused = true)]
async fn a_connection_must_be_authorized_in_time() {
    let node = node(|app| app.features.authorized_connections = true);
    let [mut idle, mut private, mut user] = [0; 3].map(|_| Client::connect(&node, 7));
    let start = Instant::now();
    let at = |secs: u64| start + Duration::from_secs(secs);
    idle.subscribe("public");
    private.subscribe("private-a");
    user.sign_in(&json!({ "id": "1" }));
    assert_eq!(idle.0.tick(at(0)), Tick::Wait(at(30)));
    assert_eq!(idle.0.tick(at(30)), Tick::Close(CloseCode::Unauthorized));
    for client in [&mut private, &mut user] {
        assert_eq!(client.0.tick(at(30)), Tick::Wait(at(120)));
    }
}

#[tokio::test(start_paused = true)]
async fn only_authorized_connections_take_up_the_quota() {
    let adjust = |app: &mut App| (app.features.authorized_connections, app.limits.max_connections) = (true, 1);
    let node = node(adjust);
    let [mut one, mut two, three] = [0; 3].map(|_| Client::connect(&node, 7));
    assert_eq!(one.subscribe("private-a").len(), 1);
    assert_eq!(one.subscribe("private-b").len(), 1);
    let sign_in = |client: &Client| {
        let auth = Secret::new(SECRET).sign(&[&client.socket_id(), "::user::", r#"{"id":"1"}"#]);
        json!({ "event": "pusher:signin", "data": { "auth": format!("app-key:{auth}"), "user_data": r#"{"id":"1"}"# } })
    };
    let asked = sign_in(&two).to_string();
    assert_eq!(two.0.receive(&asked, Instant::now()).map(drop), Err(CloseCode::OverQuota));
    assert!(two.frames().is_empty());
    drop((one, three));
    assert_eq!(two.0.receive(&asked, Instant::now()).map(drop), Ok(()));
}

/// F4, 1.8: who is refused takes no place.
#[tokio::test(start_paused = true)]
async fn a_refused_member_does_not_take_up_the_quota() {
    let node = node(|app| {
        app.features.authorized_connections = true;
        (app.limits.max_connections, app.limits.max_presence_members) = (2, 1);
    });
    let [mut one, mut refused, mut two] = [0; 3].map(|_| Client::connect(&node, 7));
    one.join("presence-a", "1");
    assert_eq!(refused.join("presence-a", "2")[0]["event"], "pusher:subscription_error");
    assert_eq!(two.subscribe("private-a")[0]["event"], "pusher_internal:subscription_succeeded");
}
