//! Servers that ask who is there, other than by a password (see `tls`).

use super::{NATS, Single, address, connect, options};
use crate::servers::Server;
use fanfare::broker::Link;
use fanfare::config;
use futures_util::FutureExt;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// Lets in who shows `good`, and not who shows `bad`.
async fn told_apart(bus: &Single, good: config::Nats, bad: config::Nats) {
    let with = |settings| config::Nats { servers: bus.settings.servers.clone(), ..settings };
    let mut outside = [bad, config::Nats::default()].map(|settings| connect(&with(settings), 1000));
    let mut inside = connect(&with(good), 1000);
    inside.link(Link::Up).await;
    for _ in 0..3 {
        inside.broker.reset();
        inside.link(Link::Down).await;
        inside.link(Link::Up).await;
    }
    for node in &mut outside {
        assert_eq!(node.inbox.next().now_or_never(), None);
    }
}

/// A server with this configuration.
async fn configured(text: &str) -> Single {
    let server = Server::start(NATS, |port, folder| {
        std::fs::write(folder.file("server.conf"), text).unwrap();
        options(port, &["--config", "server.conf"])
    })
    .await;
    Single { settings: config::Nats { servers: vec![address(&server)], ..config::Nats::default() }, server }
}

#[tokio::test]
async fn a_token() {
    let bus = configured("authorization { token: \"s3cr3t\" }").await;
    let token = |token: &str| config::Nats { token: Some(token.to_owned()), ..config::Nats::default() };
    told_apart(&bus, token("s3cr3t"), token("secret")).await;
}

#[tokio::test]
async fn an_nkey() {
    let (good, bad) = (KeyPair::new_user(), KeyPair::new_user());
    let bus = configured(&format!("authorization {{ users: [{{ nkey: {} }}] }}", good.public_key())).await;
    let seed = |key: &KeyPair| config::Nats { nkey_seed: Some(key.seed().unwrap()), ..config::Nats::default() };
    told_apart(&bus, seed(&good), seed(&bad)).await;
}

#[tokio::test]
async fn a_credentials_file() {
    let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
    let unlimited = json!({ "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
                            "conn": -1, "leaf": -1 });
    let all = json!({ "limits": unlimited, "type": "account", "version": 2 });
    let bus = configured(&format!(
        "operator: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {} }}\n",
        token(&operator, &operator, &json!({ "type": "operator", "version": 2 })),
        account.public_key(),
        token(&operator, &account, &all)
    ))
    .await;
    let file = |name: &str, by: &KeyPair| {
        let user = KeyPair::new_user();
        let token = token(by, &user, &json!({ "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2 }));
        let [header, footer] = ["-----BEGIN NATS USER JWT-----", "------END NATS USER JWT------"];
        let [begin, end] = ["-----BEGIN USER NKEY SEED-----", "------END USER NKEY SEED------"];
        let text = format!("{header}\n{token}\n{footer}\n\n{begin}\n{}\n{end}\n", user.seed().unwrap());
        let path = bus.server.folder.file(name);
        std::fs::write(&path, text).unwrap();
        config::Nats { credentials_file: Some(path.into()), ..config::Nats::default() }
    };
    told_apart(&bus, file("good.creds", &account), file("bad.creds", &KeyPair::new_account())).await;
}

/// What `by` says of `of`.
fn token(by: &KeyPair, of: &KeyPair, nats: &Value) -> String {
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let claims = json!({ "jti": "x", "iat": 1_700_000_000, "iss": by.public_key(), "name": "test",
                         "sub": of.public_key(), "nats": nats });
    let signed = format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
    format!("{signed}.{}", base64(&by.sign(signed.as_bytes()).unwrap()))
}

/// In the letters of URLs, without padding.
fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let encode = |chunk: &[u8]| {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(|n| char::from(letters[(bits >> (18 - 6 * n)) as usize & 63])).collect::<String>()
    };
    bytes.chunks(3).map(encode).collect()
}
