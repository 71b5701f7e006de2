//! Settings, checked once, as the client library wants them for each connection.

use crate::config::Nats as Settings;
use async_nats::rustls::pki_types::pem::PemObject;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_nats::{ConnectOptions, ServerAddr};
use nkeys::KeyPair;
use std::fmt::Display;
use std::time::Duration;

/// Settings that no connection can be made with: which, and how to mend it. Never holds a secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// Settings that are fit for use.
pub(super) struct Options {
    pub(super) servers: Vec<ServerAddr>,
    settings: Settings,
    credentials: Option<String>,
}

/// The setting `key` is not acceptable for the reason that `mend` gives.
fn wrong(key: &str, mend: impl Display) -> SettingsError {
    SettingsError(format!("nats.{key}: {mend}"))
}

impl Options {
    /// Checks the settings and the files that they name.
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        if settings.servers.is_empty() {
            return Err(wrong("servers", "must name at least one server, such as nats://127.0.0.1:4222"));
        }
        let servers = settings.servers.iter().map(|text| server(text)).collect::<Result<_, _>>()?;
        let credentials = credentials(settings)?;
        certificates(settings)?;
        Ok(Self { servers, settings: settings.clone(), credentials })
    }

    /// What one connection is made with.
    pub(super) fn build(&self, deadline: Duration) -> ConnectOptions {
        let settings = self.settings.clone();
        let secured = settings.tls || settings.tls_ca_file.is_some() || settings.tls_cert_file.is_some();
        let mut options = ConnectOptions::new()
            .name("fanfare")
            .require_tls(secured)
            .connection_timeout(deadline)
            .request_timeout(Some(deadline))
            .ping_interval(deadline)
            .subscription_capacity(super::QUEUE)
            .retain_servers_order()
            .ignore_discovered_servers()
            .reconnect_delay_callback(|_| Duration::ZERO)
            .max_reconnects(self.servers.len());
        if let (Some(user), Some(password)) = (settings.username, settings.password) {
            options = options.user_and_password(user, password);
        }
        if let Some(token) = settings.token {
            options = options.token(token);
        }
        if let Some(seed) = settings.nkey_seed {
            options = options.nkey(seed);
        }
        if let Some(credentials) = &self.credentials {
            options = options.credentials(credentials).expect("credentials that were parsed before");
        }
        if let Some(file) = settings.tls_ca_file {
            options = options.add_root_certificates(file);
        }
        if let (Some(certificate), Some(key)) = (settings.tls_cert_file, settings.tls_key_file) {
            options = options.add_client_certificate(certificate, key);
        }
        options
    }
}

/// A server by its address.
fn server(text: &str) -> Result<ServerAddr, SettingsError> {
    // What comes before an @ may be a password.
    if text.contains('@') {
        return Err(wrong("servers", "must not hold credentials: set nats.username and nats.password, or nats.token"));
    }
    let mend = || wrong("servers", format!("{text:?} must look like nats://10.0.0.1:4222 or tls://nats.example:4222"));
    let server: ServerAddr = text.parse().map_err(|_| mend())?;
    let url = server.clone().into_inner();
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !["nats", "tls"].contains(&server.scheme()) || server.host().is_empty() || !bare || url.port() == Some(0) {
        return Err(mend());
    }
    Ok(server)
}

/// The text of the credentials file, if that is what is set, after a look at all kinds.
fn credentials(settings: &Settings) -> Result<Option<String>, SettingsError> {
    if settings.username.is_some() != settings.password.is_some() {
        return Err(wrong("username", "and nats.password must both be set, or neither"));
    }
    let kinds = [&settings.username, &settings.token, &settings.nkey_seed].into_iter().flatten().count();
    if kinds + usize::from(settings.credentials_file.is_some()) > 1 {
        let mend = "set one kind of credentials only: username and password, token, nkey_seed, or credentials_file";
        return Err(wrong("username", mend));
    }
    if settings.nkey_seed.as_ref().is_some_and(|seed| KeyPair::from_seed(seed).is_err()) {
        return Err(wrong("nkey_seed", "must be the seed of a user's nkey, which begins with SU"));
    }
    let Some(path) = &settings.credentials_file else { return Ok(None) };
    let text = Settings::read("credentials_file", path).map_err(|error| SettingsError(error.to_string()))?;
    if ConnectOptions::with_credentials(&text).is_err() {
        let mend = format!("{} must hold a user's JWT and seed, as nsc generate creds writes them", path.display());
        return Err(wrong("credentials_file", mend));
    }
    Ok(Some(text))
}

