//! Bad configurations, each with everything that the binary says of it.

use crate::binary::Folder;

const APP: &str = "REVERB_APP_ID=1\nREVERB_APP_KEY=key\nREVERB_APP_SECRET=hunter2\n";
const SOKETI: &str = "SOKETI_DEFAULT_APP_ID=1\nSOKETI_DEFAULT_APP_KEY=key\nSOKETI_DEFAULT_APP_SECRET=hunter2\n";
const TWO: &str = "[[apps]]\nid = \"two\"\nkey = \"key-two\"\nsecret = \"hunter2\"\n";

/// `.env` beside a good app, files, options, and the lines on standard error, with `DIR` for the folder.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str]);

fn check(env: &str, (more, files, options, expect): Case<'_>) {
    let folder = Folder::new(&format!("{env}{more}"));
    for (name, text) in files {
        folder.write(name, text);
    }
    for command in ["serve", "check"] {
        let output = folder.output(&[&[command], options].concat());
        let errors = String::from_utf8(output.stderr).unwrap().replace(folder.name(), "DIR");
        let errors: Vec<_> = errors.lines().filter(|line| !line.starts_with("fanfare: warning: ")).collect();
        let expect: Vec<_> = expect.iter().map(|line| format!("fanfare: {line}")).collect();
        assert_eq!(errors, expect, "{command} {options:?} with {more:?} {files:?}");
        assert_eq!(output.status.code(), Some(78));
        assert!(output.stdout.is_empty() && !errors.concat().contains("hunter2"));
    }
}

const TOML: &[&str] = &["--config", "a.toml"];
const PORT: &str = "must be a whole number from 0 to 65535";
const SECS: &str = "must be a whole number from 1 to 86400";

#[test]
fn numbers_and_words() {
    let port = |origin: &str, value: &str| format!("server.port is {value} ({origin}): {PORT}");
    let cases: &[Case<'_>] = &[
        ("REVERB_SERVER_PORT=x", &[], &[], &[&port("REVERB_SERVER_PORT in DIR/.env line 4", "\"x\"")]),
        ("FANFARE__SERVER__PORT=x", &[], &[], &[&port("FANFARE__SERVER__PORT in DIR/.env line 4", "\"x\"")]),
        ("", &[("a.toml", "[server]\nport = 70000")], TOML, &[&port("DIR/a.toml", "70000")]),
        ("", &[("a.json", "{\"server\": {\"port\": true}}")], &["--config", "a.json"], &[&port("DIR/a.json", "true")]),
        ("", &[], &["--port=-1"], &[&port("--port", "-1")]),
        (
            "REVERB_APP_PING_INTERVAL=0",
            &[],
            &[],
            &[&format!("app.limits.ping_interval_secs is 0 (REVERB_APP_PING_INTERVAL in DIR/.env line 4): {SECS}")],
        ),
        (
            "REVERB_APP_RATE_LIMITING_ENABLED=maybe",
            &[],
            &[],
            &[
                "app.limits.message_rate is \"maybe\" (REVERB_APP_RATE_LIMITING_ENABLED in DIR/.env line 4): must be true or \
               false",
            ],
        ),
        (
            "REVERB_ALLOWED_ORIGINS=\",\"",
            &[],
            &[],
            &[
                "app.allowed_origins is an empty list (REVERB_ALLOWED_ORIGINS in DIR/.env line 4): must list at least one \
               origin, or * for any",
            ],
        ),
        (
            "",
            &[("a.toml", "server.port = 9000\nmetrics.port = 9000")],
            TOML,
            &["metrics.port is 9000 (DIR/a.toml): it is server.port, too: choose another one"],
        ),
        (
            "",
            &[("a.toml", "[limits]\noutbox_bytes = 65_536\nmax_event_data_bytes = 70_000")],
            TOML,
            &[
                "app.limits.outbox_bytes is 65536 (DIR/a.toml): must be at least max_event_data_bytes, 70000, or one event \
               would disconnect its readers",
            ],
        ),
        (
            "",
            &[("a.toml", "[limits]\nmax_event_data_bytes = 2_000_000")],
            TOML,
            &[
                "app.limits.max_event_data_bytes is 2000000 (DIR/a.toml): must be at most outbox_bytes, 1048576, or one event \
               would disconnect its readers",
            ],
        ),
    ];
    cases.iter().for_each(|case| check(APP, *case));
    check(SOKETI, ("SOKETI_PORT=x", &[], &[], &[&port("SOKETI_PORT in DIR/.env line 4", "\"x\"")]));
    let bus = "cluster.bus is \"cluster\" (SOKETI_ADAPTER_DRIVER in DIR/.env line 4): must be one of none, redis, nats";
    check(SOKETI, ("SOKETI_ADAPTER_DRIVER=cluster", &[], &[], &[bus]));
}

