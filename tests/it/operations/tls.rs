//! TLS on the server's own port.

use super::{env, place, serve};
use crate::binary::Folder;
use crate::support::{Http, KEY, eventually};
use futures_util::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{WebSocketStream, client_async};

/// An authority, and one that it vouches for, as in real life.
pub(crate) struct Chain {
    root: CertifiedIssuer<'static, KeyPair>,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Chain {
    pub(crate) fn new() -> Self {
        let authority = |name: &str| {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params
        };
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(authority("Test Root"), key()).unwrap();
        let issuer = CertifiedIssuer::signed_by(authority("Test Issuer"), key(), &root).unwrap();
        Self { root, issuer }
    }

    /// A certificate for `names` with its chain, and its key, in PEM.
    pub(crate) fn certificate(&self, names: &[&str]) -> (String, String) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem() + &self.issuer.pem(), key.serialize_pem())
    }

    /// The authority that clients trust, in PEM.
    pub(crate) fn root(&self) -> String {
        self.root.pem()
    }

    /// Writes certificate and key as the server is told to find them.
    pub(crate) fn write(&self, folder: &Folder) {
        let (cert, key) = self.certificate(&["127.0.0.1", "localhost"]);
        folder.write("cert.pem", &cert);
        folder.write("key.pem", &key);
    }
}

/// Shakes hands with a client that trusts `chain`.
async fn secured(
    place: SocketAddr,
    chain: &Chain,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(chain.root.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(place).await?).await
}

/// Connects, and reads the greeting.
async fn greeted(stream: TlsStream<TcpStream>) -> WebSocketStream<TlsStream<TcpStream>> {
    let (mut socket, _) = client_async(format!("wss://127.0.0.1/app/{KEY}?protocol=7"), stream).await.unwrap();
    let message = socket.next().await.unwrap().unwrap();
    assert!(message.to_string().contains("pusher:connection_established"), "{message}");
    socket
}

