//! Settings, turned into what connections are opened with.

use crate::config::{Redis as Settings, TlsFiles};
use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ProtocolVersion, TlsCertificates};

/// Settings that could never work: what is wrong, where, and how to mend it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// Where to connect, and how.
pub(super) struct Plan {
    pub(super) kind: Kind,
    /// The servers that are configured; never none.
    pub(super) seeds: Vec<ConnectionInfo>,
    /// How to introduce oneself to servers that are found rather than configured.
    server: redis::RedisConnectionInfo,
}

/// What the configured servers are.
pub(super) enum Kind {
    /// The one that serves.
    Single,
    /// Sentinels that know a master by this name.
    Sentinels(String),
    /// Some of a cluster.
    Cluster,
}

impl Plan {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let wrong = |text: &str| Err(SettingsError(text.to_owned()));
        let kind = match (&settings.sentinel_master, settings.cluster) {
            (Some(_), true) => return wrong("redis.cluster and redis.sentinel_master exclude each other: unset one"),
            (Some(name), false) => Kind::Sentinels(name.clone()),
            (None, true) => Kind::Cluster,
            (None, false) => Kind::Single,
        };
        let sentinels = matches!(kind, Kind::Sentinels(_));
        if !sentinels && (settings.sentinel_username.is_some() || settings.sentinel_password.is_some()) {
            return wrong(
                "redis.sentinel_username and redis.sentinel_password are of no use without \
                          redis.sentinel_master: set it, or unset them",
            );
        }
        match (&kind, settings.urls.len()) {
            (_, 0) => return wrong("redis.urls is empty: name a server such as redis://127.0.0.1:6379"),
            (Kind::Single, 2..) => {
                return wrong(
                    "redis.urls names several servers: name one, or set redis.cluster if they are a cluster, or \
                              redis.sentinel_master if they are Sentinels",
                );
            }
            _ => {}
        }
        let tls = settings.tls_files().map_err(|error| SettingsError(error.to_string()))?;
        let seeds = settings.urls.iter().enumerate().map(|(n, url)| seed(url, &tls, &format!("redis.urls[{n}]")));
        let seeds = seeds.collect::<Result<Vec<_>, _>>()?;
        let secure = |seed: &ConnectionInfo| matches!(seed.addr(), ConnectionAddr::TcpTls { .. });
        if seeds.iter().any(|seed| secure(seed) != secure(&seeds[0])) {
            return wrong("redis.urls mixes redis:// and rediss://: the servers of one bus use TLS all or none");
        }
        if tls != TlsFiles::default() && !secure(&seeds[0]) {
            return wrong("redis.tls_* are set, but redis.urls ask for no TLS: begin the URLs with rediss://");
        }
        if !matches!(kind, Kind::Single) && seeds.iter().any(|seed| matches!(seed.addr(), ConnectionAddr::Unix(_))) {
            return wrong("redis.urls names a socket file, which leads to one server only: use host and port");
        }

        let database = settings.database.map_or(seeds[0].redis_settings().db(), i64::from);
        if matches!(kind, Kind::Cluster) && database != 0 {
            return wrong(
                "redis.database must be 0 in a cluster, which has no other: unset it, and tell clusters apart by cluster.prefix",
            );
        }
        let own = |seed: &ConnectionInfo| {
            if sentinels { redis::RedisConnectionInfo::default() } else { seed.redis_settings().clone() }
        };
        let server = login(own(&seeds[0]), &settings.username, &settings.password, "redis.username")?
            .set_db(database)
            .set_protocol(ProtocolVersion::RESP3);
        let seeds = seeds.into_iter().map(|seed| {
            let login = if sentinels {
                let own = seed.redis_settings().clone();
                login(own, &settings.sentinel_username, &settings.sentinel_password, "redis.sentinel_username")?
                    .set_db(0)
                    .set_protocol(ProtocolVersion::RESP2)
            } else {
                let own = login(own(&seed), &settings.username, &settings.password, "redis.username")?;
                own.set_db(database).set_protocol(ProtocolVersion::RESP3)
            };
            Ok(seed.set_redis_settings(login))
        });
        Ok(Self { kind, seeds: seeds.collect::<Result<_, _>>()?, server })
    }

    /// How to connect to a server that was found at `host` and `port`: as to the configured ones.
    pub(super) fn server(&self, host: &str, port: u16) -> ConnectionInfo {
        let addr = match self.seeds[0].addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        self.seeds[0].clone().set_addr(addr).set_redis_settings(self.server.clone())
    }

    /// What is being connected to, for logs.
    pub(super) fn target(&self) -> String {
        let seeds = self.seeds.iter().map(|seed| seed.addr().to_string()).collect::<Vec<_>>().join(", ");
        match &self.kind {
            Kind::Single => format!("Redis at {seeds}"),
            Kind::Sentinels(name) => format!("the Redis master {name:?} of the Sentinels at {seeds}"),
            Kind::Cluster => format!("the Redis Cluster at {seeds}"),
        }
    }
}