/// The files of TLS, which the library reads anew for each connection: renewed ones take effect.
fn certificates(settings: &Settings) -> Result<(), SettingsError> {
    if settings.tls_cert_file.is_some() != settings.tls_key_file.is_some() {
        return Err(wrong("tls_cert_file", "and nats.tls_key_file must both be set, or neither"));
    }
    let files = [
        ("tls_ca_file", &settings.tls_ca_file, "certificate"),
        ("tls_cert_file", &settings.tls_cert_file, "certificate"),
        ("tls_key_file", &settings.tls_key_file, "private key"),
    ];
    for (setting, path, what) in files {
        let Some(path) = path else { continue };
        let text = Settings::read(setting, path).map_err(|error| SettingsError(error.to_string()))?;
        let mut certificates = CertificateDer::pem_slice_iter(text.as_bytes()).peekable();
        let good = match what {
            "certificate" => certificates.peek().is_some() && certificates.all(|found| found.is_ok()),
            _ => PrivateKeyDer::from_pem_slice(text.as_bytes()).is_ok(),
        };
        if !good {
            return Err(wrong(setting, format!("{} must hold a {what} in PEM", path.display())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &Settings, expect: &str) {
        let error = Options::new(settings).err().expect("these settings must be refused").to_string();
        assert!(error.contains(expect), "{error:?} should contain {expect:?}");
        assert!(!error.contains("hunter2"), "{error:?}");
    }

    fn servers(servers: &[&str]) -> Settings {
        Settings { servers: servers.iter().map(|&text| text.to_owned()).collect(), ..Settings::default() }
    }

    #[test]
    fn servers_are_addresses_without_credentials() {
        for good in ["nats://10.0.0.1:4222", "tls://nats.example", "nats.example:4223", "[::1]:4222", "localhost"] {
            assert!(Options::new(&servers(&[good])).is_ok(), "{good}");
        }
        check(&servers(&[]), "nats.servers: must name at least one");
        for bad in ["", "redis://a:1", "ws://a", "nats://", "nats://a:99999", "nats://a/b", "nats://a?b", "a b", "a:0"]
        {
            check(&servers(&["nats://good", bad]), "must look like nats://");
        }
        check(&servers(&["nats://me:hunter2@a"]), "must not hold credentials");
    }

    #[test]
    fn one_kind_of_credentials_may_be_set() {
        let secret = || Some("hunter2".to_owned());
        let none = Settings::default;
        check(&Settings { username: secret(), ..none() }, "must both be set");
        check(&Settings { password: secret(), ..none() }, "must both be set");
        let both = Settings { username: secret(), password: secret(), ..none() };
        assert!(Options::new(&both).is_ok());
        check(&Settings { token: secret(), ..both }, "one kind of credentials only");
        check(&Settings { nkey_seed: secret(), ..none() }, "nats.nkey_seed: must be the seed");
        let seed = "SUANQDPB2RUOE4ETUA26CNX7FUKE5ZZKFCQIIW63OX225F2CO7UEXTM7ZY".to_owned();
        assert!(Options::new(&Settings { nkey_seed: Some(seed), ..none() }).is_ok());
        check(&Settings { credentials_file: Some("/nowhere".into()), ..none() }, "correct nats.credentials_file");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        check(&Settings { credentials_file: Some(manifest.into()), ..none() }, "must hold a user's JWT and seed");
    }

    #[test]
    fn files_of_tls_are_looked_at() {
        let none = Settings::default;
        let manifest = || Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into());
        check(&Settings { tls_ca_file: Some("/nowhere".into()), ..none() }, "correct nats.tls_ca_file");
        check(&Settings { tls_ca_file: manifest(), ..none() }, "must hold a certificate in PEM");
        check(&Settings { tls_cert_file: manifest(), ..none() }, "must both be set");
        check(
            &Settings { tls_cert_file: manifest(), tls_key_file: manifest(), ..none() },
            "must hold a certificate in PEM",
        );
    }
}