#[test]
fn names_that_are_none() {
    let cases: &[Case<'_>] = &[
        ("", &[("a.toml", "[sever]\nport = 1")], TOML, &["sever is not a setting (DIR/a.toml): did you mean server?"]),
        (
            "",
            &[("a.toml", "[server]\nhots = 1\nprot = 1")],
            TOML,
            &[
                "server.hots is not a setting (DIR/a.toml): did you mean server.host?",
                "server.prot is not a setting (DIR/a.toml): did you mean server.port?",
            ],
        ),
        (
            "FANFARE__SERVER__PROT=1",
            &[],
            &[],
            &["FANFARE__SERVER__PROT is not a setting (FANFARE__SERVER__PROT in DIR/.env line 4): did you mean \
               FANFARE__SERVER__PORT?"],
        ),
        (
            "FANFARE__PORT=1",
            &[],
            &[],
            &["FANFARE__PORT is not a setting (FANFARE__PORT in DIR/.env line 4): FANFARE__SERVER__PORT is port in \
               [server], and so on for all of config/fanfare.toml"],
        ),
        (
            "",
            &[("a.json", "{\"limits\": {\"message_rate\": {\"decay\": 1}}}")],
            &["--config", "a.json"],
            &[
                "limits.message_rate.decay is not a setting (DIR/a.json): known here are max_attempts, decay_secs, terminate",
            ],
        ),
        (
            "",
            &[("a.toml", "[[webhooks.endpoints]]\nurls = \"https://a.test\"")],
            TOML,
            &["webhooks.endpoints[0].urls is not a setting (DIR/a.toml): did you mean webhooks.endpoints[0].url?"],
        ),
        (
            "",
            &[("a.toml", "[server]\nport = 1\n[[apps]]\nid = \"2\"")],
            &["--apps", "a.toml"],
            &[
                "server is not a setting (DIR/a.toml): known here are apps",
                "apps[0].key is not set (DIR/a.toml): add key = \"...\"",
                "apps[0].secret is not set (DIR/a.toml): add secret = \"...\"",
            ],
        ),
    ];
    cases.iter().for_each(|case| check(APP, *case));
}

#[test]
fn files_that_cannot_be_read_or_parsed() {
    let cases: &[Case<'_>] = &[
        ("", &[], TOML, &["DIR/a.toml cannot be read (no such file): name a TOML file that this user may read"]),
        (
            "",
            &[],
            &["--config", "a.json"],
            &["DIR/a.json cannot be read (no such file): name a JSON file that this user may read"],
        ),
        (
            "",
            &[],
            &["--apps", "none"],
            &["DIR/none cannot be read (no such file): name a TOML file that this user may read"],
        ),
        (
            "",
            &[("a.json", "{\"server\": ")],
            &["--config", "a.json"],
            &["DIR/a.json line 1, column 11: not valid JSON: EOF while parsing a value"],
        ),
        (
            "",
            &[("a.json", "[]")],
            &["--config", "a.json"],
            &["DIR/a.json: must be an object, such as {\"server\": {\"port\": 8080}}"],
        ),
        (
            "",
            &[("a.toml", "[[apps]\nsecret = \"hunter2\"")],
            TOML,
            &["DIR/a.toml line 1, column 8: not valid TOML: unclosed array table, expected `]`"],
        ),
    ];
    cases.iter().for_each(|case| check(APP, *case));
    // One broken file does not hide what is wrong elsewhere, and what it may hold is not missing.
    let broken = [
        "DIR/.env line 1: a double quote is opened and never closed, so the rest of the file is lost: close it",
        &format!("server.port is -1 (DIR/a.toml): {PORT}"),
        "server.path is \"/a b\" (--path): must be a URL path such as /ws",
        "DIR/b.json line 1, column 1: not valid JSON: EOF while parsing an object",
    ];
    let files = [("a.toml", "[server]\nport = -1"), ("b.json", "{")];
    let options = ["--config", "a.toml", "--apps", "b.json", "--path", "/a b"];
    check("", ("A=\"b\nREVERB_SERVER_PORT=x", &files, &options, &broken));
}

