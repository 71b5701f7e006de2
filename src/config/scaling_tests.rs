use crate::config::tests::{APP, Folder, load_error};
use crate::config::{Bus, Cluster, Config, Redis};

const ON: (&str, &str) = ("REVERB_SCALING_ENABLED", "true");

fn load(variables: &[(&str, &str)]) -> (Cluster, Redis) {
    let mut sources = Folder::new().sources();
    sources.environment = APP.iter().chain(variables).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let config = Config::load(&sources).unwrap();
    (config.cluster, config.redis)
}

/// URL, user, password and database for `variables`, with scaling on.
fn check(variables: &[(&str, &str)], url: &str, login: (Option<&str>, Option<&str>, Option<u32>)) {
    let (cluster, redis) = load(&[&[ON], variables].concat());
    assert_eq!(cluster.bus, Bus::Redis);
    assert_eq!(redis.urls, [url], "{variables:?}");
    assert_eq!((redis.username.as_deref(), redis.password.as_deref(), redis.database), login, "{variables:?}");
}

#[test]
fn without_scaling_the_app_keeps_its_redis_to_itself() {
    let redis = [("REDIS_HOST", "redis.test"), ("REDIS_DB", "no number"), ("REVERB_SCALING_CHANNEL", "x")];
    assert_eq!(load(&redis), (Cluster::default(), Redis::default()));
    let off = [("REVERB_SCALING_ENABLED", "false"), ("REDIS_PORT", "1")];
    assert_eq!(load(&off), (Cluster::default(), Redis::default()));
}

#[test]
fn scaling_goes_over_the_apps_redis() {
    check(&[], "redis://127.0.0.1:6379", (None, None, None));
    check(
        &[("REDIS_PASSWORD", "null"), ("REDIS_URL", ""), ("REDIS_DB", "2")],
        "redis://127.0.0.1:6379",
        (None, None, Some(2)),
    );
    check(&[("REDIS_HOST", "redis.test")], "redis://redis.test:6379", (None, None, None));
    check(&[("REDIS_PORT", "7000")], "redis://127.0.0.1:7000", (None, None, None));
    check(&[("REDIS_HOST", "tls://redis.test"), ("REDIS_PORT", "1")], "tls://redis.test:1", (None, None, None));
    check(&[("REDIS_HOST", "::1")], "redis://[::1]:6379", (None, None, None));
    check(&[("REDIS_HOST", "/run/redis.sock"), ("REDIS_PORT", "0")], "unix:///run/redis.sock", (None, None, None));
    let login = [("REDIS_USERNAME", "me"), ("REDIS_PASSWORD", "p@ss:/word")];
    check(&login, "redis://127.0.0.1:6379", (Some("me"), Some("p@ss:/word"), None));
}

#[test]
fn parts_of_the_url_win() {
    let others = [("REDIS_HOST", "x"), ("REDIS_USERNAME", "me"), ("REDIS_PASSWORD", "secret"), ("REDIS_DB", "3")];
    let check = |url: &'static str, login| check(&[&[("REDIS_URL", url)][..], &others].concat(), url, login);
    check("redis://redis.test", (Some("me"), Some("secret"), Some(3)));
    check("rediss://you:p%40ss@redis.test:7000/5", (None, None, None));
    check("tls://:pass@redis.test/?timeout=5", (Some("me"), None, Some(3)));
    check("redis://you@redis.test/0", (None, Some("secret"), None));
}

#[test]
fn the_channel_is_what_topics_begin_with() {
    assert_eq!(load(&[ON]).0.prefix, "fanfare");
    assert_eq!(load(&[ON, ("REVERB_SCALING_CHANNEL", "my-app")]).0.prefix, "my-app");
}

#[test]
fn mistakes_are_named() {
    let check = |variables: &[(&str, &str)], expect: &str| {
        let error = load_error(Folder::new().sources(), variables);
        assert!(error.contains(expect), "{error}");
    };
    check(
        &[("REVERB_SCALING_ENABLED", "maybe")],
        r#"scaling is "maybe" (environment variable REVERB_SCALING_ENABLED)"#,
    );
    check(&[ON, ("REDIS_DB", "x")], "redis.database is \"x\" (environment variable REDIS_DB)");
    check(&[ON, ("REDIS_URL", "hunter2")], "redis.urls[0] is *** (environment variable REDIS_URL): must");
    check(&[ON, ("REDIS_URL", "http://:hunter2@redis.test")], r#"redis.urls[0] is "http://***@redis.test""#);
}
