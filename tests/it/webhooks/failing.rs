//! Receivers that do not take what they are told: it comes again, in its order, and nobody else waits for them.

use super::{say_at_once, subscribe};
use crate::support::{APP, Receiver, Reply, Request, TestServer, events, occupied};
use fanfare::app::{Endpoint, EventKind};
use fanfare::node::Status;
use std::time::Duration;

const OCCUPATIONS: [EventKind; 1] = [EventKind::ChannelOccupied];

/// Whether each endpoint has taken so many events, and nothing waits.
fn have_taken(count: u64) -> impl Fn(&[Status]) -> bool {
    move |all| all.iter().all(|one| one.health.delivered == count && one.health.waiting == 0)
}

#[tokio::test]
async fn whatever_is_no_success_comes_again_just_as_it_was() {
    let elsewhere = Receiver::start();
    let failures = [
        (Reply::status(500), "status 500"),
        (Reply::status(404), "status 404"),
        (Reply::redirect(&elsewhere.url()), "status 307: redirects are not followed"),
        (Reply::never(), "no answer within 1 s"),
        (Reply::late(Duration::from_millis(1500)), "no answer within 1 s"),
        (Reply::nothing(), "connection closed"),
        (Reply::half(), "connection closed"),
    ];
    let receivers: Vec<_> = failures.iter().map(|_| Receiver::start()).collect();
    for (receiver, (failure, _)) in receivers.iter().zip(&failures) {
        receiver.answers([failure.clone(), Reply::status(200)]);
    }
    let endpoints: Vec<_> = receivers.iter().map(|receiver| receiver.endpoint(&OCCUPATIONS)).collect();
    let server = TestServer::telling(&endpoints, |config| config.webhooks.timeout_secs = 1);
    let mut client = server.connect().await;
    client.subscribe("a").await;
    for receiver in &receivers {
        let requests = receiver.reaches(2).await;
        assert_eq!((&requests[0].head, &requests[0].body), (&requests[1].head, &requests[1].body));
        assert!(requests[1].at - requests[0].at >= Duration::from_millis(800), "it is not tried again at once");
    }
    let all = server.endpoints("all have taken it", have_taken(1)).await;
    for (status, (_, expect)) in all.iter().zip(&failures) {
        let [first, second] = &status.log[..] else { panic!("two attempts: {status:#?}") };
        let why = first.failure.as_deref().expect("a failure");
        assert!(why.contains(expect), "{why:?} does not say {expect:?}");
        assert_eq!((first.attempt, second.attempt, &second.failure), (1, 2, &None));
        assert_eq!(first.delivery, second.delivery);
        assert_eq!((status.health.attempts, status.health.failures), (2, 1));
    }
    // A later event shows that nothing came a third time.
    client.subscribe("b").await;
    for receiver in &receivers {
        assert_eq!(events(&receiver.reaches(3).await), [occupied("a"), occupied("a"), occupied("b")]);
    }
    assert_eq!(elsewhere.connections(), 0, "a redirect was followed");
}

#[tokio::test]
async fn an_answer_may_take_its_time() {
    let receiver = Receiver::start();
    receiver.answers([Reply::late(Duration::from_millis(500)), Reply::status(204)]);
    let server = TestServer::telling(&[receiver.endpoint(&OCCUPATIONS)], |config| config.webhooks.timeout_secs = 5);
    let mut client = server.connect().await;
    for channel in ["a", "b"] {
        client.subscribe(channel).await;
    }
    assert_eq!(events(&receiver.reaches(2).await), ["a", "b"].map(occupied));
    let all = server.endpoints("both are taken", have_taken(2)).await;
    assert_eq!((all[0].health.attempts, all[0].health.failures), (2, 0));
    assert_eq!(receiver.connections(), 1, "a connection serves again");
}

/// The status is what counts: what an endpoint says besides it need not come, nor end.
#[tokio::test]
async fn an_answer_whose_body_does_not_come_is_an_answer() {
    let receiver = Receiver::start();
    let silent = Reply { text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_owned(), ..Reply::status(200) };
    receiver.answers([silent, Reply::status(200)]);
    let server = TestServer::telling(&[receiver.endpoint(&OCCUPATIONS)], |config| config.webhooks.timeout_secs = 1);
    let mut client = server.connect().await;
    for channel in ["a", "b"] {
        client.subscribe(channel).await;
    }
    assert_eq!(events(&receiver.reaches(2).await), ["a", "b"].map(occupied));
}

