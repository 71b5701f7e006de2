//! Belief in certificates that nobody vouches for: in the one that the server at hand is configured to show, for it is asked
//! by an address that no certificate is made for; or in any, where nothing secret is said.
//!
//! Must not know: how one connects.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme, crypto};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Whom to believe, whatever the name and whoever vouches for it.
#[derive(Debug)]
struct Belief {
    /// The one certificate; `None` for any.
    certificate: Option<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Believes who shows the first certificate of a PEM file. The error says how to mend it.
pub(super) fn only(file: &Path) -> Result<ClientConfig, String> {
    let certificate = CertificateDer::from_pem_file(file)
        .map_err(|error| format!("tls.cert_file {} is of no use: {error}; correct it", file.display()))?;
    believing(Some(certificate))
}

/// Believes everybody.
pub(super) fn anybody() -> Result<ClientConfig, String> {
    believing(None)
}

/// Whether a handshake failed because another certificate was shown.
pub(super) fn is_other(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    cause == Some(&Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
}

fn believing(certificate: Option<CertificateDer<'static>>) -> Result<ClientConfig, String> {
    let provider = crypto::ring::default_provider();
    let belief = Belief { certificate, algorithms: provider.signature_verification_algorithms };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(belief)).with_no_client_auth())
}

impl ServerCertVerifier for Belief {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificate.as_ref().is_none_or(|certificate| certificate == shown) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
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
