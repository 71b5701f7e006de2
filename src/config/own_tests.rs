use crate::app::{EventKind, MessageRate};
use crate::config::schema::GIVEN;
use crate::config::tests::{APP, Folder, load_error};
use crate::config::{Config, own};

fn load(variables: &[(&str, &str)]) -> Config {
    let mut sources = Folder::new().sources();
    sources.environment = APP.iter().chain(variables).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Config::load(&sources).unwrap()
}

fn refused(variables: &[(&str, &str)], expect: &str) {
    assert_eq!(load_error(Folder::new().sources(), variables), expect);
}

#[test]
fn every_setting_has_a_variable_of_its_own() {
    let names: Vec<_> = GIVEN.settings().iter().map(|(key, _)| own::variable(key)).collect();
    for name in [
        "FANFARE__SERVER__PORT",
        "FANFARE__NATS__TLS",
        "FANFARE__LIMITS__MESSAGE_RATE__DECAY_SECS",
        "FANFARE__APP__ID",
        "FANFARE__APP__LIMITS__MESSAGE_RATE__TERMINATE",
        "FANFARE__WEBHOOKS__ENDPOINTS",
    ] {
        assert_eq!(names.iter().filter(|known| *known == name).count(), 1, "{name}");
    }
    // Each is read: a text that no setting of its kind may be is refused under the setting's name.
    let refused = GIVEN.settings().into_iter().filter(|(key, _)| {
        let mut sources = Folder::new().sources();
        sources.environment.insert(own::variable(key), "\u{7f} ,".to_owned());
        let error = Config::load(&sources).unwrap_err();
        error.lines().iter().any(|line| line.starts_with(key.as_str()))
    });
    assert!(refused.count() > 70, "most kinds refuse such a text");
}

