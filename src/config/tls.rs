//! The certificate that the server shows its clients.
//!
//! Must not know: what a certificate is, and who speaks TLS.

use super::error::{Mistakes, origin};
use super::merge::{Layer, merge};
use super::{Error, Sources};
use config::{Value, ValueKind};
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

/// `settings`, where both files must be named or neither; where neither is, those of the site `server.hostname` on a
/// developer's machine count.
pub(super) fn completed(mut settings: Layer, sources: &Sources, mistakes: &mut Mistakes) -> Layer {
    let [cert, key] = ["tls.cert_file", "tls.key_file"].map(|name| settings.get(name).filter(|file| is_named(file)));
    if let Some(named) = cert.xor(key) {
        mistakes.note(Error::new(&format!(
            "tls.cert_file and tls.key_file (REVERB_SSL_CERT and REVERB_SSL_KEY, --tls-cert and --tls-key) must be set \
             together, and one of them is ({})",
            origin(named)
        )));
    }
    let hostname = settings.get("server.hostname").and_then(|name| name.clone().into_string().ok());
    let home = ["HOME", "USERPROFILE"].into_iter().find_map(|name| sources.environment.get(name));
    if let (None, None, Some(home), Some(hostname)) = (cert, key, home, hostname)
        && let Some(files) = of_site(Path::new(home), &hostname)
    {
        let origin = format!("certificate of Herd or Valet for {hostname}");
        let [cert, key] = files.map(|file| Value::new(Some(&origin), file.to_string_lossy().into_owned()));
        let mut found = Layer::default();
        found.set("tls.cert_file", cert);
        found.set("tls.key_file", key);
        settings = merge(&[&settings, &found]);
    }
    settings
}

fn is_named(file: &Value) -> bool {
    matches!(&file.kind, ValueKind::String(path) if !path.is_empty())
}

/// The files of the certificate that Herd or Valet made for the site `hostname`, if they did (Reverb does the same).
fn of_site(home: &Path, hostname: &str) -> Option<[PathBuf; 2]> {
    // A name from the environment must not lead out of the folder.
    if hostname.contains(['/', '\\']) {
        return None;
    }
    let pair = |folder: &str| {
        let folder = home.join(folder);
        [folder.join(format!("{hostname}.crt")), folder.join(format!("{hostname}.key"))]
    };
    FOLDERS.into_iter().map(pair).find(|[cert, key]| cert.is_file() && key.is_file())
}
