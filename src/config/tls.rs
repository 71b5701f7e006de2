//! The certificate that the server shows its clients.
//!
//! Must not know: what a certificate is, and who speaks TLS.

use super::{Error, Sources};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// TLS on the server's own port. Both files are read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the server's certificate, followed by its chain. With it the port speaks TLS, and nothing else.
    pub cert_file: Option<PathBuf>,
    /// PEM file of that certificate's private key, which must not be encrypted.
    pub key_file: Option<PathBuf>,
}

/// Where Laravel Herd and Valet keep the certificates of the sites that they secured, below the home folder.
const FOLDERS: [&str; 3] = [
    "Library/Application Support/Herd/config/valet/Certificates",
    ".config/valet/Certificates",
    ".config/herd/config/valet/Certificates",
];

impl Tls {
    /// Checks that both files are named or neither; where neither is, those of the site `hostname` on a developer's
    /// machine count.
    pub(super) fn complete(&mut self, hostname: Option<&str>, sources: &Sources) -> Result<(), Error> {
        if self.cert_file.is_some() != self.key_file.is_some() {
            return Err(Error::new(
                "tls.cert_file and tls.key_file (REVERB_SSL_CERT and REVERB_SSL_KEY, --tls-cert and \
                                   --tls-key) must be set together",
            ));
        }
        let home = ["HOME", "USERPROFILE"].into_iter().find_map(|name| sources.environment.get(name));
        if let (None, Some(home), Some(hostname)) = (&self.cert_file, home, hostname)
            && let Some((cert, key)) = of_site(Path::new(home), hostname)
        {
            (self.cert_file, self.key_file) = (Some(cert), Some(key));
        }
        Ok(())
    }
}

/// The files of the certificate that Herd or Valet made for the site `hostname`, if they did (Reverb does the same).
fn of_site(home: &Path, hostname: &str) -> Option<(PathBuf, PathBuf)> {
    // A name from the environment must not lead out of the folder.
    if hostname.contains(['/', '\\']) {
        return None;
    }
    let pair = |folder: &str| {
        let folder = home.join(folder);
        (folder.join(format!("{hostname}.crt")), folder.join(format!("{hostname}.key")))
    };
    FOLDERS.into_iter().map(pair).find(|(cert, key)| cert.is_file() && key.is_file())
}
