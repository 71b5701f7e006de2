//! Stopping under load.

use super::{env, place, publish, serve};
use crate::binary::Folder;
use crate::support::{Client, Http, KEY, connect};
use tokio::task::JoinSet;
use tokio::time::Instant;

const CLIENTS: usize = 2000;
const WINDOW: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_connections_are_closed_over_the_window_in_random_order() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let folder = Folder::new(&env(""));
    let mut server = serve(&folder, &["--drain-delay", "1", "--drain-window", &WINDOW.to_string()]);
    let place = place(&server);
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let mut client = connect(place.into()).await;
        clients.spawn(async move {
            let code = client.closed_in_the_end().await;
            (n, code, Instant::now())
        });
    }
    let mut http = Http::connect(place).await;
    assert_eq!(http.request("GET", "/ready", "").await.status, 200);
    server.signal("-TERM");
    while http.request("GET", "/ready", "").await.status == 200 {}
    // The delay: everything else is as before.
    let mut late = Client::connect(place, &format!("/app/{KEY}?protocol=7")).await;
    let mut closed = vec![clients.join_next().await.unwrap().unwrap()];
    // The window: no new connections, and events still reach those who are there.
    let refused = Http::connect(place).await.upgrade(&format!("/app/{KEY}")).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(publish(place, "a").await, 200);
    while let Some(client) = clients.join_next().await {
        closed.push(client.unwrap());
    }
    assert_eq!(late.closed().await.0, 4200);
    drop(late);
    assert!(closed.iter().all(|(_, code, _)| *code == 4200));
    let start = closed.iter().map(|(.., at)| *at).min().unwrap();
    let mut each_second = vec![0; 60];
    closed.iter().for_each(|(.., at)| each_second[at.duration_since(start).as_secs() as usize] += 1);
    // An even rate is 500 a second; this machine may be busy.
    assert!(each_second.iter().all(|count| *count <= 1000), "{each_second:?}");
    assert!(each_second.iter().filter(|count| **count > 0).count() >= WINDOW as usize - 1, "{each_second:?}");
    let order: Vec<_> = closed.iter().map(|(n, ..)| *n).collect();
    let ascending = order.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((CLIENTS / 3..CLIENTS * 2 / 3).contains(&ascending), "{ascending} of {CLIENTS} in the order they came");
    let (status, out) = server.ended();
    assert_eq!(status.code(), Some(0), "{out}");
}

#[tokio::test]
async fn a_second_signal_hastens() {
    let folder = Folder::new(&env(""));
    let mut server = serve(&folder, &["--drain-delay", "3000", "--drain-window", "3000"]);
    let mut client = connect(place(&server).into()).await;
    server.signal("-TERM");
    server.wait_for("Gracefully terminating connections.");
    client.hears_nothing().await;
    server.signal("-INT");
    assert_eq!(client.closed().await.0, 4200);
    drop(client);
    let (status, out) = server.ended();
    assert_eq!(status.code(), Some(0), "{out}");
    assert!(out.contains("Terminating connections now."), "{out}");
}

#[tokio::test]
async fn a_third_signal_ends_it_at_once() {
    let folder = Folder::new(&env(""));
    let mut server = serve(&folder, &["--drain-delay", "3000"]);
    // It never hangs up, and so would be waited for.
    let deaf = connect(place(&server).into()).await;
    server.signal("-TERM");
    server.wait_for("Gracefully terminating connections.");
    server.signal("-TERM");
    server.wait_for("Terminating connections now.");
    server.signal("-TERM");
    assert_eq!(server.ended().0.code(), Some(0));
    drop(deaf);
}
