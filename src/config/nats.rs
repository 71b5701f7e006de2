//! Where the NATS servers are over which nodes act as one, and how to reach them.
//!
//! Must not know: what is sent there, and the crate that sends it.

use super::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Where NATS is, and how to reach it. At most one kind of credentials may be set: username and password, token, seed,
/// or file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nats {
    /// Servers of one NATS cluster, such as `nats://10.0.0.1:4222`; `tls://` demands TLS, and the port is 4222 unless
    /// named. The first that answers is used, so every node should name them in the same order.
    pub servers: Vec<String>,
    /// User to sign in as, with `password`.
    pub username: Option<String>,
    /// Password of `username`.
    pub password: Option<String>,
    /// Token to sign in with.
    pub token: Option<String>,
    /// Seed of the nkey to sign in with; it begins with `SU`.
    pub nkey_seed: Option<String>,
    /// File with a user's JWT and seed, as `nsc` writes it, to sign in with.
    pub credentials_file: Option<PathBuf>,
    /// Whether to refuse servers that do not speak TLS; so do `tls://`, `tls_ca_file` and `tls_cert_file`.
    pub tls: bool,
    /// PEM file of the authorities that may vouch for the servers' certificates, in place of the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// PEM file of the certificate to show to servers that ask for one, its chain included.
    pub tls_cert_file: Option<PathBuf>,
    /// PEM file of that certificate's private key.
    pub tls_key_file: Option<PathBuf>,
}

impl Default for Nats {
    fn default() -> Self {
        Self {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
            username: None,
            password: None,
            token: None,
            nkey_seed: None,
            credentials_file: None,
            tls: false,
            tls_ca_file: None,
            tls_cert_file: None,
            tls_key_file: None,
        }
    }
}

impl Nats {
    /// The text of the file at `path`, which `setting` names.
    pub fn read(setting: &str, path: &Path) -> Result<String, Error> {
        fs::read_to_string(path).map_err(|cause| Error::unreadable(path, &cause, &format!("correct nats.{setting}")))
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |secret: &Option<String>| secret.as_ref().map(|_| "***");
        f.debug_struct("Nats")
            .field("servers", &self.servers.iter().map(|server| super::error::masked(server)).collect::<Vec<_>>())
            .field("username", &self.username)
            .field("password", &masked(&self.password))
            .field("token", &masked(&self.token))
            .field("nkey_seed", &masked(&self.nkey_seed))
            .field("credentials_file", &self.credentials_file)
            .field("tls", &self.tls)
            .field("tls_ca_file", &self.tls_ca_file)
            .field("tls_cert_file", &self.tls_cert_file)
            .field("tls_key_file", &self.tls_key_file)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let secret = || Some("hunter2".to_owned());
        let servers = ["nats://127.0.0.1:4222", "nats://me:hunter2@a"].map(str::to_owned).to_vec();
        let nats = Nats { servers, password: secret(), token: secret(), nkey_seed: secret(), ..Nats::default() };
        let shown = format!("{nats:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("nats://127.0.0.1:4222") && shown.contains("***"), "{shown}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_its_setting() {
        let error = Nats::read("tls_ca_file", Path::new("/nowhere/ca.pem")).unwrap_err().to_string();
        assert_eq!(error, "/nowhere/ca.pem cannot be read (no such file): correct nats.tls_ca_file");
    }
}
