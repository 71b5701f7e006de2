//! The certificate that clients are shown, read again when its files change.
//!
//! Must not know: connections.

use super::Fatal;
use crate::config;
use parking_lot::RwLock;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What clients negotiate with, whose certificate may change.
#[derive(Debug)]
pub(super) struct Tls {
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
    cert_file: PathBuf,
    key_file: PathBuf,
}

/// The certificate of the day.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

impl Tls {
    /// Reads the configured files; `None` if there are none.
    pub(super) fn new(settings: &config::Tls) -> Result<Option<Self>, Fatal> {
        let (Some(cert_file), Some(key_file)) = (&settings.cert_file, &settings.key_file) else { return Ok(None) };
        let shown = Arc::new(Shown(RwLock::new(read(cert_file, key_file).map_err(Fatal::Settings)?)));
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Fatal::Settings(error.to_string()))?;
        let mut config = config.with_no_client_auth().with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (cert_file, key_file) = (cert_file.clone(), key_file.clone());
        Ok(Some(Self { config: Arc::new(config), shown, cert_file, key_file }))
    }

    /// What a handshake needs.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// The files of certificate and key.
    pub(super) fn files(&self) -> [&Path; 2] {
        [&self.cert_file, &self.key_file]
    }

    /// Reads the files again; clients that connect from now on are shown what they hold. If they are of no use, the
    /// certificate stays, and the error says why.
    pub(super) fn reload(&self) -> Result<(), String> {
        *self.shown.0.write() = read(&self.cert_file, &self.key_file)?;
        Ok(())
    }
}

fn read(cert_file: &Path, key_file: &Path) -> Result<Arc<CertifiedKey>, String> {
    let (cert, key) = (cert_file.display(), key_file.display());
    let chain = CertificateDer::pem_file_iter(cert_file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain =
        chain.map_err(|error| format!("tls.cert_file {cert} cannot be used: {}", told(&error, "CERTIFICATE")))?;
    if chain.is_empty() {
        return Err(format!("tls.cert_file {cert} holds no certificate in PEM: name the file with BEGIN CERTIFICATE"));
    }
    let secret = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| format!("tls.key_file {key} cannot be used: {}", told(&error, "PRIVATE KEY")))?;
    let pair = CertifiedKey::from_der(chain, secret, &crypto::ring::default_provider());
    let pair = pair.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("tls.key_file {key} is not the key of the certificate in tls.cert_file {cert}: name the pair")
        }
        error => format!("tls.cert_file {cert} and tls.key_file {key} cannot be used: {error}"),
    })?;
    Ok(Arc::new(pair))
}

fn told(error: &pem::Error, section: &str) -> String {
    match error {
        pem::Error::Io(error) => format!("{error}; name a file that this user may read"),
        pem::Error::NoItemsFound => {
            format!("it has no part that says BEGIN {section}; a key that is encrypted must be decrypted first")
        }
        _ => "it is not well-formed PEM".to_owned(),
    }
}
