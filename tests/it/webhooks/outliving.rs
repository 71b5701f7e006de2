//! What is to be told outlives the server that decided to.

use super::{say_at_once, subscribe, unsubscribe};
use crate::support::{APP, Receiver, Reply, TestServer, events, occupied, vacated};
use fanfare::app::EventKind;
use std::path::{Path, PathBuf};

const CHANNELS: [EventKind; 2] = [EventKind::ChannelOccupied, EventKind::ChannelVacated];

/// A folder for a journal, gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn telling(&self, receiver: &Receiver) -> TestServer {
        let endpoint = receiver.endpoint(&CHANNELS);
        TestServer::telling(&[endpoint], |config| config.webhooks.journal = self.0.join("journal"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[tokio::test]
async fn who_comes_and_goes_as_soon_as_the_server_runs_is_told_of() {
    let (folder, receiver) = (Folder::new("at-once"), Receiver::start());
    let server = folder.telling(&receiver);
    let mut client = server.connect().await;
    say_at_once(&mut client, [subscribe("a"), unsubscribe("a")]).await;
    assert_eq!(events(&receiver.reaches(2).await), [occupied("a"), vacated("a")]);
}

/// Stops the server, or has it end as a crash does.
async fn what_was_not_taken_comes_from_the_next_server(ends: impl Fn(TestServer)) {
    let (folder, receiver) = (Folder::new("restart"), Receiver::start());
    receiver.answers([Reply::status(200), Reply::status(500)]);
    let server = folder.telling(&receiver);
    let mut client = server.connect().await;
    client.subscribe("a").await;
    client.subscribe("b").await;
    let refused = receiver.reaches(2).await.remove(1);
    drop(client);
    ends(server);

    receiver.answers([Reply::status(200)]);
    let before = receiver.requests().len();
    let server = folder.telling(&receiver);
    let mut client = server.connect().await;
    client.subscribe("b").await;
    client.subscribe("c").await;
    let requests = receiver.until("the end of a", |all| events(all).contains(&vacated("a"))).await;
    // What was taken just before a crash may come twice.
    let news: Vec<_> = requests[before..].iter().filter(|one| one.body != requests[0].body).cloned().collect();
    assert_eq!((&news[0].head, &news[0].body), (&refused.head, &refused.body));
    assert_eq!(events(&news), [occupied("b"), occupied("c"), vacated("a")]);
}

#[tokio::test]
async fn what_was_not_taken_before_a_stop_comes_again_and_what_ended_with_it_is_told() {
    what_was_not_taken_comes_from_the_next_server(drop).await;
}

#[tokio::test]
async fn what_was_not_taken_before_a_crash_comes_again_and_what_ended_with_it_is_told() {
    what_was_not_taken_comes_from_the_next_server(|mut server| server.kill(0)).await;
}

#[tokio::test]
async fn without_a_journal_a_stop_tells_what_ends_with_it() {
    let receiver = Receiver::start();
    let server = TestServer::telling(&[receiver.endpoint(&CHANNELS)], |config| config.webhooks.debounce_ms = 60_000);
    let mut client = server.connect().await;
    client.subscribe("a").await;
    receiver.reaches(1).await;
    drop((client, server));
    assert_eq!(events(&receiver.requests()), [occupied("a"), vacated("a")]);
}

#[tokio::test]
async fn a_journal_is_taken_over_once_its_server_has_ended() {
    let (folder, receiver) = (Folder::new("both"), Receiver::start());
    let (first, second) = (folder.telling(&receiver), folder.telling(&receiver));
    let (mut one, mut two) = (first.connect().await, second.connect().await);
    two.subscribe("b").await;
    one.subscribe("a").await;
    one.subscribe("gone").await;
    one.unsubscribe("gone").await;
    receiver.hears(&vacated("gone")).await;
    let before = [occupied("a"), occupied("gone"), vacated("gone")];
    assert_eq!(events(&receiver.requests()), before, "the second tells nothing yet");
    two.subscribe("a").await;
    drop((one, first));
    assert_eq!(receiver.hears(&occupied("b")).await, [&before[..], &[occupied("b")]].concat());
    two.unsubscribe("b").await;
    two.unsubscribe("a").await;
    receiver.hears(&vacated("a")).await;
    let ends = [vacated("b"), vacated("a")];
    assert_eq!(events(&receiver.requests()), [&before[..], &[occupied("b")], &ends].concat());
}

#[tokio::test]
async fn what_ends_while_another_process_takes_over_is_not_told_by_the_one_that_stops() {
    let (folder, receiver) = (Folder::new("handed-over"), Receiver::start());
    let mut first = TestServer::telling(&[receiver.endpoint(&CHANNELS)], |config| {
        config.webhooks.journal = folder.0.join("journal");
        config.server.reuse_port = true;
        // Longer than endings wait.
        config.server.drain_delay_secs = 1;
    });
    let mut client = first.connect().await;
    client.subscribe("a").await;
    client.subscribe("b").await;
    receiver.reaches(2).await;
    first.begin_stop().await;
    client.unsubscribe("a").await;
    client.unsubscribe("b").await;
    assert_eq!(client.closed_in_the_end().await, 4200);
    drop((client, first));
    let before = [occupied("a"), occupied("b")];
    assert_eq!(events(&receiver.requests()), before);
    let second = folder.telling(&receiver);
    let mut client = second.connect().await;
    client.subscribe("b").await;
    receiver.hears(&vacated("a")).await;
    assert_eq!(events(&receiver.requests()), [&before[..], &[vacated("a")]].concat());
}

/// An endpoint is known by its URL.
#[tokio::test]
async fn dead_letters_of_an_endpoint_that_is_gone_stay_until_it_is_back() {
    let (folder, receiver, other) = (Folder::new("gone"), Receiver::start(), Receiver::start());
    receiver.answers([Reply::status(500)]);
    let telling = |receiver: &Receiver| {
        TestServer::telling(&[receiver.endpoint(&CHANNELS)], |config| {
            config.webhooks.journal = folder.0.join("journal");
            config.webhooks.retry_for_secs = 0;
        })
    };
    let server = telling(&receiver);
    let mut client = server.connect().await;
    client.subscribe("a").await;
    server.endpoints("a dead letter", |all| all[0].dead == 1).await;
    drop((client, server));
    let server = telling(&receiver);
    server.endpoints("the end is one, too", |all| all[0].dead == 2).await;
    drop(server);
    // Each start writes the journal anew.
    drop(telling(&receiver));

    let server = telling(&other);
    assert_eq!(server.webhooks().replay(APP, None, None).await, Ok(0));
    drop(server);

    receiver.answers([Reply::status(200)]);
    let server = telling(&receiver);
    let before = receiver.requests().len();
    assert_eq!(server.webhooks().replay(APP, None, None).await, Ok(2));
    assert_eq!(events(&receiver.reaches(before + 2).await[before..]), [occupied("a"), vacated("a")]);
}
