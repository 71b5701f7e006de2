//! What is to be told outlives the server that decided to.

use super::{say_at_once, subscribe, unsubscribe};
use crate::support::{Receiver, Reply, TestServer, events, occupied, vacated};
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

#[tokio::test]
async fn what_was_not_taken_comes_again_from_the_next_server_and_what_ended_meanwhile_is_told() {
    let (folder, receiver) = (Folder::new("restart"), Receiver::start());
    receiver.answers([Reply::status(200), Reply::status(500)]);
    let server = folder.telling(&receiver);
    let mut client = server.connect().await;
    client.subscribe("a").await;
    client.subscribe("b").await;
    let refused = receiver.reaches(2).await.remove(1);
    drop((client, server));

    receiver.answers([Reply::status(200)]);
    let before = receiver.requests().len();
    let server = folder.telling(&receiver);
    let mut client = server.connect().await;
    client.subscribe("b").await;
    client.subscribe("c").await;
    let requests = receiver.until("the end of a", |all| events(all).contains(&vacated("a"))).await;
    let requests = &requests[before..];
    assert_eq!((&requests[0].head, &requests[0].body), (&refused.head, &refused.body));
    assert_eq!(events(requests), [occupied("b"), occupied("c"), vacated("a")]);
}
