//! WHK: webhooks, as a back end gets them.

use crate::support::Needs::Webhooks;
use crate::support::{Client, DEBOUNCE, Needs, RETRIES, Reply, Request, Target, credentials, now, statements, unique};
use fanfare::protocol::signature::Secret;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ALL_KINDS: Needs = Webhooks { endpoint: "" };
const CHANNELS: Needs = Webhooks { endpoint: r#"events = ["channel_occupied", "channel_vacated"]"# };
// The end of a channel is what statements wait for.
const MEMBERS: Needs = Webhooks { endpoint: r#"events = ["channel_vacated", "member_added", "member_removed"]"# };
const CLIENT_EVENTS: Needs = Webhooks { endpoint: r#"events = ["channel_vacated", "client_event"]"# };
const MISSES: Needs = Webhooks { endpoint: r#"events = ["channel_vacated", "cache_miss"]"# };
const COUNTS: Needs = Webhooks { endpoint: r#"events = ["channel_vacated", "subscription_count"]"# };
const ENDS: Needs = Webhooks { endpoint: r#"events = ["channel_vacated"]"# };
const BATCHES: Needs = Webhooks { endpoint: "batch = true\nevents = [\"channel_occupied\", \"channel_vacated\"]" };

fn occupied(channel: &str) -> Value {
    json!({ "name": "channel_occupied", "channel": channel })
}

fn vacated(channel: &str) -> Value {
    json!({ "name": "channel_vacated", "channel": channel })
}

/// All that the back end is told because of what has happened so far. Somebody comes to another channel and goes:
/// what is told of that comes last, as nothing waits longer than an end does. Several nodes may tell of other channels a
/// moment later.
async fn told(t: &Target) -> Vec<Value> {
    let last = unique("last-");
    let mut client = subscriber(t, &last).await;
    is_known(t, &last).await;
    client.unsubscribe(&last).await;
    let mut events = t.receiver().hears(&vacated(&last)).await;
    events.retain(|event| !event["channel"].as_str().expect("a channel").starts_with("last-"));
    events
}

/// Makes sure that every node knows of the channel's subscribers: one that hears of them only once they have gone has
/// nothing to tell.
async fn is_known(t: &Target, channel: &str) {
    assert_eq!(t.look(&format!("/channels/{channel}"), "").await["occupied"], true);
}

async fn subscriber(t: &Target, channel: &str) -> Client {
    let mut client = t.connect().await;
    client.subscribe(channel).await;
    client
}

async fn member(t: &Target, channel: &str, id: &str) -> Client {
    let mut client = t.connect().await;
    client.join(channel, &json!({ "user_id": id }).to_string()).await;
    client
}

/// Fails unless the app has signed the body as it came.
fn is_signed(request: &Request) {
    let credentials = credentials();
    assert_eq!(request.header("X-Pusher-Key"), Some(credentials.key), "{request:?}");
    let signature = request.header("X-Pusher-Signature").expect("a signature");
    let body = std::str::from_utf8(&request.body).expect("UTF-8");
    assert!(Secret::new(credentials.secret).verify(&[body], signature), "{request:?}");
}

statements! {
    "WHK-01" "a webhook is JSON, and signed over the body as it is" CHANNELS, |t| {
        let _client = subscriber(&t, &unique("c")).await;
        let requests = t.receiver().reaches(1).await;
        let request = &requests[0];
        assert!(request.head.starts_with("POST /hook HTTP/1.1\r\n"), "{request:?}");
        assert_eq!(request.header("Content-Type"), Some("application/json"), "{request:?}");
        is_signed(request);
    }
    "WHK-02" "the body has its time in milliseconds and a list of one event" CHANNELS, |t| {
        let (channel, before) = (unique("c"), now());
        let _client = subscriber(&t, &channel).await;
        let body = t.receiver().reaches(1).await[0].json();
        let time_ms = body["time_ms"].as_u64().expect("an integer");
        assert_eq!(body, json!({ "time_ms": time_ms, "events": [occupied(&channel)] }));
        assert!((before..=now()).contains(&(time_ms / 1000)), "{body}");
    }
    "WHK-03" "the first subscriber occupies a channel, the second does not" CHANNELS, |t| {
        let (mut clients, mut expect) = (Vec::new(), Vec::new());
        for prefix in ["c", "private-", "presence-", "cache-", "private-encrypted-"] {
            let channel = unique(prefix);
            for id in ["1", "2"] {
                clients.push(match prefix {
                    "presence-" => member(&t, &channel, id).await,
                    _ => subscriber(&t, &channel).await,
                });
                t.receiver().hears(&occupied(&channel)).await;
            }
            expect.push(occupied(&channel));
        }
        assert_eq!(told(&t).await, expect);
    }
    "WHK-04" "the last to leave vacates a channel, once the delay is over" CHANNELS, |t| {
        for closes in [false, true] {
            let channel = unique("c");
            let (mut one, two) = (subscriber(&t, &channel).await, subscriber(&t, &channel).await);
            two.close().await;
            assert!(!told(&t).await.contains(&vacated(&channel)), "somebody is still there");
            let before = Instant::now();
            if closes { one.close().await } else { one.unsubscribe(&channel).await }
            t.receiver().hears(&vacated(&channel)).await;
            let last = t.receiver().requests().pop().expect("there are some");
            assert_eq!(last.events(), [vacated(&channel)]);
            let took = last.at - before;
            assert!(took >= DEBOUNCE && took < DEBOUNCE + Duration::from_secs(3), "{took:?}");
        }
    }
    "WHK-05" "who comes back within the delay has never left" CHANNELS, |t| {
        let channel = unique("c");
        let mut client = subscriber(&t, &channel).await;
        t.receiver().hears(&occupied(&channel)).await;
        client.unsubscribe(&channel).await;
        client.subscribe(&channel).await;
        assert_eq!(told(&t).await, [occupied(&channel)]);
        client.close().await;
        let client = subscriber(&t, &channel).await;
        assert_eq!(told(&t).await, [occupied(&channel)]);
        client.close().await;
        t.receiver().hears(&vacated(&channel)).await;
        let _client = subscriber(&t, &channel).await;
        assert_eq!(told(&t).await, [occupied(&channel), vacated(&channel), occupied(&channel)]);
    }
    "WHK-06" "a member comes with the first connection and goes with the last" MEMBERS, |t| {
        let channel = unique("presence-");
        let event = |name: &str, id: &str| json!({ "name": name, "channel": channel, "user_id": id });
        let both = [event("member_added", "stays"), event("member_added", "goes")];
        let _other = member(&t, &channel, "stays").await;
        let (one, two) = (member(&t, &channel, "goes").await, member(&t, &channel, "goes").await);
        one.close().await;
        assert_eq!(told(&t).await, both);
        two.close().await;
        let three = member(&t, &channel, "goes").await;
        assert_eq!(told(&t).await, both);
        three.close().await;
        let removed = event("member_removed", "goes");
        t.receiver().hears(&removed).await;
        assert_eq!(told(&t).await, [&both[..], &[removed]].concat());
    }
    "WHK-07" "a client event is told with its data as clients get it" CLIENT_EVENTS, |t| {
        let channel = unique("private-");
        let mut client = subscriber(&t, &channel).await;
        for (data, text) in [(json!({ "t": 1 }), r#"{"t":1}"#), (json!("é\""), "é\""), (json!(null), "null")] {
            client.send(&json!({ "event": "client-x", "channel": channel, "data": data })).await;
            let (name, socket) = ("client_event", &client.socket_id);
            let expect =
                json!({ "name": name, "channel": channel, "event": "client-x", "data": text, "socket_id": socket });
            t.receiver().hears(&expect).await;
        }
        let channel = unique("presence-");
        let mut client = member(&t, &channel, "7").await;
        client.send(&json!({ "event": "client-x", "channel": channel, "data": "d" })).await;
        t.receiver().hears(&json!({
            "name": "client_event",
            "channel": channel,
            "event": "client-x",
            "data": "d",
            "socket_id": client.socket_id,
            "user_id": "7",
        })).await;
        let mut stranger = t.connect().await;
        stranger.send(&json!({ "event": "client-x", "channel": channel, "data": "d" })).await;
        stranger.complains(true).await;
        assert_eq!(told(&t).await.len(), 4, "what is refused is not told");
    }
    "WHK-08" "five who find a cache channel empty at once are one miss" MISSES, |t| {
        let (channel, full) = (unique("cache-"), unique("cache-"));
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(t.connect().await);
        }
        for client in &mut clients {
            let wish = client.wish(&channel);
            client.send(&json!({ "event": "pusher:subscribe", "data": wish })).await;
        }
        for client in &mut clients {
            client.hears("pusher_internal:subscription_succeeded").await;
            client.hears("pusher:cache_miss").await;
        }
        t.publish(&full, "e", "x").await;
        clients[0].subscribe(&full).await;
        clients[0].hears("e").await;
        assert_eq!(told(&t).await, [json!({ "name": "cache_miss", "channel": channel })]);
    }
    "WHK-09" "the number of subscribers is an integer, and not told of presence channels" COUNTS, |t| {
        let channel = unique("c");
        let expect = |count| json!({ "name": "subscription_count", "channel": channel, "subscription_count": count });
        let _one = subscriber(&t, &channel).await;
        t.receiver().hears(&expect(1)).await;
        let mut two = subscriber(&t, &channel).await;
        t.receiver().hears(&expect(2)).await;
        let _member = member(&t, &unique("presence-"), "1").await;
        two.unsubscribe(&channel).await;
        t.receiver().reaches(3).await;
        assert_eq!(told(&t).await, [expect(1), expect(2), expect(1)]);
    }
    "WHK-10" "what is refused comes again, the same, after pauses that grow" CHANNELS, |t| {
        let channel = unique("c");
        t.receiver().answers([Reply::status(500), Reply::status(404), Reply::status(200)]);
        let _client = subscriber(&t, &channel).await;
        let requests = t.receiver().reaches(3).await;
        for (n, pair) in requests.windows(2).enumerate() {
            assert_eq!(pair[0].head, pair[1].head);
            assert_eq!(pair[0].body, pair[1].body);
            let (paused, pause) = (pair[1].at - pair[0].at, Duration::from_secs(RETRIES[n].into()));
            assert!(paused >= pause.mul_f64(0.8) && paused < pause * 2, "{paused:?} before attempt {}", n + 2);
        }
        requests.iter().for_each(is_signed);
        assert_eq!(told(&t).await, vec![occupied(&channel); 3]);
    }
    "WHK-11" "any status from 200 to 299 will do" CHANNELS, |t| {
        t.receiver().answers([204, 201, 299, 200].map(Reply::status));
        let (mut clients, mut expect) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let channel = unique("c");
            clients.push(subscriber(&t, &channel).await);
            t.receiver().hears(&occupied(&channel)).await;
            expect.push(occupied(&channel));
        }
        assert_eq!(told(&t).await, expect);
    }
    "WHK-12" "several events come in one body where they may, and its signature is over all of it" BATCHES, |t| {
        let mut client = t.connect().await;
        let mut channels: Vec<_> = (0..20).map(|_| unique("c")).collect();
        for channel in &channels {
            let wish = client.wish(channel);
            client.send(&json!({ "event": "pusher:subscribe", "data": wish })).await;
        }
        let mut told = told(&t).await;
        told.sort_by_key(|event| event["channel"].to_string());
        channels.sort();
        assert_eq!(told, channels.iter().map(|channel| occupied(channel)).collect::<Vec<_>>());
        let requests = t.receiver().requests();
        assert!(requests.iter().any(|request| request.events().len() > 1), "{requests:#?}");
        requests.iter().for_each(is_signed);
    }
    "WHK-13" "a receiver that does not answer delays nobody" ALL_KINDS, |t| {
        let channel = unique("private-");
        t.receiver().answers([Reply::never()]);
        let (mut one, mut two) = (subscriber(&t, &channel).await, subscriber(&t, &channel).await);
        let first = t.receiver().reaches(1).await.remove(0);
        for n in 0..5 {
            let data = json!({ "n": n }).to_string();
            one.send(&json!({ "event": "client-x", "channel": channel, "data": data })).await;
            assert_eq!(two.hears("client-x").await["data"], data);
            t.publish(&channel, "e", &data).await;
            assert_eq!(one.hears("e").await["data"], data);
            assert_eq!(two.hears("e").await["data"], data);
        }
        let requests = t.receiver().requests();
        let again = requests.iter().filter(|request| request.body == first.body).count();
        assert_eq!(again, 1, "it was waited for all the time");
    }
    "WHK-14" "an endpoint is told of nothing that it does not list" ENDS, |t| {
        let (channel, room) = (unique("private-cache-"), unique("presence-"));
        let (mut one, two) = (subscriber(&t, &channel).await, member(&t, &room, "1").await);
        one.hears("pusher:cache_miss").await;
        one.send(&json!({ "event": "client-x", "channel": channel, "data": {} })).await;
        one.hears_nothing().await;
        is_known(&t, &room).await;
        is_known(&t, &channel).await;
        two.close().await;
        t.receiver().hears(&vacated(&room)).await;
        one.close().await;
        t.receiver().hears(&vacated(&channel)).await;
        assert_eq!(told(&t).await, [vacated(&room), vacated(&channel)]);
    }
    "WHK-15" "nothing is told of users' own channels" ALL_KINDS, |t| {
        let mut client = t.connect().await.signed_in(r#"{"id":"1"}"#).await;
        client.subscribe("#server-to-user-1").await;
        client.unsubscribe("#server-to-user-1").await;
        client.subscribe("#server-to-user-1").await;
        client.close().await;
        assert!(told(&t).await.is_empty());
    }
}
