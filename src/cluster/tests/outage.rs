//! What becomes of links that are cut.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_outage_loses_no_event_and_nobody() {
    let [a, b, c] = three().await;
    let (one, two) = (a.subscribe("presence-x", Some("one")).await, b.subscribe("presence-x", Some("two")).await);
    eventually("both are known", || c.users("presence-x").len() == 2).await;
    one.heard();
    two.heard();
    for node in [&a, &b, &c] {
        node.link.cut();
    }
    eventually("the links are down", || !a.cluster.is_up()).await;
    a.publish("presence-x", "meanwhile");
    assert_eq!(one.heard(), ["meanwhile"]);
    let new = b.subscribe("presence-x", Some("new")).await;
    sleep(Duration::from_secs(20)).await;
    assert!(a.cluster.accepts());
    assert_eq!(a.users("presence-x"), set(&["one", "two"]), "nobody is taken for dead");
    for node in [&a, &b, &c] {
        node.link.mend();
    }
    let all = set(&["new", "one", "two"]);
    let took = eventually("all agree", || [&a, &b, &c].iter().all(|node| node.users("presence-x") == all)).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(one.heard(), [r#"member_added {"user_id":"new","user_info":{}}"#]);
    let mut heard = Vec::new();
    let took = eventually("the event has come", || {
        heard.extend(two.heard());
        heard == [r#"member_added {"user_id":"new","user_info":{}}"#, "meanwhile"]
    })
    .await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    drop(new);
    a.link.cut();
    a.publish("x", "too old");
    sleep(Duration::from_secs(31)).await;
    assert!(!a.cluster.accepts());
    a.link.mend();
    eventually("it is handed over", || a.cluster.accepts()).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_cut_off_alone_misses_nothing() {
    let [a, b, c] = three().await;
    let (two, three) = (b.subscribe("x", None).await, c.subscribe("x", None).await);
    a.publish("x", "before");
    eventually("it has come", || two.heard() == ["before"]).await;
    a.publish("other", "before anybody is interested");
    sleep(Duration::from_secs(5)).await;
    b.link.cut();
    eventually("the link is down", || !b.cluster.is_up()).await;
    let mut expect = Vec::new();
    for n in 0..1000 {
        a.publish("x", &format!("a{n}"));
        c.publish("x", &format!("c{n}"));
        expect.push(n.to_string());
        sleep(Duration::from_millis(10)).await;
    }
    let newcomer = c.subscribe("other", None).await;
    b.link.mend();
    let mut heard = Vec::new();
    for n in 1000..1100 {
        a.publish("x", &format!("a{n}"));
        c.publish("x", &format!("c{n}"));
        expect.push(n.to_string());
        sleep(Duration::from_millis(10)).await;
    }
    let took = eventually("all has come", || {
        heard.extend(two.heard());
        heard.len() >= 2200
    })
    .await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    for node in ["a", "c"] {
        let of_node: Vec<_> = heard.iter().filter_map(|data| data.strip_prefix(node)).collect();
        assert_eq!(of_node, expect, "{node}");
    }
    sleep(Duration::from_secs(5)).await;
    assert_eq!((two.heard(), newcomer.heard()), (Vec::new(), Vec::new()));
    assert_eq!(three.heard().len(), 1 + 2200, "nobody else hears anything twice");
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_link_counts_as_up_does_not_hide_what_was_missed() {
    let [a, b, _c] = three().await;
    let client = b.subscribe("x", None).await;
    b.link.cut();
    eventually("the link is down", || !b.cluster.is_up()).await;
    a.publish("x", "missed");
    sleep(Duration::from_secs(1)).await;
    b.link.half_mend();
    a.publish("x", "early");
    sleep(Duration::from_secs(5)).await;
    b.link.mend();
    a.publish("x", "after");
    let mut heard = Vec::new();
    eventually("all has come", || {
        heard.extend(client.heard());
        heard.len() == 3
    })
    .await;
    assert_eq!(heard, ["missed", "early", "after"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_could_not_hear_the_question_either_repeats_what_was_missed() {
    let [a, b, _c] = three().await;
    let client = a.subscribe("x", None).await;
    let _other = b.subscribe("y", None).await;
    sleep(Duration::from_secs(5)).await;
    a.link.cut();
    b.publish("x", "missed");
    sleep(Duration::from_millis(100)).await;
    b.link.cut();
    sleep(Duration::from_secs(8)).await;
    // The signs of life of the one come back to it before the other is there.
    a.link.mend();
    sleep(Duration::from_millis(300)).await;
    // It loses the link again while it still waits.
    a.link.cut();
    sleep(Duration::from_millis(300)).await;
    a.link.mend();
    sleep(Duration::from_millis(300)).await;
    b.link.mend();
    let mut heard = Vec::new();
    eventually("it has come", || {
        heard.extend(client.heard());
        !heard.is_empty()
    })
    .await;
    assert_eq!(heard, ["missed"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_node_said_that_started_meanwhile_is_repeated_too() {
    let bus = Bus::default();
    let [a, _b] = [1, 2].map(|id| Node::start(&bus, id, None));
    let client = a.subscribe("x", None).await;
    sleep(Duration::from_secs(5)).await;
    a.link.cut();
    let c = Node::start(&bus, 3, None);
    sleep(Duration::from_secs(1)).await;
    c.publish("x", "1");
    sleep(Duration::from_secs(1)).await;
    a.link.mend();
    c.publish("x", "2");
    sleep(Duration::from_secs(1)).await;
    c.publish("x", "3");
    let mut heard = Vec::new();
    eventually("it has come", || {
        heard.extend(client.heard());
        heard.iter().any(|data| data == "3")
    })
    .await;
    assert_eq!(heard, ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn what_ends_connections_is_repeated_too() {
    let [a, b, _] = three().await;
    let client = b.subscribe("x", None).await;
    b.link.cut();
    eventually("the link is down", || !b.cluster.is_up()).await;
    a.cluster.end_channel(APP, &name("x"));
    sleep(Duration::from_secs(1)).await;
    b.link.mend();
    eventually("the subscriber is ended", || client.connection.outbox().is_cut()).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_holds_nobody_up() {
    let [a, b, c] = three().await;
    let client = b.subscribe("x", None).await;
    b.link.cut();
    eventually("the link is down", || !b.cluster.is_up()).await;
    c.kill();
    a.publish("x", "missed");
    b.link.mend();
    let took = eventually("it has come", || client.heard() == ["missed"]).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn users_who_are_subscribed_to_nothing_are_ended_after_an_outage_too() {
    let [a, b, _c] = three().await;
    let user = UserId::new("1");
    let sign_in = crate::hub::SignIn { user: &user, watch: &[], answers: &[], at: std::time::SystemTime::UNIX_EPOCH };
    let signed_in = b.hub.register(None, now()).unwrap();
    signed_in.sign_in(sign_in);
    eventually("the user is known", || a.hub.user(&user).is_some()).await;
    b.link.cut();
    eventually("the link is down", || !b.cluster.is_up()).await;
    a.cluster.end_user(APP, &user);
    sleep(Duration::from_secs(1)).await;
    b.link.mend();
    eventually("the user is ended", || signed_in.outbox().is_cut()).await;
}

#[tokio::test(start_paused = true)]
async fn newcomers_find_the_last_event_after_an_outage_in_which_others_came() {
    let [a, _b, c] = three().await;
    a.publish("cache-x", "last");
    eventually("the bus has it", || a.cluster.0.outgoing.bytes() == 0).await;
    sleep(Duration::from_secs(60)).await;
    c.link.cut();
    eventually("the link is down", || !c.cluster.is_up()).await;
    let early = c.subscribe("cache-x", None).await;
    c.link.mend();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(c.subscribe("cache-x", None).await.heard(), ["last"]);
    drop(early);
}

#[tokio::test(start_paused = true)]
async fn newcomers_after_an_outage_do_not_find_what_is_about_to_be_repeated() {
    let [a, _b, c] = three().await;
    c.link.cut();
    eventually("the link is down", || !c.cluster.is_up()).await;
    let early = c.subscribe("cache-x", None).await;
    sleep(Duration::from_secs(1)).await;
    a.publish("cache-x", "1");
    a.publish("cache-x", "2");
    sleep(Duration::from_secs(1)).await;
    // The one that repeats takes its time, as one on a busy machine does.
    a.running.send_replace(false);
    c.link.mend();
    let mut newcomers = Vec::new();
    for n in 0..200 {
        if n == 100 {
            a.running.send_replace(true);
        }
        newcomers.push(c.subscribe("cache-x", None).await);
        sleep(Duration::from_millis(10)).await;
    }
    let heard = |client: &Client| {
        let events = client.heard().into_iter().filter(|data| !data.contains("cache_miss"));
        events.collect::<Vec<_>>()
    };
    assert_eq!(heard(&early), ["1", "2"]);
    for (n, newcomer) in newcomers.iter().enumerate() {
        let heard = heard(newcomer);
        assert!(heard == ["1", "2"] || heard == ["2"], "newcomer {n}: {heard:?}");
    }
}

/// A node that stands still hears what it was asked too late, and what it was asked is measured from then.
#[tokio::test(start_paused = true)]
async fn a_node_that_stood_still_repeats_what_was_missed_before() {
    let bus = Bus::default();
    let [a, b] = [1, 2].map(|id| Node::start(&bus, id, None));
    eventually("the links are up", || a.cluster.is_up() && b.cluster.is_up()).await;
    let client = b.subscribe("x", None).await;
    a.publish("x", "before");
    eventually("it has come", || client.heard() == ["before"]).await;
    sleep(Duration::from_secs(3)).await;
    b.link.cut();
    eventually("the link is down", || !b.cluster.is_up()).await;
    a.publish("x", "missed");
    eventually("the bus has it", || a.cluster.0.outgoing.bytes() == 0).await;
    sleep(Duration::from_secs(2)).await;
    a.running.send_replace(false);
    b.link.mend();
    sleep(Duration::from_secs(13)).await;
    assert!(client.heard().is_empty());
    a.running.send_replace(true);
    a.publish("x", "after");
    let mut heard = Vec::new();
    eventually("all has come", || {
        heard.extend(client.heard());
        heard == ["missed", "after"]
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_several_nodes_repeat_leaves_the_last_event_of_all() {
    let [a, b, c] = three().await;
    let clients = [c.subscribe("cache-x", None).await, c.subscribe("cache-y", None).await];
    c.link.cut();
    eventually("the link is down", || !c.cluster.is_up()).await;
    for (node, channel, text) in
        [(&a, "cache-x", "ax"), (&b, "cache-y", "by"), (&b, "cache-x", "bx"), (&a, "cache-y", "ay")]
    {
        node.publish(channel, text);
        sleep(Duration::from_millis(100)).await;
    }
    c.link.mend();
    sleep(Duration::from_secs(5)).await;
    for (client, channel, texts) in [(&clients[0], "cache-x", ["ax", "bx"]), (&clients[1], "cache-y", ["by", "ay"])] {
        let heard = client.heard();
        assert!(texts.iter().all(|text| heard.iter().any(|heard| heard == text)), "{heard:?}");
        assert_eq!(c.subscribe(channel, None).await.heard(), [texts[1]], "{channel}");
    }
}

/// A node without a connection of its own (a publisher) that comes back half a second after another one.
#[tokio::test(start_paused = true)]
async fn a_publisher_without_clients_repeats_what_was_missed() {
    let [a, b, _c] = three().await;
    let client = a.subscribe("x", None).await;
    sleep(Duration::from_secs(5)).await;
    a.link.cut();
    eventually("the link is down", || !a.cluster.is_up()).await;
    b.publish("x", "missed");
    sleep(Duration::from_millis(100)).await;
    b.link.cut();
    sleep(Duration::from_secs(8)).await;
    b.publish("x", "waits");
    a.link.mend();
    sleep(Duration::from_millis(500)).await;
    b.link.mend();
    let mut heard = Vec::new();
    let took = eventually("it has come", || {
        heard.extend(client.heard());
        heard.iter().any(|data| data == "waits")
    })
    .await;
    assert_eq!(heard, ["missed", "waits"], "after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// The same, and nothing was missed at all: the bus was away for everybody at the same time.
#[tokio::test(start_paused = true)]
async fn what_waited_comes_at_once_and_nothing_counts_as_lost() {
    let [a, b, c] = three().await;
    let client = a.subscribe("x", None).await;
    sleep(Duration::from_secs(5)).await;
    for node in [&a, &b, &c] {
        node.link.cut();
    }
    sleep(Duration::from_secs(8)).await;
    b.publish("x", "waits");
    a.link.mend();
    c.link.mend();
    sleep(Duration::from_millis(100)).await;
    b.link.mend();
    let mut heard = Vec::new();
    let took = eventually("it has come", || {
        heard.extend(client.heard());
        !heard.is_empty()
    })
    .await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!((a.cluster.0.metrics.bus_lost_total.get(), took < Duration::from_secs(1)), (0, true), "{took:?}");
}

/// What was ended before a connection was made does not end it.
#[tokio::test(start_paused = true)]
async fn whoever_signs_in_after_the_end_is_spared() {
    let [a, b, _c] = three().await;
    for node in [&a, &b] {
        node.link.cut();
    }
    eventually("the links are down", || !a.cluster.is_up() && !b.cluster.is_up()).await;
    let user = UserId::new("1");
    a.cluster.end_user(APP, &user);
    sleep(Duration::from_secs(8)).await;
    let sign_in = crate::hub::SignIn { user: &user, watch: &[], answers: &[], at: std::time::SystemTime::UNIX_EPOCH };
    let signed_in = b.hub.register(None, now()).unwrap();
    signed_in.sign_in(sign_in);
    sleep(Duration::from_secs(2)).await;
    a.link.mend();
    b.link.mend();
    sleep(Duration::from_secs(5)).await;
    assert!(!signed_in.outbox().is_cut());
}

/// A node that stops in an orderly way while it is asked to repeat does so first, or the loss is counted.
#[tokio::test(start_paused = true)]
async fn a_node_that_stops_repeats_first_or_its_loss_counts() {
    let [a, b, _c] = three().await;
    let client = b.subscribe("x", None).await;
    sleep(Duration::from_secs(5)).await;
    b.link.cut();
    eventually("the link is down", || !b.cluster.is_up()).await;
    for n in 0..10 {
        a.publish("x", &n.to_string());
    }
    sleep(Duration::from_secs(2)).await;
    b.link.mend();
    // The question is under way, or has just been heard.
    sleep(Duration::from_millis(20)).await;
    a.cluster.leave(Duration::from_secs(1)).await;
    a.kill();
    sleep(Duration::from_secs(20)).await;
    let (heard, lost) = (client.heard().len(), b.cluster.0.metrics.bus_lost_total.get());
    assert!(heard == 10 || lost > 0, "heard {heard} of 10, counted as lost: {lost}");
}

/// What is lost because a node died before it could repeat it is counted.
#[tokio::test(start_paused = true)]
async fn what_a_dead_node_did_not_repeat_counts_as_lost() {
    let [a, b, _c] = three().await;
    let client = b.subscribe("x", None).await;
    sleep(Duration::from_secs(5)).await;
    b.link.cut();
    eventually("the link is down", || !b.cluster.is_up()).await;
    a.publish("x", "missed");
    sleep(Duration::from_secs(2)).await;
    a.kill();
    b.link.mend();
    sleep(Duration::from_secs(70)).await;
    let (heard, lost) = (client.heard().len(), b.cluster.0.metrics.bus_lost_total.get());
    assert!(heard == 1 || lost > 0, "heard {heard} of 1, counted as lost: {lost}");
}

/// Much that was missed comes at once, and readers who keep up are not taken for slow.
#[tokio::test(start_paused = true)]
async fn what_was_missed_is_handed_out_at_the_pace_of_its_readers() {
    let [a, b, _c] = three().await;
    let client = b.subscribe("x", None).await;
    b.link.cut();
    eventually("the link is down", || !b.cluster.is_up()).await;
    let text = "x".repeat(4000);
    for _ in 0..200 {
        (0..25).for_each(|_| a.publish("x", &text));
        sleep(Duration::from_millis(10)).await;
    }
    b.link.mend();
    let mut heard = 0;
    while heard < 5000 && !client.connection.outbox().is_closed() {
        sleep(Duration::from_millis(1)).await;
        heard += client.heard().len();
    }
    assert_eq!(heard, 5000);
}
