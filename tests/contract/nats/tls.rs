//! One server with TLS, which asks for certificates, for a user that may do nothing but what a node needs.

use super::{NATS, Single, address, connect, options};
use crate::scenarios::topic;
use crate::servers::Server;
use fanfare::broker::{Link, Topic};
use fanfare::config;
use futures_util::FutureExt;
use std::path::Path;

const USERS: &str = r#"
authorization {
  users: [{
    user: fan
    password: "p@ss w:rd"
    permissions: {
      publish: ["contract.>", "_INBOX.>", "$KV.*.>", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.*",
                "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.PURGE.*", "$JS.API.DIRECT.GET.>"]
      subscribe: ["contract.>", "_INBOX.>"]
    }
  }]
}"#;

async fn start() -> Single {
    let server = Server::start(NATS, |port, folder| {
        if !Path::new(&folder.file("cert.pem")).exists() {
            folder.certify();
            std::fs::write(folder.file("users.conf"), USERS).unwrap();
        }
        let tls = ["--tlsverify", "--tlscert", "cert.pem", "--tlskey", "key.pem", "--tlscacert", "ca.pem"];
        options(port, &[&["--jetstream", "--config", "users.conf"], &tls[..]].concat())
    })
    .await;
    let file = |name: &str| Some(server.folder.file(name).into());
    let settings = config::Nats {
        servers: vec![address(&server)],
        username: Some("fan".to_owned()),
        password: Some("p@ss w:rd".to_owned()),
        tls_ca_file: file("ca.pem"),
        tls_cert_file: file("cert.pem"),
        tls_key_file: file("key.pem"),
        ..config::Nats::default()
    };
    Single { server, settings }
}

crate::scenarios::on!(start());

#[tokio::test]
async fn what_the_user_may_not_do_takes_the_link_down() {
    let bus = start().await;
    let mut node = bus.up().await;
    let other = Topic::new(&["other"]);
    // The answer may come before the refusal, which NATS sends by itself.
    let _ = node.broker.publish(&[(other.clone(), "x".into())]).await;
    node.link(Link::Down).await;
    node.link(Link::Up).await;
    let _ = node.broker.subscribe(&other).await;
    node.link(Link::Down).await;
    node.broker.unsubscribe(&other);
    node.publish_until_taken(&topic("a"), b"x").await;
}

#[tokio::test]
async fn who_is_not_vouched_for_is_not_talked_to() {
    let bus = start().await;
    // The system's authorities do not know this one.
    let strangers = config::Nats { tls_ca_file: None, ..bus.settings.clone() };
    let anonymous = config::Nats { tls_cert_file: None, tls_key_file: None, ..bus.settings.clone() };
    let impostor = config::Nats { password: Some("wrong".to_owned()), ..bus.settings.clone() };
    let mut outside = [strangers, anonymous, impostor].map(|settings| connect(&settings, 1000));
    let mut inside = bus.up().await;
    // While one comes in again and again, the others try as often.
    for _ in 0..5 {
        inside.broker.reset();
        inside.link(Link::Down).await;
        inside.link(Link::Up).await;
    }
    for node in &mut outside {
        assert_eq!(node.inbox.next().now_or_never(), None);
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_talked_to() {
    let bus = Single::start(&[], config::Nats::default()).await;
    let mut secured = connect(&config::Nats { tls: true, ..bus.settings.clone() }, 1000);
    let mut inside = bus.up().await;
    for _ in 0..5 {
        inside.broker.reset();
        inside.link(Link::Down).await;
        inside.link(Link::Up).await;
    }
    assert_eq!(secured.inbox.next().now_or_never(), None);
}
