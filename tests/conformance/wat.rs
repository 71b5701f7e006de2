//! WAT: watchlists.

use crate::support::Needs::App;
use crate::support::{Client, Needs, Target, data, statements, unique};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ON: Needs = App { why: "needs an app with watchlists", config: "features = { watchlist = true }" };
const OFF: Needs = App { why: "needs an app without watchlists", config: "features = { watchlist = false }" };

async fn user(target: &Target, id: &str) -> Client {
    target.connect().await.signed_in(&json!({ "id": id }).to_string()).await
}

async fn watcher(target: &Target, watchlist: &[String]) -> Client {
    target.connect().await.signed_in(&json!({ "id": unique("w"), "watchlist": watchlist }).to_string()).await
}

/// What frames say of users, by id. Nobody may be told twice of the same user.
fn states(frames: &[Value]) -> BTreeMap<String, String> {
    let mut states = BTreeMap::new();
    for frame in frames.iter().filter(|frame| frame["event"] == "pusher_internal:watchlist_events") {
        for event in data(frame)["events"].as_array().expect("events") {
            for id in event["user_ids"].as_array().expect("user_ids") {
                let before = states.insert(id.as_str().unwrap().to_owned(), event["name"].as_str().unwrap().to_owned());
                assert!(before.is_none(), "{id} twice in {frames:?}");
            }
        }
    }
    states
}

fn expect<const N: usize>(states: [(&String, &str); N]) -> BTreeMap<String, String> {
    states.into_iter().map(|(id, state)| (id.clone(), state.to_owned())).collect()
}

statements! {
    "WAT-01" "a watcher is told who is online and who is not" ON, |t| {
        let (a, b) = (unique("a"), unique("b"));
        let _a = user(&t, &a).await;
        let mut watcher = watcher(&t, &[a.clone(), b.clone()]).await;
        assert_eq!(states(&watcher.drain().await), expect([(&a, "online"), (&b, "offline")]));
    }
    "WAT-02" "a watcher is told of who signs in later, and of nobody else" ON, |t| {
        let (a, b) = (unique("a"), unique("b"));
        let mut watcher = watcher(&t, &[a.clone(), b.clone()]).await;
        watcher.drain().await;
        let _b = user(&t, &b).await;
        assert_eq!(states(&watcher.drain().await), expect([(&b, "online")]));
    }
    "WAT-03" "a second connection of a user is no news" ON, |t| {
        let b = unique("b");
        let _b = user(&t, &b).await;
        let mut watcher = watcher(&t, std::slice::from_ref(&b)).await;
        watcher.drain().await;
        let _tab = user(&t, &b).await;
        watcher.hears_nothing().await;
    }
    "WAT-04" "the end of a user's last connection is" ON, |t| {
        let b = unique("b");
        let (one, two) = (user(&t, &b).await, user(&t, &b).await);
        let mut watcher = watcher(&t, std::slice::from_ref(&b)).await;
        watcher.drain().await;
        one.close().await;
        watcher.hears_nothing().await;
        two.lose().await;
        let mut frames = vec![watcher.next().await];
        frames.extend(watcher.drain().await);
        assert_eq!(states(&frames), expect([(&b, "offline")]));
    }
    "WAT-05" "the 101st id is refused with 4302 and not watched" ON, |t| {
        let ids: Vec<_> = (0..101).map(|n| unique(&n.to_string())).collect();
        let mut watcher = watcher(&t, &ids).await;
        let frames = watcher.drain().await;
        let errors: Vec<_> = frames.iter().filter(|frame| frame["event"] == "pusher:error").collect();
        assert_eq!(errors.iter().map(|frame| &frame["data"]["code"]).collect::<Vec<_>>(), [4302], "{frames:?}");
        assert_eq!(states(&frames).len(), 100);
        let _last = user(&t, &ids[100]).await;
        watcher.hears_nothing().await;
    }
    "WAT-06" "the frame has no channel and a string for data" ON, |t| {
        let mut watcher = watcher(&t, &[unique("a")]).await;
        let frame = watcher.hears("pusher_internal:watchlist_events").await;
        assert!(frame.get("channel").is_none() && frame["data"].is_string(), "{frame}");
        let events = data(&frame)["events"].clone();
        assert!(events[0]["name"].is_string() && events[0]["user_ids"][0].is_string(), "{events}");
    }
    "WAT-07" "without the feature a sign-in succeeds and nothing is told" OFF, |t| {
        let mut watcher = watcher(&t, &[unique("a")]).await;
        watcher.hears_nothing().await;
    }
}
