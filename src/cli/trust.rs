//! Whom commands believe to be the server: whoever authorities vouch for, one certificate, or anybody.
//!
//! Must not know: how one connects.

use hyper_rustls::ConfigBuilderExt;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Whoever holds the key of the certificate that is shown, if it is one of these.
#[derive(Debug)]
struct Belief {
    whom: Whom,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Whom {
    /// Whatever is shown.
    Anybody,
    /// This certificate, whatever its name and whoever vouches for it.
    Only(CertificateDer<'static>),
    /// These certificates, and whom they vouch for.
    Named(Vec<CertificateDer<'static>>, Arc<WebPkiServerVerifier>),
}

/// Believes the certificates in the PEM file `ca`, or the authorities that browsers know. The error says how to mend it.
pub(super) fn vouched(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let Some(path) = ca else {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        return Ok(builder.with_webpki_roots().with_no_client_auth());
    };
    let wrong = |why| format!("--ca-file {} is of no use: {why}; name a file of certificates in PEM", path.display());
    believing(named(path).map_err(wrong)?)
}

/// Believes who shows the first certificate of a PEM file: the server at hand is asked by an address, which no certificate is
/// made for. The error says how to mend it.
pub(super) fn only(file: &Path) -> Result<ClientConfig, String> {
    let certificate = CertificateDer::from_pem_file(file)
        .map_err(|error| format!("tls.cert_file {} is of no use: {error}; correct it", file.display()))?;
    believing(Whom::Only(certificate))
}

/// Believes everybody, where nothing secret is said.
pub(super) fn anybody() -> Result<ClientConfig, String> {
    believing(Whom::Anybody)
}

/// Whether a handshake failed because another certificate was shown than the only one.
pub(super) fn is_other(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    cause == Some(&Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
}

fn believing(whom: Whom) -> Result<ClientConfig, String> {
    let provider = ring::default_provider();
    let belief = Belief { whom, algorithms: provider.signature_verification_algorithms };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(belief)).with_no_client_auth())
}

/// Those in a PEM file.
fn named(path: &Path) -> Result<Whom, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("it holds none".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(ring::default_provider());
    let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    Ok(Whom::Named(certificates, authorities.map_err(|error| error.to_string())?))
}

impl ServerCertVerifier for Belief {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (certificates, authorities) = match &self.whom {
            Whom::Anybody => return Ok(ServerCertVerified::assertion()),
            Whom::Only(certificate) if certificate == shown => return Ok(ServerCertVerified::assertion()),
            Whom::Only(_) => return Err(CertificateError::ApplicationVerificationFailure.into()),
            Whom::Named(certificates, authorities) => (certificates, authorities),
        };
        match authorities.verify_server_cert(shown, chain, name, stapled, now) {
            // One that stands in the file needs nobody to vouch for it, and may be an authority's own, as openssl makes those
            // that sign themselves; PHP and curl take such files too. When it expires was looked at before either.
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::Other(_)))
                if certificates.iter().any(|certificate| certificate == shown) =>
            {
                verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
