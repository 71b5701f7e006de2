//! What is wrong with a certificate.
//!
//! Must not know: what is said over TLS.

use super::super::link::{Target, Unreachable, connect_tls};
use super::super::trust;
use super::Report;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, InvalidMessage, RootCertStore};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Tells why a connection was not made, if it is the certificate's fault or there is no TLS at all.
pub(super) async fn explain(target: &Target, unreachable: &Unreachable, report: &mut Report) -> bool {
    let Unreachable::Tls(place, error) = unreachable else { return false };
    let (what, fix) = match cause(error) {
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => (
            "no TLS is spoken there".to_owned(),
            "set REVERB_SCHEME=http, or REVERB_PORT to the port of the proxy that speaks TLS".to_owned(),
        ),
        Some(Error::InvalidCertificate(error)) => certificate(target, error).await,
        _ => (error.to_string(), "see the log of the proxy, or of whatever speaks TLS there".to_owned()),
    };
    report.wrong("tls", what, place, fix);
    true
}

/// Whether the server shows the certificate that it is configured with: one that was renewed may be of no use to it.
pub(super) async fn shown(target: &Target, file: &Path, report: &mut Report) {
    if let Err(Unreachable::Stranger(place)) = connect_tls(target).await {
        let what = format!("the server at {place} shows another certificate than that in {}", file.display());
        let fix = "its log says why it has not read that one; start it again if it was started with another";
        report.wrong("certificate", what, "tls.cert_file", fix);
    }
}

/// The error of the handshake.
fn cause(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What is wrong with the certificate, and how to mend it.
async fn certificate(target: &Target, error: &CertificateError) -> (String, String) {
    let host = &target.address.host;
    match error {
        CertificateError::ExpiredContext { not_after, .. } => (
            format!("the certificate has expired at {}", time(*not_after)),
            "renew it, and reload the proxy".to_owned(),
        ),
        CertificateError::Expired => {
            ("the certificate has expired".to_owned(), "renew it, and reload the proxy".to_owned())
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            let what = format!("the certificate counts only from {} on", time(*not_before));
            (what, "set this machine's clock, or wait".to_owned())
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            let what = format!("the certificate is for {}, not for {host}", names.join(", "));
            (what, format!("get one for {host}, or set REVERB_HOST to a name that it is for"))
        }
        // The other one is an authority's own, which is how openssl makes those that sign themselves.
        CertificateError::UnknownIssuer | CertificateError::Other(_) => stranger(target).await,
        error => (Error::InvalidCertificate(error.clone()).to_string(), "replace the certificate".to_owned()),
    }
}

/// `DnsName("a.test")` as people write it.
fn bare(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

/// Why nobody vouches for the certificate.
async fn stranger(target: &Target) -> (String, String) {
    let chain = chain(target).await;
    let own = "name the authority's file with --ca-file, and have PHP and the browsers trust it too".to_owned();
    match chain.as_slice() {
        [first, ..] if is_self_signed(first) => (
            "the certificate is signed by itself, which browsers and PHP refuse".to_owned(),
            format!("get one of a public authority, or {own}"),
        ),
        [_] => (
            "the server sends its certificate without the intermediate one, or its authority is not a public one"
                .to_owned(),
            format!("configure the full chain (fullchain.pem), or {own}"),
        ),
        _ => ("the certificate is of an authority that is not a public one".to_owned(), own),
    }
}

/// Whether the certificate's own key has signed it.
fn is_self_signed(certificate: &CertificateDer<'static>) -> bool {
    let mut roots = RootCertStore::empty();
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
    if roots.add(certificate.clone()).is_err() {
        return false;
    }
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    let verified = verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], UnixTime::now(), algorithms);
    matches!(verified, Ok(()) | Err(Error::InvalidCertificate(CertificateError::Other(_))))
}

/// The certificates that are sent, whoever has signed them; nothing else is done with the connection.
async fn chain(target: &Target) -> Vec<CertificateDer<'static>> {
    let Ok(config) = trust::anybody() else { return Vec::new() };
    let looking = Target { tls: Arc::new(config), ..target.clone() };
    let Ok(stream) = connect_tls(&looking).await else { return Vec::new() };
    stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec()
}

fn time(time: UnixTime) -> String {
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs())).to_string()
}