#[tokio::test]
async fn one_that_does_not_answer_delays_no_other() {
    let (silent, receiver) = (Receiver::start(), Receiver::start());
    silent.answers([Reply::never()]);
    let endpoints = [silent.endpoint(&OCCUPATIONS), receiver.endpoint(&OCCUPATIONS)];
    let server = TestServer::telling(&endpoints, |_| {});
    let mut client = server.connect().await;
    let channels: Vec<_> = (0..100).map(|n| format!("c{n}")).collect();
    say_at_once(&mut client, channels.iter().map(|channel| subscribe(channel))).await;
    let expect: Vec<_> = channels.iter().map(|channel| occupied(channel)).collect();
    assert_eq!(receiver.hears(&expect[99]).await, expect);
    assert_eq!(events(&silent.reaches(1).await), expect[..1], "it was waited for all the time");
    let all = server.endpoints("one has taken all", |all| all[1].health.delivered == 100).await;
    assert_eq!((all[0].health.waiting, all[0].health.delivered), (100, 0));
    // Or the server would wait for it when it stops.
    drop(silent);
}

#[tokio::test]
async fn order_is_kept_through_failures() {
    let receiver = Receiver::start();
    receiver.answers([200, 503, 200, 500, 200].map(Reply::status));
    let server = TestServer::telling(&[receiver.endpoint(&OCCUPATIONS)], |_| {});
    let mut client = server.connect().await;
    say_at_once(&mut client, ["a", "b", "c", "d"].map(subscribe)).await;
    receiver.hears(&occupied("d")).await;
    let expect = ["a", "b", "b", "c", "c", "d"].map(occupied);
    assert_eq!(events(&receiver.requests()), expect);
}

#[tokio::test]
async fn a_batch_that_fails_comes_again_as_it_was_whatever_else_has_happened() {
    let receiver = Receiver::start();
    receiver.answers([Reply::nothing(), Reply::status(200)]);
    let endpoint = Endpoint { batch: true, ..receiver.endpoint(&OCCUPATIONS) };
    let server = TestServer::telling(&[endpoint], |_| {});
    let mut client = server.connect().await;
    say_at_once(&mut client, ["a", "b"].map(subscribe)).await;
    receiver.reaches(1).await;
    say_at_once(&mut client, ["c", "d"].map(subscribe)).await;
    receiver.hears(&occupied("d")).await;
    let requests = receiver.requests();
    assert_eq!((&requests[0].head, &requests[0].body), (&requests[1].head, &requests[1].body));
    let bodies: Vec<_> = requests[1..].iter().map(Request::events).collect();
    assert_eq!(bodies, [["a", "b"].map(occupied).to_vec(), ["c", "d"].map(occupied).to_vec()]);
}

#[tokio::test]
async fn what_is_given_up_is_kept_and_can_be_sent_after_all() {
    let (receiver, other) = (Receiver::start(), Receiver::start());
    receiver.answers([Reply::status(500)]);
    let endpoints = [receiver.endpoint(&OCCUPATIONS), other.endpoint(&OCCUPATIONS)];
    let server = TestServer::telling(&endpoints, |config| config.webhooks.retry_for_secs = 1);
    let mut client = server.connect().await;
    for channel in ["a", "b"] {
        client.subscribe(channel).await;
    }
    let all = server.endpoints("two dead letters", |all| all[0].dead == 2).await;
    assert_eq!((all[0].health.waiting, all[1].dead, all[1].health.delivered), (0, 0, 2));
    let webhooks = server.webhooks();
    let dead = webhooks.dead(APP).await.unwrap();
    let told: Vec<_> = dead.iter().map(|(endpoint, dead)| (endpoint, &*dead.event.channel, &*dead.why)).collect();
    assert_eq!(told, [(&all[0].id, "a", "status 500"), (&all[0].id, "b", "status 500")]);
    assert!(webhooks.dead("other").await.unwrap().is_empty());
    assert_eq!(server.sum(|node| node.metrics().webhook_dead_total.get()), 2);

    receiver.answers([Reply::status(200)]);
    let before = receiver.requests().len();
    assert_eq!(webhooks.replay(APP, Some(all[1].id.clone()), None).await, Ok(0));
    assert_eq!(webhooks.replay(APP, None, Some(vec![dead[1].1.event.id])).await, Ok(1));
    receiver.reaches(before + 1).await;
    assert_eq!(webhooks.dead(APP).await.unwrap().len(), 1);
    assert_eq!(webhooks.replay(APP, Some(all[0].id.clone()), None).await, Ok(1));
    let requests = receiver.reaches(before + 2).await;
    assert_eq!(events(&requests[before..]), ["b", "a"].map(occupied));
    assert!(webhooks.dead(APP).await.unwrap().is_empty());
    assert_eq!(webhooks.replay(APP, None, None).await, Ok(0));
    // It is told of what happens as if nothing had been.
    client.subscribe("c").await;
    assert_eq!(events(&receiver.reaches(before + 3).await[before + 2..]), [occupied("c")]);
    assert_eq!(events(&other.reaches(3).await), ["a", "b", "c"].map(occupied));
}

