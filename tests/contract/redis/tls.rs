//! One server with TLS, which asks for certificates, for a user that may do nothing but what a node needs.

use super::server::{REDIS, options};
use super::{Servers, connect, settings};
use crate::bus::{Bus, PATIENCE};
use crate::servers::Server;
use fanfare::broker::{Error, Link, Position, Topic};
use fanfare::config;
use futures_util::FutureExt;

const USER: &str = "--user fan on >p@ss/w:rd resetchannels &contract.* ~contract.* -@all +publish +subscribe +unsubscribe +get \
                    +set +xadd +xrange +ping";

async fn start() -> Servers {
    let server = Server::start(REDIS, |port, folder| {
        if !std::path::Path::new(&folder.file("cert.pem")).exists() {
            folder.certify();
        }
        let tls = [("port", port.to_string()), ("auth-clients", "yes".to_owned())];
        let files = [("cert-file", "cert.pem"), ("key-file", "key.pem"), ("ca-cert-file", "ca.pem")];
        let files = files.map(|(option, file)| (option, folder.file(file)));
        let tls = tls.into_iter().chain(files).flat_map(|(option, value)| [format!("--tls-{option}"), value]);
        let users = USER.split(' ').chain(["--user", "default", "off"]).map(str::to_owned);
        options(0, &[]).into_iter().chain(tls).chain(users).collect()
    })
    .await;
    let file = |name: &str| Some(server.folder.file(name).into());
    let settings = config::Redis {
        tls_ca_file: file("ca.pem"),
        tls_cert_file: file("cert.pem"),
        tls_key_file: file("key.pem"),
        ..settings([format!("rediss://fan:p%40ss%2Fw%3Ard@127.0.0.1:{}", server.port)])
    };
    Servers { servers: vec![server], settings }
}

crate::scenarios::on!(start());

#[tokio::test]
async fn what_the_user_may_not_do_is_refused() {
    let bus = start().await;
    let mut node = bus.connect().await;
    node.link(Link::Up).await;
    let topic = Topic::new(&["a"]);
    let refused = |answer: Result<(), Error>| {
        let text = answer.unwrap_err().to_string();
        assert!(text.starts_with("the bus refuses: ") && text.contains("permission"), "{text}");
    };
    refused(node.broker.publish(&[(topic.clone(), "x".into())]).await);
    refused(node.broker.remember(&topic, &"x".into(), PATIENCE).await);
    refused(node.broker.recall(&topic).await.map(drop));
    refused(node.broker.append(&topic, &"x".into()).await);
    refused(node.broker.read(&topic, Position::default(), 1).await.map(drop));
    refused(node.broker.subscribe(&topic).await);
    // The link stays as it is.
    assert_eq!(node.inbox.next().now_or_never(), None);
}

#[tokio::test]
async fn who_is_not_vouched_for_is_not_talked_to() {
    let bus = start().await;
    // The public authorities do not know this one.
    let strangers = config::Redis { tls_ca_file: None, ..bus.settings.clone() };
    let anonymous = config::Redis { tls_cert_file: None, tls_key_file: None, ..bus.settings.clone() };
    let impostor = config::Redis { password: Some("wrong".to_owned()), ..bus.settings.clone() };
    let mut outside = [strangers, anonymous, impostor].map(|settings| connect(&settings, 1000));
    let mut inside = bus.connect().await;
    inside.link(Link::Up).await;
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