async fn pings(socket: &mut WebSocketStream<TlsStream<TcpStream>>) {
    socket.send(r#"{"event":"pusher:ping","data":{}}"#.into()).await.unwrap();
    let message = socket.next().await.unwrap().unwrap();
    assert_eq!(message.to_string(), r#"{"event":"pusher:pong","data":"{}"}"#);
}

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

#[tokio::test]
async fn clients_connect_over_both_versions_to_a_chain_that_they_trust() {
    let (folder, chain) = (Folder::new(&env("REVERB_SSL_CERT=cert.pem\nREVERB_SSL_KEY=key.pem\n")), Chain::new());
    chain.write(&folder);
    folder.write("fanfare.toml", "[features]\nrequire_tls = true\n");
    let server = serve(&folder, &["--config", "fanfare.toml"]);
    for version in BOTH {
        let stream = secured(place(&server), &chain, &[version]).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(version.version));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        pings(&mut greeted(stream).await).await;
    }
    let stranger = secured(place(&server), &Chain::new(), BOTH).await.unwrap_err();
    assert!(stranger.to_string().contains("invalid peer certificate"), "{stranger}");
    let plain = Http::connect(place(&server)).await.request("GET", "/up", "").await;
    assert_eq!((plain.status, plain.body.trim()), (400, "This port speaks TLS: connect with https:// or wss:// URL"));
}

/// Events larger than what TLS holds back, in both directions of a busy connection.
#[tokio::test]
async fn large_events_come_whole() {
    let (folder, chain) = (Folder::new(&env("REVERB_MAX_REQUEST_SIZE=1000000\n")), Chain::new());
    chain.write(&folder);
    let server = serve(&folder, &["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--drain-delay", "0"]);
    let mut socket = greeted(secured(place(&server), &chain, BOTH).await.unwrap()).await;
    socket.send(r#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#.into()).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let publisher = greeted_http(place(&server), &chain).await;
    let data = "x".repeat(300_000);
    publish_over(publisher, &data, 5).await;
    for _ in 0..5 {
        let message = socket.next().await.unwrap().unwrap().to_string();
        assert!(message.len() > data.len() && message.contains(&data));
    }
    pings(&mut socket).await;
}

async fn greeted_http(place: SocketAddr, chain: &Chain) -> TlsStream<TcpStream> {
    secured(place, chain, BOTH).await.unwrap()
}

async fn publish_over(mut stream: TlsStream<TcpStream>, data: &str, count: usize) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (path, body) = ("/apps/3/events", format!(r#"{{"name":"e","channel":"a","data":"{data}"}}"#));
    for _ in 0..count {
        let query = crate::support::signed("POST", path, &body);
        let head = format!("POST {path}?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with("{}") {
            let mut piece = [0; 512];
            let read = stream.read(&mut piece).await.unwrap();
            assert!(read > 0, "{answer}");
            answer += std::str::from_utf8(&piece[..read]).unwrap();
        }
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_wrong_one_is_not() {
    let folder = Folder::new(&env("REVERB_SSL_CERT=cert.pem\nREVERB_SSL_KEY=key.pem\n"));
    let (old, new) = (Chain::new(), Chain::new());
    old.write(&folder);
    let mut command = folder.fanfare(&["serve", "--host", "127.0.0.1", "--port", "0"]);
    command.stderr(folder.create("log"));
    let server = crate::binary::Running::start(command);
    let mut before = greeted(secured(place(&server), &old, BOTH).await.unwrap()).await;
    // A key that is another certificate's: what there was goes on.
    let (_, key) = new.certificate(&["127.0.0.1"]);
    folder.write("key.pem", &key);
    let wrong = "is not the key of the certificate in tls.cert_file cert.pem";
    eventually("the refusal", || folder.read("log").contains(wrong)).await;
    secured(place(&server), &old, BOTH).await.unwrap();
    let port = place(&server).port().to_string();
    let ours = ["--host", "127.0.0.1", "--port", &port];
    let healthy = folder.output(&[&["health"], &ours[..]].concat());
    assert!(healthy.status.success(), "it is as well as before: {healthy:?}");
    let read_again = async |times: usize| {
        eventually("a reading", || folder.read("log").matches("certificate read again").count() == times).await;
    };
    new.write(&folder);
    read_again(1).await;
    secured(place(&server), &new, BOTH).await.unwrap();
    secured(place(&server), &old, BOTH).await.unwrap_err();
    pings(&mut before).await;
    // At once, where somebody says so.
    old.write(&folder);
    server.signal("-HUP");
    read_again(2).await;
    secured(place(&server), &old, BOTH).await.unwrap();
}

#[tokio::test]
async fn the_certificate_of_herd_or_valet_is_found_by_hostname() {
    let (folder, chain) = (Folder::new(&env("")), Chain::new());
    let (cert, key) = chain.certificate(&["127.0.0.1", "app.test"]);
    let certificates = folder.path("Library/Application Support/Herd/config/valet/Certificates");
    std::fs::create_dir_all(&certificates).unwrap();
    std::fs::write(certificates.join("app.test.crt"), cert).unwrap();
    std::fs::write(certificates.join("app.test.key"), key).unwrap();
    let start = |hostname| {
        let mut command = folder.fanfare(&["serve", "--host", "127.0.0.1", "--port", "0", "--hostname", hostname]);
        command.env("HOME", folder.path(""));
        crate::binary::Running::start(command)
    };
    let server = start("app.test");
    greeted(secured(place(&server), &chain, BOTH).await.unwrap()).await;
    let other = start("other.test");
    assert_eq!(Http::connect(place(&other)).await.request("GET", "/up", "").await.status, 200);
}

#[test]
fn certificates_of_no_use_are_mistakes_of_configuration() {
    let (folder, chain) = (Folder::new(&env("")), Chain::new());
    chain.write(&folder);
    folder.write("other.pem", &chain.certificate(&["a.test"]).1);
    folder.write("nonsense.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    for (cert, key, expect) in [
        ("cert.pem", "other.pem", "tls.key_file other.pem is not the key of the certificate in tls.cert_file cert.pem"),
        ("missing.pem", "key.pem", "tls.cert_file missing.pem cannot be used: No such file"),
        ("nonsense.pem", "key.pem", "tls.cert_file nonsense.pem cannot be used: it is not well-formed PEM"),
        ("key.pem", "key.pem", "tls.cert_file key.pem holds no certificate in PEM"),
        ("cert.pem", "cert.pem", "tls.key_file cert.pem cannot be used: it has no part that says BEGIN PRIVATE KEY"),
    ] {
        let output = folder.output(&["serve", "--port", "0", "--tls-cert", cert, "--tls-key", key]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{error}");
        assert!(error.contains(expect) && error.lines().count() == 1, "{error}");
    }
    let output = folder.output(&["serve", "--port", "0", "--tls-cert", "cert.pem"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(78) && error.contains("must be set together"), "{error}");
}

/// The commands ask the server on its own machine by an address, whatever name its certificate has.
#[test]
fn commands_believe_the_certificate_that_the_server_is_configured_with() {
    let (folder, chain) = (Folder::new(&env("REVERB_SSL_CERT=cert.pem\nREVERB_SSL_KEY=key.pem\n")), Chain::new());
    let write = || {
        let (cert, key) = chain.certificate(&["ws.example.com"]);
        folder.write("cert.pem", &cert);
        folder.write("key.pem", &key);
    };
    write();
    let server = serve(&folder, &[]);
    let port = place(&server).port().to_string();
    for command in ["health", "channels"] {
        let output = folder.output(&[command, "--host", "127.0.0.1", "--port", &port]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let stranger = Folder::new(&env("REVERB_SSL_CERT=cert.pem\nREVERB_SSL_KEY=key.pem\n"));
    Chain::new().write(&stranger);
    let output = stranger.output(&["channels", "--host", "127.0.0.1", "--port", &port]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.contains("shows another certificate"), "{error}");
}