/// What stands in them is looked at before anything is started, and all of it is told.
#[test]
fn files_that_are_of_no_use() {
    let toml = "[cluster]\nbus = \"redis\"\n[redis]\nurls = [\"rediss://a.test\"]\ntls_ca_file = \"ca.pem\"\n\
                [webhooks]\njournal = \"none/journal\"\n[[webhooks.endpoints]]\nurl = \"https://a.test\"\n";
    let expect = [
        "tls.cert_file cert.pem cannot be used: No such file or directory (os error 2); name a file that this user may read",
        "ca.pem cannot be read (no such file): correct redis.tls_ca_file",
        "webhooks.journal is none/journal, and none is no folder: make it, or name another file",
    ];
    let options = ["--config", "a.toml", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    check(APP, ("", &[("a.toml", toml)], &options, &expect));
    let toml = "cluster.bus = \"nats\"\nnats.username = \"me\"\nwebhooks.tls_ca_file = \"ca.pem\"\n\
                [[webhooks.endpoints]]\nurl = \"https://a.test\"\n";
    let expect = [
        "nats.username: and nats.password must both be set, or neither",
        "webhooks.tls_ca_file is ca.pem: it holds no certificate in PEM; name a file with certificates in PEM",
    ];
    check(APP, ("", &[("a.toml", toml), ("ca.pem", "")], TOML, &expect));
}

#[test]
fn apps_that_are_none() {
    let half = "an app has id, key and secret; set all three or none";
    check(
        "",
        (
            "REVERB_APP_KEY=a",
            &[],
            &[],
            &[&format!(
                "REVERB_APP_ID and REVERB_APP_SECRET are not set, unlike REVERB_APP_KEY in DIR/.env line 1: {half}"
            )],
        ),
    );
    check(
        "",
        (
            "PUSHER_APP_ID=a\nPUSHER_APP_KEY=a",
            &[],
            &[],
            &[&format!("PUSHER_APP_SECRET is not set, unlike PUSHER_APP_ID in DIR/.env line 1: {half}")],
        ),
    );
    check(
        "",
        (
            "FANFARE__APP__ID=a\nFANFARE__APP__KEY=a",
            &[],
            &[],
            &[&format!("FANFARE__APP__SECRET is not set, unlike FANFARE__APP__ID in DIR/.env line 1: {half}")],
        ),
    );
    let none = "no app is configured: set REVERB_APP_ID, REVERB_APP_KEY and REVERB_APP_SECRET in DIR/.env or in the \
                environment, or name a config file with [[apps]]; `fanfare serve --dev` needs none";
    check("", ("", &[], &[], &[none]));
    check(
        "",
        (
            "REVERB_SERVER_PORT=x",
            &[],
            &[],
            &[&format!("server.port is \"x\" (REVERB_SERVER_PORT in DIR/.env line 1): {PORT}"), none],
        ),
    );
    let colon = "must not contain a colon, which separates key and signature";
    check(
        APP,
        (
            "",
            &[("a.toml", "apps = \"x\"")],
            TOML,
            &["apps is \"x\" (DIR/a.toml): must be written as [[apps]], or in a variable as JSON: a list of objects"],
        ),
    );
    check(
        "REVERB_APP_ID=a/b\nREVERB_APP_KEY=a:b\nREVERB_APP_SECRET=\n",
        (
            "",
            &[],
            &[],
            &[
                "app.id is \"a/b\" (REVERB_APP_ID in DIR/.env line 1): must not contain / ? or #, for it stands in URLs",
                &format!("app.key is *** (REVERB_APP_KEY in DIR/.env line 2): {colon}"),
                "app.secret is empty (REVERB_APP_SECRET in DIR/.env line 3): must not be empty",
            ],
        ),
    );
}

#[test]
fn apps_that_are_there_twice() {
    let same = "is the same; every app needs its own";
    check(
        APP,
        (
            "",
            &[("a.toml", &format!("{TWO}{TWO}"))],
            TOML,
            &[
                &format!("apps[1].id is \"two\" (DIR/a.toml): apps[0].id (DIR/a.toml) {same}"),
                &format!("apps[1].key is *** (DIR/a.toml): apps[0].key (DIR/a.toml) {same}"),
            ],
        ),
    );
    check(
        APP,
        (
            "",
            &[("a.toml", &TWO.replace("\"two\"", "1"))],
            TOML,
            &[&format!("apps[0].id is 1 (DIR/a.toml): app.id (REVERB_APP_ID in DIR/.env line 1) {same}")],
        ),
    );
    let json = r#"{"id": "three", "key": "key-two", "secret": "hunter2"}"#;
    check(
        APP,
        (
            "",
            &[("a.toml", TWO), ("b.json", json)],
            &["--config", "a.toml", "--apps", "b.json"],
            &[&format!("key is *** (DIR/b.json): apps[0].key (DIR/a.toml) {same}")],
        ),
    );
    let younger = format!("{TWO}[[apps.keys]]\nkey = \"key-two\"\n");
    check(
        APP,
        (
            "",
            &[("a.toml", &younger)],
            TOML,
            &[
                "apps[0].keys[0].secret is not set (DIR/a.toml): add secret = \"...\"",
                &format!("apps[0].keys[0].key is *** (DIR/a.toml): apps[0].key (DIR/a.toml) {same}"),
            ],
        ),
    );
}

#[test]
fn endpoints_that_could_never_work() {
    let hooks = "[[apps.webhooks]]\nurl = \"ftp://a.test\"\nevents = [\"all\"]\n[[apps.webhooks]]\nbatch = 1\n\
                 [[apps.webhooks]]\nurl = \"http://10.0.0.1\"\nheaders = { Host = \"hunter2\" }\n";
    let all =
        "channel_occupied, channel_vacated, member_added, member_removed, client_event, cache_miss, subscription_count";
    check(
        APP,
        (
            "",
            &[("a.toml", &format!("{TWO}{hooks}"))],
            TOML,
            &[
                "apps[0].webhooks[0].url is \"ftp://a.test\" (DIR/a.toml): must be a URL such as https://app.example/pusher/webhooks, \
         with http:// or https://, in ASCII, what else it has percent-encoded",
                &format!("apps[0].webhooks[0].events[0] is \"all\" (DIR/a.toml): must be one of {all}"),
                "apps[0].webhooks[1].batch is 1 (DIR/a.toml): must be true or false",
                "apps[0].webhooks[2].headers.Host is *** (DIR/a.toml): is set by the server itself: leave it out",
                "apps[0].webhooks[1].url is not set (DIR/a.toml): add url = \"https://app.example/pusher/webhooks\"",
                "apps[0].webhooks[2].url is \"http://10.0.0.1\" (DIR/a.toml): is not an address of the public internet; set \
         features.private_webhook_targets = true if app \"two\" may send webhooks there",
            ],
        ),
    );
}

/// Every source, each with something wrong.
#[test]
fn all_mistakes_are_named_at_once() {
    let env = "REVERB_SERVER_PORT=x\nREVERB_SCALING_ENABLED=maybe\nFANFARE__LIMITS__OUTBOX=1\nREVERB_APP_ID=\n";
    let toml = "[cluster]\nbus = \"kafka\"\n[redis]\nurls = [\"http://:hunter2@a.test\"]\n[[apps]]\nid = 1\n";
    check(
        "",
        (
            env,
            &[("a.toml", toml)],
            &["--config", "a.toml", "--host", "a b"],
            &[
                "cluster.bus is \"kafka\" (DIR/a.toml): must be one of none, redis, nats",
                "redis.urls[0] is \"http://***@a.test\" (DIR/a.toml): must be a URL such as redis://user:password@host:6379/0, or \
         rediss:// for TLS",
                "scaling is \"maybe\" (REVERB_SCALING_ENABLED in DIR/.env line 2): must be true or false",
                "FANFARE__LIMITS__OUTBOX is not a setting (FANFARE__LIMITS__OUTBOX in DIR/.env line 3): FANFARE__SERVER__PORT is \
         port in [server], and so on for all of config/fanfare.toml",
                "server.host is \"a b\" (--host): must be a host name or an IP address, without scheme, port or path",
                &format!("server.port is \"x\" (REVERB_SERVER_PORT in DIR/.env line 1): {PORT}"),
                "app.id is empty (REVERB_APP_ID in DIR/.env line 4): must not be empty",
                "REVERB_APP_KEY and REVERB_APP_SECRET are not set, unlike REVERB_APP_ID in DIR/.env line 4: an app has id, key and \
         secret; set all three or none",
                "apps[0].key is not set (DIR/a.toml): add key = \"...\"",
                "apps[0].secret is not set (DIR/a.toml): add secret = \"...\"",
            ],
        ),
    );
}
