//! Presence and watchlists under any order of events, against the plainest model: who is where.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const CLIENTS: usize = 5;
const CHANNELS: [&str; 2] = ["presence-a", "presence-cache-b"];
const USERS: [&str; 3] = ["1", "2", "3"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Join { client: usize, channel: usize, user: usize },
    Leave { client: usize, channel: usize },
    SignIn { client: usize, user: usize },
    Disconnect { client: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (client, channel, user) = (0..CLIENTS, 0..CHANNELS.len(), 0..USERS.len());
    prop_oneof![
        4 => (client.clone(), channel.clone(), user.clone()).prop_map(|(client, channel, user)| Step::Join { client, channel, user }),
        3 => (client.clone(), channel).prop_map(|(client, channel)| Step::Leave { client, channel }),
        2 => (client.clone(), user).prop_map(|(client, user)| Step::SignIn { client, user }),
        1 => client.prop_map(|client| Step::Disconnect { client }),
    ]
}

/// A client that keeps what it is told, and what is true of it.
struct Seat {
    client: Client,
    rosters: BTreeMap<String, BTreeSet<String>>,
    online: BTreeSet<String>,
    joined: BTreeMap<String, &'static str>,
    user: Option<&'static str>,
}

impl Seat {
    fn new(node: &Arc<Node>) -> Self {
        let client = Client::connect(node, 7);
        Self { client, rosters: BTreeMap::new(), online: BTreeSet::new(), joined: BTreeMap::new(), user: None }
    }

    fn hear(&mut self, frames: Vec<Value>) {
        for frame in frames {
            let channel = frame["channel"].as_str().unwrap_or_default().to_owned();
            let data = frame["data"].as_str().map(|data| serde_json::from_str::<Value>(data).unwrap());
            let id = || data.as_ref().unwrap()["user_id"].as_str().unwrap().to_owned();
            let names =
                |list: &Value| list.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
            match frame["event"].as_str().unwrap() {
                "pusher_internal:subscription_succeeded" => {
                    let presence = &data.unwrap()["presence"];
                    let ids: BTreeSet<String> = names(&presence["ids"]);
                    assert_eq!(presence["count"], ids.len());
                    assert!(self.rosters.insert(channel, ids).is_none());
                }
                "pusher_internal:member_added" => {
                    assert!(self.rosters.get_mut(&channel).unwrap().insert(id()), "added twice: {frame}");
                }
                "pusher_internal:member_removed" => {
                    assert!(self.rosters.get_mut(&channel).unwrap().remove(&id()), "removed twice: {frame}");
                }
                "pusher_internal:watchlist_events" => {
                    for event in data.unwrap()["events"].as_array().unwrap() {
                        let ids: BTreeSet<String> = names(&event["user_ids"]);
                        match event["name"].as_str().unwrap() {
                            "online" => self.online.extend(ids),
                            _ => self.online.retain(|id| !ids.contains(id)),
                        }
                    }
                }
                "pusher:cache_miss" | "pusher:signin_success" => {}
                other => panic!("{other} was not asked for: {frame}"),
            }
        }
    }
}

fn take(seats: &mut [Seat], step: Step, node: &Arc<Node>) {
    match step {
        Step::Join { client, channel, user } => {
            let (seat, channel, user) = (&mut seats[client], CHANNELS[channel], USERS[user]);
            if !seat.joined.contains_key(channel) {
                seat.joined.insert(channel.to_owned(), user);
                let frames = seat.client.join(channel, user);
                seat.hear(frames);
            }
        }
        Step::Leave { client, channel } => {
            let (seat, channel) = (&mut seats[client], CHANNELS[channel]);
            if seat.joined.remove(channel).is_some() {
                let leave = json!({ "event": "pusher:unsubscribe", "data": { "channel": channel } });
                let frames = seat.client.say(&leave);
                seat.hear(frames);
                seat.rosters.remove(channel);
            }
        }
        Step::SignIn { client, user } => {
            let (seat, user) = (&mut seats[client], USERS[user]);
            if *seat.user.get_or_insert(user) == user {
                let frames = seat.client.sign_in(&json!({ "id": user, "watchlist": USERS }));
                seat.hear(frames);
            }
        }
        Step::Disconnect { client } => seats[client] = Seat::new(node),
    }
    for seat in seats {
        let frames = seat.client.frames();
        seat.hear(frames);
    }
}

proptest! {
    #[test]
    fn every_client_sees_what_is_true(steps in proptest::collection::vec(step(), 0..60)) {
        let node = node(|app| app.features.watchlist = true);
        let app = node.app("app-id").unwrap().clone();
        let mut seats: Vec<_> = (0..CLIENTS).map(|_| Seat::new(&node)).collect();
        for step in steps {
            take(&mut seats, step, &node);
            let online: BTreeSet<_> = seats.iter().filter_map(|seat| seat.user).map(str::to_owned).collect();
            prop_assert_eq!(node.stats(&app).users, online.len());
            for channel in CHANNELS {
                let joined = seats.iter().filter_map(|seat| seat.joined.get(channel));
                let members: BTreeSet<_> = joined.clone().map(|user| (*user).to_owned()).collect();
                let counts = node.counts(&app, &ChannelName::parse(channel, 164).unwrap());
                prop_assert_eq!((counts.subscriptions, counts.users), (joined.count(), members.len()));
                for seat in seats.iter().filter(|seat| seat.joined.contains_key(channel)) {
                    prop_assert_eq!(&seat.rosters[channel], &members);
                }
            }
            for seat in seats.iter().filter(|seat| seat.user.is_some()) {
                prop_assert_eq!(&seat.online, &online);
            }
        }
        drop(seats);
        prop_assert_eq!((node.connections(), node.channels(), node.stats(&app).users), (0, 0, 0));
    }
}
