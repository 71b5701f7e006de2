//! A bus that takes less than the apps' limits allow.

use super::log::Log;
use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_too_large_for_the_bus_keeps_nothing_else_from_being_told() {
    let (log, _guard) = Log::listen();
    let bus = Bus::bounded(1000);
    let a = Node::start(&bus, 1, Some("key"));
    eventually("it is warned of the limits", || log.lines("limits.max_user_info_bytes is 1024") == 1).await;
    let large = Member::introduced("large", &format!("{:?}", "x".repeat(1000))).unwrap();
    let connection = a.hub.register(None, now()).unwrap();
    let _large = a.hub.subscribe(&name("presence-x"), &connection, Some(&large), now()).unwrap();
    let mut small = Vec::new();
    for n in 0..50 {
        small.push(a.subscribe("presence-y", Some(&n.to_string())).await);
    }
    let b = Node::start(&bus, 2, Some("key"));
    eventually("the rest is known", || b.users("presence-y").len() == 50).await;
    assert!(b.cluster.others().iter().all(|(seen, _)| seen.is_known));
    sleep(Duration::from_secs(30)).await;
    assert_eq!(b.cluster.0.metrics.bus_gaps_total.get(), 1);
    assert_eq!(b.users("presence-x"), set(&[]));
    assert_eq!((log.lines("ERROR"), log.lines("app.id=\"app\" channel=\"presence-x\"")), (1, 1));
}