/// The server at `url`, which stands at `key` in the settings. No message repeats the URL, which may hold a password.
fn seed(url: &str, tls: &TlsFiles, key: &str) -> Result<ConnectionInfo, SettingsError> {
    // As Laravel writes them.
    let url = match url.split_once("://") {
        Some(("tls", rest)) => format!("rediss://{rest}"),
        Some(("tcp", rest)) => format!("redis://{rest}"),
        _ => url.to_owned(),
    };
    let info: ConnectionInfo = url.parse().map_err(|error: redis::RedisError| {
        SettingsError(format!(
            "{key} is not a URL of a Redis server ({}): must be such as redis://user:password@host:6379/0, user and \
             password percent-encoded",
            error.to_string().split(" - ").next().unwrap_or_default()
        ))
    })?;
    let ConnectionAddr::TcpTls { insecure, .. } = info.addr() else { return Ok(info) };
    if *insecure {
        return Err(SettingsError(format!(
            "{key} asks for TLS that trusts anybody (#insecure): name the authority in redis.tls_ca_file instead"
        )));
    }
    let holds_none = |pem: &Vec<u8>| !pem.windows(27).any(|at| at == b"-----BEGIN CERTIFICATE-----");
    if tls.ca.as_ref().is_some_and(holds_none) {
        return Err(SettingsError("redis.tls_ca_file holds no certificate: must be in PEM".to_owned()));
    }
    // One that was chosen for the process before serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client_tls = tls.identity.clone().map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    let files = TlsCertificates { client_tls, root_cert: tls.ca.clone() };
    let client = Client::build_with_tls(info, files)
        .map_err(|error| SettingsError(format!("redis.tls_* cannot be used ({error}): the files must be in PEM")))?;
    Ok(client.get_connection_info().clone())
}

/// What is said on connecting: user and password as the settings say, else as the URL does.
fn login(
    url: redis::RedisConnectionInfo,
    username: &Option<String>,
    password: &Option<String>,
    key: &str,
) -> Result<redis::RedisConnectionInfo, SettingsError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut login = url.set_lib_name(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    if let Some(username) = given(username) {
        login = login.set_username(username);
    }
    if let Some(password) = given(password) {
        login = login.set_password(password);
    }
    if login.username().is_some() && login.password().is_none() {
        return Err(SettingsError(format!("{key}, or redis.urls, names a user without a password: set both")));
    }
    Ok(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(urls: &[&str]) -> Settings {
        Settings { urls: urls.iter().map(|url| (*url).to_owned()).collect(), ..Settings::default() }
    }

    fn check(settings: &Settings, expect: &str) {
        let error = Plan::new(settings).err().expect("these settings must be refused").to_string();
        assert!(error.contains(expect), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let default = Settings::default;
        check(&urls(&[]), "redis.urls is empty");
        check(&urls(&["redis://a", "redis://b"]), "names several servers");
        check(&urls(&["redis://:hunter2@"]), "redis.urls[0] is not a URL");
        check(&urls(&["http://:hunter2@a.test"]), "redis.urls[0] is not a URL");
        check(&urls(&["redis://:hunter2@a.test/hunter2"]), "redis.urls[0] is not a URL");
        check(&urls(&["redis://a.test?protocol=hunter2"]), "redis.urls[0] is not a URL");
        check(&urls(&["rediss://a.test#insecure"]), "redis.tls_ca_file instead");
        check(&urls(&["redis://me@a.test"]), "a user without a password");
        let cluster = || Settings { cluster: true, ..default() };
        check(&Settings { database: Some(1), ..cluster() }, "redis.database must be 0");
        check(&Settings { sentinel_master: Some("m".to_owned()), ..cluster() }, "exclude each other");
        check(&Settings { urls: vec!["redis://a".to_owned(), "rediss://b".to_owned()], ..cluster() }, "mixes");
        check(&Settings { urls: vec!["unix:///a".to_owned()], ..cluster() }, "a socket file");
        check(&Settings { sentinel_password: Some("hunter2".to_owned()), ..default() }, "of no use");
        check(&Settings { tls_ca_file: Some("/nowhere".into()), ..default() }, "/nowhere cannot be read");
        let manifest = || Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into());
        check(&Settings { tls_ca_file: manifest(), ..default() }, "ask for no TLS");
        check(&Settings { tls_ca_file: manifest(), ..urls(&["tls://a"]) }, "holds no certificate");
    }

    #[test]
    fn settings_win_over_urls() {
        let settings = Settings {
            username: Some("me".to_owned()),
            password: Some(String::new()),
            database: Some(3),
            ..urls(&["tcp://you:p%40ss@a.test:7000/2"])
        };
        let plan = Plan::new(&settings).unwrap();
        let seed = plan.seeds[0].redis_settings();
        assert_eq!((seed.username(), seed.password(), seed.db()), (Some("me"), Some("p@ss"), 3));
        assert_eq!(plan.target(), "Redis at a.test:7000");
        assert_eq!(plan.server("b.test", 1).addr(), &ConnectionAddr::Tcp("b.test".to_owned(), 1));
    }

    #[test]
    fn sentinels_and_masters_have_logins_of_their_own() {
        let settings = Settings {
            password: Some("master".to_owned()),
            sentinel_master: Some("m".to_owned()),
            ..urls(&["redis://:sentinel@a.test:26379"])
        };
        let plan = Plan::new(&settings).unwrap();
        assert_eq!(plan.seeds[0].redis_settings().password(), Some("sentinel"));
        assert_eq!(plan.server("b.test", 1).redis_settings().password(), Some("master"));
        assert_eq!(plan.target(), r#"the Redis master "m" of the Sentinels at a.test:26379"#);
    }
}
