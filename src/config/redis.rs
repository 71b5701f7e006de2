//! Where the Redis servers are over which nodes act as one, and how to reach them.
//!
//! Must not know: what is sent there, and the crate that sends it.

use super::Error;
use super::error::masked;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where Redis (or Valkey) is, and how to reach it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// `redis://[user[:password]@]host[:port][/database]`, with TLS `rediss://` (or, as Laravel has it, `tls://`). One
    /// server; with `cluster` any of its servers; with `sentinel_master` the Sentinels. What of user and password is
    /// not a letter or a digit must be percent-encoded here.
    pub urls: Vec<String>,
    /// ACL user, as it is; wins over the URLs'. Without one, a password is the `default` user's.
    pub username: Option<String>,
    /// Password, as it is; wins over the URLs'.
    pub password: Option<String>,
    /// Database number; wins over the URLs'. Messages reach every database of a server, keys only their own.
    pub database: Option<u32>,
    /// Whether this is a Redis Cluster (7.0 or later): messages then go through sharded pub/sub.
    pub cluster: bool,
    /// Name of the master that the Sentinels at `urls` watch; then the URLs' users and passwords are the Sentinels'.
    pub sentinel_master: Option<String>,
    /// ACL user at the Sentinels; wins over the URLs'.
    pub sentinel_username: Option<String>,
    /// Password at the Sentinels; wins over the URLs'.
    pub sentinel_password: Option<String>,
    /// PEM file of the authorities that may vouch for the servers' certificates, in place of the public ones.
    pub tls_ca_file: Option<PathBuf>,
    /// PEM file of the certificate to show to servers that ask for one, its chain included.
    pub tls_cert_file: Option<PathBuf>,
    /// PEM file of that certificate's private key.
    pub tls_key_file: Option<PathBuf>,
}

/// What the files of TLS hold.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities' certificates.
    pub ca: Option<Vec<u8>>,
    /// A certificate with its chain, and its private key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            urls: vec!["redis://127.0.0.1:6379".to_owned()],
            username: None,
            password: None,
            database: None,
            cluster: false,
            sentinel_master: None,
            sentinel_username: None,
            sentinel_password: None,
            tls_ca_file: None,
            tls_cert_file: None,
            tls_key_file: None,
        }
    }
}

impl Redis {
    /// Reads the files of TLS.
    pub fn tls_files(&self) -> Result<TlsFiles, Error> {
        let identity = match (&self.tls_cert_file, &self.tls_key_file) {
            (Some(cert), Some(key)) => Some((read(cert, "redis.tls_cert_file")?, read(key, "redis.tls_key_file")?)),
            (None, None) => None,
            _ => return Err(Error::new("redis.tls_cert_file and redis.tls_key_file must be set together")),
        };
        let ca = self.tls_ca_file.as_ref().map(|path| read(path, "redis.tls_ca_file")).transpose()?;
        Ok(TlsFiles { ca, identity })
    }
}

fn read(path: &Path, key: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|cause| Error::unreadable(path, &cause, &format!("correct {key}")))
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = |secret: &Option<String>| secret.as_ref().map(|_| "***");
        f.debug_struct("Redis")
            .field("urls", &self.urls.iter().map(|url| masked(url)).collect::<Vec<_>>())
            .field("username", &self.username)
            .field("password", &secret(&self.password))
            .field("database", &self.database)
            .field("cluster", &self.cluster)
            .field("sentinel_master", &self.sentinel_master)
            .field("sentinel_username", &self.sentinel_username)
            .field("sentinel_password", &secret(&self.sentinel_password))
            .field("tls_ca_file", &self.tls_ca_file)
            .field("tls_cert_file", &self.tls_cert_file)
            .field("tls_key_file", &self.tls_key_file)
            .finish()
    }
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let settings = Redis {
            urls: ["redis://me:hunter2@a.test:1/0", "rediss://:hunt@er2@b.test", "hunter2@c", "redis://d.test?x=@"]
                .map(str::to_owned)
                .to_vec(),
            password: Some("hunter2".to_owned()),
            sentinel_password: Some("hunter2".to_owned()),
            ..Redis::default()
        };
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunt"), "{shown}");
        assert!(shown.contains(r#""redis://***@a.test:1/0", "rediss://***@b.test", "***@c""#), "{shown}");
        let tls = TlsFiles { ca: None, identity: Some((vec![1], vec![2])) };
        assert_eq!(format!("{tls:?}"), "TlsFiles { .. }");
    }

    #[test]
    fn files_of_tls_are_read_or_named() {
        let check = |settings: Redis, expect: &str| {
            assert_eq!(settings.tls_files().unwrap_err().to_string(), expect);
        };
        assert_eq!(Redis::default().tls_files().unwrap(), TlsFiles::default());
        let missing = Some(PathBuf::from("/nowhere/ca.pem"));
        check(
            Redis { tls_ca_file: missing.clone(), ..Redis::default() },
            "/nowhere/ca.pem cannot be read (no such file): correct redis.tls_ca_file",
        );
        check(
            Redis { tls_key_file: missing, ..Redis::default() },
            "redis.tls_cert_file and redis.tls_key_file must be set together",
        );
    }
}
