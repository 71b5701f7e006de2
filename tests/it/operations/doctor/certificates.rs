//! What is wrong with a certificate.

use super::proxy::{Proxy, Rules};
use super::{APP, Found, env};
use crate::binary::Folder;
use crate::operations::cli::{Site, fails};
use crate::operations::tls::Chain;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, crypto};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

const HERE: &str = "127.0.0.1";

/// An authority.
type Authority = (Certificate, Issuer<'static, KeyPair>);

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// An authority that `by` vouches for, or nobody.
fn authority(name: &str, by: Option<&Authority>) -> Authority {
    let mut params = named(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = match by {
        None => params.self_signed(&key),
        Some((_, issuer)) => params.signed_by(&key, issuer),
    };
    (certificate.unwrap(), Issuer::new(params, key))
}

/// What a server proves itself with: its certificate, and those of `chain`.
fn speaking(certificate: &Certificate, key: &KeyPair, chain: &[&Certificate]) -> Rules {
    let chain = [certificate].into_iter().chain(chain.iter().copied()).map(|one| one.der().clone()).collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(chain, key).unwrap();
    Rules { tls: Some(TlsAcceptor::from(Arc::new(config))), ..Rules::default() }
}

/// What is found behind it, by who trusts `root`.
async fn found(rules: Rules, root: Option<&Certificate>) -> Found {
    let site = Site::start("");
    let proxy = Proxy::start(&site.port, rules).await;
    let folder = Folder::new(&env(&site.port, &proxy.port()).replace("SCHEME=http", "SCHEME=https"));
    let args: &[&str] = if root.is_some() { &["--ca-file", "root.pem"] } else { &[] };
    folder.write("root.pem", &root.map(Certificate::pem).unwrap_or_default());
    tokio::task::block_in_place(|| Found::at(&folder, args))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_chain_is_right_and_a_part_of_it_is_not() {
    let root = authority("root", None);
    let between = authority("between", Some(&root));
    let key = KeyPair::generate().unwrap();
    let certificate = named("leaf", &[HERE]).signed_by(&key, &between.1).unwrap();
    found(speaking(&certificate, &key, &[&between.0]), Some(&root.0)).await.is_well();
    let part = found(speaking(&certificate, &key, &[]), Some(&root.0)).await;
    part.is_wrong("tls", &["without the intermediate one", "fullchain.pem"]);
    let stranger = found(speaking(&certificate, &key, &[&between.0]), None).await;
    stranger.is_wrong("tls", &["of an authority that is not a public one", "--ca-file"]);
}

/// Any command that talks to a server believes the same authorities.
#[tokio::test(flavor = "multi_thread")]
async fn commands_reach_a_server_over_tls() {
    let (root, key) = (authority("root", None), KeyPair::generate().unwrap());
    let certificate = named("leaf", &[HERE]).signed_by(&key, &root.1).unwrap();
    let site = Site::start("");
    let proxy = Proxy::start(&site.port, speaking(&certificate, &key, &[])).await;
    let url = format!("https://127.0.0.1:{}", proxy.port());
    site.folder.write("root.pem", &root.0.pem());
    let run = |args: &[&str], more: &[&str]| {
        tokio::task::block_in_place(|| site.folder.output(&[args, &["--url", &url], more].concat()))
    };
    let trusting = ["--ca-file", "root.pem"];
    for args in [&["trigger", "a", "b"][..], &["channels"], &["health"], &["subscribe", "private-a", "--for", "1"]] {
        let output = run(args, &trusting);
        assert!(output.status.success(), "{args:?} {output:?}");
    }
    fails(&run(&["trigger", "a", "b"], &[]), 1, &["cannot speak TLS", "UnknownIssuer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_signs_itself() {
    let key = KeyPair::generate().unwrap();
    let plain = named("leaf", &[HERE]).self_signed(&key).unwrap();
    let mut params = named("leaf", &[HERE]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let as_openssl_makes_it = params.self_signed(&key).unwrap();
    for certificate in [plain, as_openssl_makes_it] {
        let found = found(speaking(&certificate, &key, &[]), None).await;
        found.is_wrong("tls", &["signed by itself", "--ca-file"]);
    }
}

/// As PHP and curl do, when they are given it.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_believed_that_is_given() {
    let key = KeyPair::generate().unwrap();
    let signed = |hosts: &[&str], change: fn(&mut CertificateParams)| {
        let mut params = named("leaf", hosts);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        params.self_signed(&key).unwrap()
    };
    let own = signed(&[HERE], |_| {});
    found(speaking(&own, &key, &[]), Some(&own)).await.is_well();
    let by = authority("root", None);
    let leaf = named("leaf", &[HERE]).signed_by(&key, &by.1).unwrap();
    found(speaking(&leaf, &key, &[]), Some(&leaf)).await.is_well();
    // Not for another name, not for ever, and not for others who call themselves so.
    let other = signed(&["a.test"], |_| {});
    found(speaking(&other, &key, &[]), Some(&other)).await.is_wrong("tls", &["is for a.test, not for 127.0.0.1"]);
    let old = signed(&[HERE], |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 3));
    });
    found(speaking(&old, &key, &[]), Some(&old)).await.is_wrong("tls", &["has expired"]);
    let second = KeyPair::generate().unwrap();
    let stranger = {
        let mut params = named("leaf", &[HERE]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&second).unwrap()
    };
    found(speaking(&stranger, &second, &[]), Some(&own)).await.is_wrong("tls", &["signed by itself"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_old_or_somebody_elses() {
    let root = authority("root", None);
    let key = KeyPair::generate().unwrap();
    let mut old = named("leaf", &[HERE]);
    (old.not_before, old.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 3));
    let old = old.signed_by(&key, &root.1).unwrap();
    found(speaking(&old, &key, &[]), Some(&root.0)).await.is_wrong("tls", &["has expired at 2020-02-03", "renew it"]);
    let other = named("leaf", &["a.test", "b.test"]).signed_by(&key, &root.1).unwrap();
    let found = found(speaking(&other, &key, &[]), Some(&root.0)).await;
    found.is_wrong("tls", &["is for a.test, b.test, not for 127.0.0.1", "REVERB_HOST"]);
}

/// Files that cannot be used are found, and the rest is looked at all the same.
#[test]
fn files_of_no_use_are_findings() {
    let site = Site::start("");
    let env = env(&site.port, &site.port);
    let folder = Folder::new(&format!("{env}REVERB_SSL_CERT=none.pem\nREVERB_SSL_KEY=none.pem\n"));
    let found = Found::at(&folder, &[]);
    let wrong = found.all("wrong");
    assert!(wrong[0].0 == "configuration" && wrong[0].1.contains("tls.cert_file none.pem cannot be used"), "{wrong:?}");
    assert!(wrong.iter().any(|(check, _)| check == "port"), "{wrong:?}");
    Found::with(&env, &["--ca-file", "none.pem"]).is_wrong("ca-file", &["none.pem", "name another file"]);
}

/// A server that was not given the certificate that stands in the file.
#[test]
fn another_certificate_than_the_configured_one_is_found() {
    let (chain, more) = (Chain::new(), "REVERB_SSL_CERT=cert.pem\nREVERB_SSL_KEY=key.pem\n");
    let started = Folder::new(&format!("{APP}{more}"));
    chain.write(&started);
    let site = Site::at(started, &[]);
    let env = env(&site.port, &site.port).replace("SCHEME=http", "SCHEME=https");
    let folder = Folder::new(&format!("{env}{more}"));
    chain.write(&folder);
    folder.write("root.pem", &chain.root());
    let place = format!("https://127.0.0.1:{}", site.port);
    let found = Found::at(&folder, &["--ca-file", "root.pem", &place]);
    assert!(found.all("ok")[0].1.contains("to be served at https://"), "{:#}", found.json);
    found.is_wrong("certificate", &["shows another certificate than that in cert.pem", "start it again"]);
}