/// An endpoint may refuse one event and take all others.
#[tokio::test]
async fn what_waits_behind_one_that_is_given_up_is_tried() {
    let receiver = Receiver::start();
    receiver.answers([422, 200].map(Reply::status));
    let server = TestServer::telling(&[receiver.endpoint(&OCCUPATIONS)], |config| config.webhooks.retry_for_secs = 0);
    let mut client = server.connect().await;
    say_at_once(&mut client, ["a", "b", "c"].map(subscribe)).await;
    let all = server.endpoints("one dead letter", |all| all[0].dead == 1 && all[0].health.delivered == 2).await;
    assert_eq!(all[0].health.waiting, 0);
    assert_eq!(events(&receiver.requests()), ["a", "b", "c"].map(occupied));
}

#[tokio::test]
async fn what_is_too_much_to_wait_becomes_dead_letters_of_which_the_youngest_are_kept() {
    let (silent, receiver) = (Receiver::start(), Receiver::start());
    silent.answers([Reply::never()]);
    let endpoints = [silent.endpoint(&OCCUPATIONS), receiver.endpoint(&OCCUPATIONS)];
    let server = TestServer::telling(&endpoints, |config| {
        config.webhooks.queue_bytes = 1024;
        config.webhooks.dead_letters = 5;
    });
    let mut client = server.connect().await;
    for n in 0..20 {
        client.subscribe(&format!("c{n}")).await;
        receiver.reaches(n + 1).await;
    }
    let all = server.endpoints("dead letters", |all| all[0].dead == 5).await;
    let waiting = all[0].health.waiting;
    assert!(waiting > 0 && waiting < 5, "{waiting}");
    let dead = server.webhooks().dead(APP).await.unwrap();
    let told: Vec<_> = dead.iter().map(|(_, dead)| &*dead.event.channel).collect();
    assert_eq!(told, ["c15", "c16", "c17", "c18", "c19"]);
    assert!(dead[0].1.why.contains("as much as may waits"), "{}", dead[0].1.why);
    let forgotten = server.sum(|node| node.metrics().webhook_forgotten_total.get());
    assert_eq!(usize::try_from(forgotten).unwrap(), 20 - waiting - 5);
    // Or the server would wait for it when it stops.
    drop(silent);
}

/// What only this machine is meant to reach is not reached through an app's endpoints, however they name it.
#[tokio::test]
async fn an_address_that_is_not_public_is_not_connected_to_and_that_is_told() {
    let receiver = Receiver::start();
    let url = receiver.url();
    let named = url.replace("127.0.0.1", "localhost");
    let endpoints = [named.clone(), url.clone(), url.replace("127.0.0.1", "[::ffff:127.0.0.1]")];
    let endpoints = endpoints.map(|url| Endpoint { url, ..receiver.endpoint(&OCCUPATIONS) });
    let server = TestServer::telling(&endpoints, |config| config.apps[0].features.private_webhook_targets = false);
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let tried = |all: &[Status]| all.iter().all(|one| one.health.failures > 0);
    for status in server.endpoints("all are tried", tried).await {
        let why = status.log[0].failure.as_deref().expect("a failure");
        for part in ["is not an address of the public internet", "features.private_webhook_targets = true"] {
            assert!(why.contains(part), "{}: {why:?}", status.endpoint.url);
        }
    }
    assert_eq!(receiver.connections(), 0);
    drop((client, server));

    let server = TestServer::telling(&endpoints[..1], |_| {});
    let mut client = server.connect().await;
    client.subscribe("a").await;
    assert_eq!(receiver.reaches(1).await[0].header("host"), named.split('/').nth(2), "the name leads there");
}
