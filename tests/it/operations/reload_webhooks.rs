//! Endpoints of webhooks that come, change and go while the server runs.

use super::place;
use crate::binary::{Folder, Running};
use crate::support::{Client, Receiver, Reply, Request, events, eventually, occupied, vacated};
use fanfare::protocol::signature::Secret;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The lines of an endpoint that is told of channels, within its app; `more` are further ones.
fn endpoint(receiver: &Receiver, more: &str) -> String {
    let url = receiver.url();
    format!("[[apps.webhooks]]\nurl = {url:?}\nevents = [\"channel_occupied\", \"channel_vacated\"]\n{more}\n")
}

/// Apps, each with its endpoints.
fn apps(apps: &[(&str, &[String])]) -> String {
    let app = |(id, endpoints): &(&str, &[String])| {
        let endpoints = endpoints.concat();
        format!("[[apps]]\nid = \"{id}\"\nkey = \"{id}-key\"\nsecret = \"{id}-secret\"\n{endpoints}")
    };
    apps.iter().map(app).collect()
}

/// A config file with these apps, each with its endpoints. `more` are lines of `[webhooks]`.
fn config(more: &str, all: &[(&str, &[String])]) -> String {
    let webhooks = "features.private_webhook_targets = true\nlimits.max_channels_per_connection = 100000\n[webhooks]\ndebounce_ms = 100\nretry_after_secs = [1]";
    format!("{webhooks}\n{more}\n{}", apps(all))
}

/// Whether a request bears the signature of this secret.
fn is_signed(request: &Request, secret: &str) -> bool {
    let signature = Secret::new(secret).sign(&[std::str::from_utf8(&request.body).unwrap()]);
    request.header("X-Pusher-Signature") == Some(&*signature)
}

/// A server that reads its config file when it is told to.
struct Server {
    folder: Folder,
    running: Running,
    reloads: usize,
}

impl Server {
    fn start(config: &str) -> Self {
        let folder = Folder::new("");
        folder.write("fanfare.toml", config);
        let args = ["serve", "--host", "127.0.0.1", "--port", "0", "--config", "fanfare.toml", "--drain-delay", "0"];
        let mut command = folder.fanfare(&args);
        command.stderr(folder.create("log"));
        Self { running: Running::start(command), folder, reloads: 0 }
    }

    /// Has it read this configuration, besides apps that tell one reading from another.
    async fn reload(&mut self, config: &str) {
        self.reloads += 1;
        let name = |n| format!("reload-{n}");
        let marks: Vec<_> = (1..=self.reloads).map(name).collect();
        let marks: Vec<_> = marks.iter().map(|name| (&**name, &[][..])).collect();
        self.folder.write("fanfare.toml", &format!("{config}{}", apps(&marks)));
        self.running.signal("-HUP");
        // The last of those that were added.
        self.logs(&format!("{}\"", name(self.reloads))).await;
    }

    /// Waits until the log says `what`.
    async fn logs(&self, what: &str) {
        eventually(what, || self.folder.read("log").contains(what)).await;
    }

    async fn client(&self, app: &str) -> Client {
        Client::connect(place(&self.running), &format!("/app/{app}-key?protocol=7")).await
    }