#[test]
fn values_of_every_kind_are_read() {
    let config = load(&[
        ("FANFARE__SERVER__PORT", "6_001"),
        ("FANFARE__SERVER__DEBUG", "on"),
        ("FANFARE__SERVER__PATH", ""),
        ("FANFARE__SERVER__HOSTNAME", "null"),
        ("FANFARE__SERVER__HEADER_TIMEOUT_SECS", ""),
        ("FANFARE__SERVER__API_ORIGINS", "https://a.test, https://b.test"),
        ("FANFARE__CLUSTER__PREFIX", "mine"),
        ("FANFARE__REDIS__URLS", "redis://a.test,redis://b.test"),
        ("FANFARE__NATS__SERVERS", "nats://a.test"),
        ("FANFARE__WEBHOOKS__RETRY_AFTER_SECS", "1,2"),
        ("FANFARE__WEBHOOKS__JOURNAL", ""),
        ("FANFARE__WEBHOOKS__ENDPOINTS", r#"[{"url": "https://a.test", "events": ["cache_miss"]}]"#),
        ("FANFARE__FEATURES__WATCHLIST", "yes"),
        ("FANFARE__APP__ALLOWED_ORIGINS", "a.test,b.test"),
        ("FANFARE__APP__KEYS", r#"[{"key": "next", "secret": "next-secret"}]"#),
    ]);
    assert_eq!((config.server.port, config.server.debug, config.server.header_timeout_secs), (6001, true, 30));
    assert_eq!((config.server.path.as_str(), &config.server.hostname), ("", &None));
    assert_eq!(config.server.api_origins, ["https://a.test", "https://b.test"]);
    assert_eq!((config.cluster.prefix.as_str(), config.redis.urls.len()), ("mine", 2));
    assert_eq!(
        (&config.nats.servers[..], &config.webhooks.retry_after_secs[..]),
        (&["nats://a.test".to_owned()][..], &[1, 2][..])
    );
    assert_eq!(config.webhooks.journal.as_os_str(), "");
    assert_eq!(config.webhooks.endpoints[0].events, [EventKind::CacheMiss]);
    assert!(config.apps[0].features.watchlist && !config.apps[0].allowed_origins.allow(Some("https://c.test")));
    assert_eq!(config.apps[0].keys.iter().collect::<Vec<_>>(), ["laravel-key", "next"]);
}

#[test]
fn they_win_over_other_variables_and_lose_to_options() {
    let rate = |variables: &[(&str, &str)]| load(variables).apps.remove(0).limits.message_rate;
    let on = [("REVERB_APP_RATE_LIMITING_ENABLED", "true"), ("REVERB_APP_RATE_LIMIT_DECAY_SECONDS", "7")];
    let expect = |decay_secs| Some(MessageRate { max_attempts: 60, decay_secs, terminate: false });
    assert_eq!(rate(&on), expect(7));
    assert_eq!(rate(&[&on[..], &[("FANFARE__APP__LIMITS__MESSAGE_RATE__DECAY_SECS", "8")]].concat()), expect(8));
    assert_eq!(rate(&[&on[..], &[("FANFARE__LIMITS__MESSAGE_RATE__DECAY_SECS", "9")]].concat()), expect(9));
    let both =
        [("FANFARE__LIMITS__MESSAGE_RATE__DECAY_SECS", "9"), ("FANFARE__APP__LIMITS__MESSAGE_RATE__DECAY_SECS", "8")];
    assert_eq!(rate(&both), expect(8));
    // A switch of Reverb's does not silence what was said in our own words.
    assert_eq!(rate(&[("REVERB_APP_RATE_LIMITING_ENABLED", "false"), both[0]]), expect(9));

    let port = |variables: &[(&str, &str)], flag: Option<&str>| {
        let mut sources = Folder::new().sources();
        sources.environment = APP.iter().chain(variables).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        sources.flags = flag.map(|text| ("server.port", text.to_owned(), "--port")).into_iter().collect();
        Config::load(&sources).unwrap().server.port
    };
    let both = [("REVERB_SERVER_PORT", "1"), ("FANFARE__SERVER__PORT", "2")];
    assert_eq!((port(&both, None), port(&both, Some("3"))), (2, 3));
    // What is overridden need not be right.
    assert_eq!(port(&[("REVERB_SERVER_PORT", "x"), ("FANFARE__SERVER__PORT", "2")], None), 2);
}

#[test]
fn an_app_of_its_own_variables_has_our_defaults() {
    let mut sources = Folder::new().sources();
    for (name, value) in [("ID", "1"), ("KEY", "k"), ("SECRET", "s")] {
        sources.environment.insert(format!("FANFARE__APP__{name}"), value.to_owned());
    }
    let config = Config::load(&sources).unwrap();
    assert_eq!((config.apps[0].id.as_str(), config.apps[0].limits.max_message_bytes), ("1", 65_536));
    sources.environment.remove("FANFARE__APP__KEY");
    let error = Config::load(&sources).unwrap_err().to_string();
    assert!(error.starts_with("FANFARE__APP__KEY is not set, unlike environment variable FANFARE__APP__ID"), "{error}");
}

#[test]
fn unknown_names_are_mistakes() {
    refused(
        &[("FANFARE__SERVER__PROT", "1")],
        "FANFARE__SERVER__PROT is not a setting (environment variable FANFARE__SERVER__PROT): did you mean \
         FANFARE__SERVER__PORT?",
    );
    refused(
        &[("fanfare__server__port", "1")],
        "fanfare__server__port is not a setting (environment variable fanfare__server__port): did you mean \
         FANFARE__SERVER__PORT?",
    );
    refused(
        &[("FANFARE__COLOUR", "1")],
        "FANFARE__COLOUR is not a setting (environment variable FANFARE__COLOUR): FANFARE__SERVER__PORT is port in \
         [server], and so on for all of config/fanfare.toml",
    );
    refused(
        &[("FANFARE__WEBHOOKS__ENDPOINTS", "https://a.test")],
        "webhooks.endpoints is *** (environment variable FANFARE__WEBHOOKS__ENDPOINTS): must be written as \
         [[webhooks.endpoints]], or in a variable as JSON: a list of objects",
    );
    refused(
        &[("FANFARE__WEBHOOKS__ENDPOINTS", r#"{"url": "https://a.test"}"#)],
        "webhooks.endpoints is *** (environment variable FANFARE__WEBHOOKS__ENDPOINTS): must be a list, of one object too: \
         put it in [ and ]",
    );
    // Kubernetes names services so.
    load(&[("FANFARE_SERVICE_HOST", "10.0.0.1"), ("FANFARE_PORT", "tcp://10.0.0.1:80")]);
}