    /// What `fanfare webhooks` shows of the endpoints of an app.
    fn endpoints(&self, app: &str) -> Vec<Value> {
        let port = self.running.address.rsplit(':').next().unwrap().to_owned();
        let place = ["--config", "fanfare.toml", "--host", "127.0.0.1", "--port", &port];
        let output = self.folder.output(&[&["webhooks", "--json", "--app", app], &place[..]].concat());
        assert!(output.status.success(), "{output:?}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["endpoints"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn an_endpoint_comes_changes_moves_and_goes() {
    let mut server = Server::start(&config("", &[("a", &[])]));
    let (first, second) = (Receiver::start(), Receiver::start());
    let mut client = server.client("a").await;
    client.subscribe("before").await;
    assert!(server.endpoints("a").is_empty());
    assert!(!server.folder.path("fanfare-webhooks.journal").exists(), "nobody is told anything");

    // It hears what is so.
    server.reload(&config("", &[("a", &[endpoint(&first, "")])])).await;
    assert_eq!(first.hears(&occupied("before")).await, [occupied("before")]);
    assert!(server.folder.path("fanfare-webhooks.journal").exists());
    // What it gets changes with the next request.
    let changed = endpoint(&first, "headers = { X-Team = \"b\" }\nchannel_suffix = \"r\"");
    server.reload(&config("", &[("a", &[changed])]).replace("a-secret", "next-secret")).await;
    client.subscribe("nobody-hears").await;
    client.subscribe("after").await;
    let requests = first.reaches(2).await;
    assert_eq!((requests[0].header("X-Team"), requests[1].header("X-Team")), (None, Some("b")));
    assert_eq!(events(&requests[1..]), [occupied("after")]);
    assert!(is_signed(&requests[0], "a-secret") && is_signed(&requests[1], "next-secret"));

    // Beside it another one hears what happens from then on.
    server.reload(&config("", &[("a", &[endpoint(&first, ""), endpoint(&second, "")])])).await;
    assert_eq!(first.hears(&occupied("nobody-hears")).await.len(), 3, "now it wants to hear of that, too");
    client.subscribe("both").await;
    first.hears(&occupied("both")).await;
    assert_eq!(second.hears(&occupied("both")).await, [occupied("nobody-hears"), occupied("both")]);

    // One that is gone hears nothing more, and its connection is closed.
    server.reload(&config("", &[("a", &[endpoint(&second, "")])])).await;
    first.is_left().await;
    client.unsubscribe("both").await;
    assert_eq!(second.hears(&vacated("both")).await.last(), Some(&vacated("both")));
    assert_eq!(first.requests().len(), 4);
    let urls: Vec<_> = server.endpoints("a").iter().map(|endpoint| endpoint["url"].clone()).collect();
    assert_eq!(urls, [json!(second.url())]);
    let log = server.folder.read("log");
    assert!(!log.contains("restart the server") && !log.contains("looking at all of them"), "{log}");
}

/// Whoever mends an endpoint's settings may take it out for a while.
#[tokio::test]
async fn what_waits_for_an_endpoint_is_sent_once_it_is_back_as_it_is_then() {
    let receiver = Receiver::start();
    receiver.answers([Reply::status(500)]);
    let with = |more| config("", &[("a", &[endpoint(&receiver, more)])]);
    let mut server = Server::start(&with(""));
    let mut client = server.client("a").await;
    for channel in ["1", "2", "3"] {
        client.subscribe(channel).await;
    }
    receiver.reaches(2).await;
    server.reload(&config("", &[("a", &[])])).await;
    receiver.is_left().await;
    let before = receiver.requests().len();
    receiver.answers([Reply::status(200)]);
    client.subscribe("4").await;
    client.unsubscribe("3").await;
    server.reload(&with("headers = { X-Team = \"b\" }")).await;
    receiver.hears(&vacated("3")).await;
    let requests = &receiver.requests()[before..];
    assert_eq!(events(requests), [&["1", "2", "3", "4"].map(occupied)[..], &[vacated("3")]].concat());
    assert!(requests.iter().all(|request| request.header("X-Team") == Some("b")));
    // The same delivery, whatever goes with it.
    let delivery = |request: &Request| request.header("X-Fanfare-Delivery").map(str::to_owned);
    assert_eq!(delivery(&requests[0]), delivery(&receiver.requests()[0]));
    let [shown] = &server.endpoints("a")[..] else { panic!("there is one") };
    assert_eq!((&shown["delivered"], &shown["waiting"]), (&json!(5), &json!(0)));
    assert_eq!(shown["failures"], before, "it is counted on");
}

#[tokio::test]
async fn an_app_comes_with_its_endpoints_and_they_go_with_it() {
    let (receiver, other) = (Receiver::start(), Receiver::start());
    let stays = [endpoint(&other, "")];
    let (without, with) =
        (config("", &[("a", &stays)]), config("", &[("a", &stays), ("b", &[endpoint(&receiver, "")])]));
    let mut server = Server::start(&without);
    server.reload(&with).await;
    let mut client = server.client("b").await;
    client.subscribe("goes").await;
    client.subscribe("stays").await;
    receiver.hears(&occupied("stays")).await;
    server.reload(&without).await;
    assert_eq!(client.closed().await.0, 4001);
    receiver.is_left().await;
    // What happened meanwhile is told once somebody is told again.
    server.reload(&with).await;
    let mut client = server.client("b").await;
    client.subscribe("stays").await;
    client.subscribe("new").await;
    receiver.hears(&vacated("goes")).await;
    let told = events(&receiver.requests());
    assert_eq!(told[..2], [occupied("goes"), occupied("stays")]);
    assert!(told.contains(&occupied("new")));
    // It was back within the delay, or not.
    let of_stays: Vec<_> = told[2..].iter().filter(|event| event["channel"] == "stays").collect();
    assert!(of_stays.is_empty() || of_stays == [&vacated("stays"), &occupied("stays")], "{told:?}");
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_is_told_and_the_next_configuration_may_mend_it() {
    let receiver = Receiver::start();
    let with =
        |journal: &str| config(&format!("journal = {journal:?}"), &[("a", &[endpoint(&receiver, "")]), ("b", &[])]);
    let mut server = Server::start(&config("", &[("a", &[])]));
    let mut client = server.client("a").await;
    client.subscribe("a").await;
    server.reload(&with("missing/journal")).await;
    server.logs("no webhooks are sent: webhooks.journal is missing/journal, which cannot be written").await;
    assert!(server.endpoints("a").is_empty());
    // The rest is as configured.
    server.client("b").await.subscribe("b").await;
    server.reload(&with("journal")).await;
    assert_eq!(receiver.hears(&occupied("a")).await, [occupied("a")]);
    assert!(!server.folder.read("log").contains("restart the server"));
    // From now on there is one.
    server.reload(&with("another")).await;
    server.logs("webhooks.journal is configured in another way now: restart the server for it").await;
    client.subscribe("c").await;
    receiver.hears(&occupied("c")).await;
    assert!(server.folder.read("journal").contains("tell") && !server.folder.path("another").exists());
}

/// Others come and go all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_stays_loses_nothing_and_hears_nothing_twice() {
    const ROUNDS: usize = 12;
    let (stays, comes) = (Receiver::start(), Receiver::start());
    let with = |n: usize| {
        let team = format!("headers = {{ X-Team = \"{n}\" }}");
        let endpoints = [endpoint(&stays, &team), endpoint(&comes, "")];
        let app = |id, count| (id, &endpoints[..count]);
        match n % 3 {
            0 => config("", &[app("a", 1)]),
            1 => config("", &[app("a", 2), app("b", 1)]),
            _ => config("", &[app("b", 2), app("a", 1)]),
        }
    };
    let mut server = Server::start(&with(0));
    let mut client = server.client("a").await;
    let done = Arc::new(AtomicBool::new(false));
    let is_done = done.clone();
    let talks = tokio::spawn(async move {
        let mut count = 0;
        while !is_done.load(Ordering::Relaxed) {
            client.subscribe(&format!("c-{count}")).await;
            count += 1;
        }
        (client, count)
    });
    for n in 1..=ROUNDS {
        server.reload(&with(n)).await;
    }
    done.store(true, Ordering::Relaxed);
    let (_client, count) = talks.await.unwrap();
    let all: Vec<_> = (0..count).map(|n| occupied(&format!("c-{n}"))).collect();
    stays.hears(&all[count - 1]).await;
    let requests = stays.requests();
    assert_eq!(events(&requests), all);
    let teams: BTreeSet<_> = requests.iter().filter_map(|request| request.header("X-Team")).collect();
    assert!(teams.len() > 1, "nothing was told meanwhile: {teams:?}");
}
