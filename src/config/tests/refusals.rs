//! Every refusal is one line: key, value, origin, and what to do.

use super::*;

fn variable(name: &str, text: &str, expect: &str) {
    assert_eq!(load_error(Folder::new().sources(), &[(name, text)]), expect, "{name}={text}");
}

fn dotenv(text: &str, expect: &str) {
    let folder = Folder::new().with(".env", text);
    assert_eq!(error(&folder.sources()), expect, "{text}");
}

/// `text` as the config file of an app that is otherwise complete.
fn toml(text: &str, expect: &str) {
    let (_folder, sources) = Folder::new().toml(text);
    assert_eq!(load_error(sources, &[]), expect, "{text}");
}

#[test]
fn variables() {
    variable(
        "REVERB_SERVER_PORT",
        "abc",
        r#"server.port is "abc" (environment variable REVERB_SERVER_PORT): must be a whole number from 0 to 65535"#,
    );
    variable(
        "REVERB_SERVER_PORT",
        "70000",
        "server.port is 70000 (environment variable REVERB_SERVER_PORT): must be a whole number from 0 to 65535",
    );
    variable(
        "REVERB_SERVER_PORT",
        "true",
        r#"server.port is "true" (environment variable REVERB_SERVER_PORT): must be a whole number from 0 to 65535"#,
    );
    variable(
        "REVERB_SERVER_HOST",
        "http://0.0.0.0",
        r#"server.host is "http://0.0.0.0" (environment variable REVERB_SERVER_HOST): must be a host name or an IP address, without scheme, port or path"#,
    );
    variable(
        "REVERB_SERVER_PATH",
        "/ws?x",
        r#"server.path is "/ws?x" (environment variable REVERB_SERVER_PATH): must be a URL path such as /ws"#,
    );
    variable(
        "REVERB_HOST",
        "a test",
        r#"server.hostname is "a test" (environment variable REVERB_HOST): must be a host name, without blanks or control characters"#,
    );
    variable(
        "REVERB_APP_ACTIVITY_TIMEOUT",
        "0",
        "app.limits.activity_timeout_secs is 0 (environment variable REVERB_APP_ACTIVITY_TIMEOUT): must be a whole number from 1 to 86400",
    );
    variable(
        "REVERB_APP_MAX_MESSAGE_SIZE",
        "20_000_000",
        "app.limits.max_message_bytes is 20000000 (environment variable REVERB_APP_MAX_MESSAGE_SIZE): must be a whole number from 100 to 16777216",
    );
    variable(
        "REVERB_MAX_REQUEST_SIZE",
        "10KB",
        r#"app.limits.max_request_bytes is "10KB" (environment variable REVERB_MAX_REQUEST_SIZE): must be a whole number from 100 to 67108864"#,
    );
    variable(
        "REVERB_APP_MAX_CONNECTIONS",
        "-1",
        "app.limits.max_connections is -1 (environment variable REVERB_APP_MAX_CONNECTIONS): must be a whole number from 0 to 100000000",
    );
    variable(
        "REVERB_APP_RATE_LIMITING_ENABLED",
        "maybe",
        r#"app.limits.message_rate is "maybe" (environment variable REVERB_APP_RATE_LIMITING_ENABLED): must be true or false"#,
    );
    variable(
        "REVERB_ALLOWED_ORIGINS",
        " , ",
        "app.allowed_origins is an empty list (environment variable REVERB_ALLOWED_ORIGINS): must list at least one origin, or * for any",
    );
    variable(
        "REVERB_ALLOWED_ORIGINS",
        "a.test b.test",
        r#"app.allowed_origins[0] is "a.test b.test" (environment variable REVERB_ALLOWED_ORIGINS): must be one host or origin such as app.example, or *"#,
    );
}

/// The variable that is wrong is the one that is named.
#[test]
fn places_of_redis() {
    let port = "must have a port from 1 to 65535, and in user and password %XX for what is no letter or digit";
    let check = |variables: &[(&str, &str)], expect: &str| {
        let variables = [&[("REVERB_SCALING_ENABLED", "true")], variables].concat();
        assert_eq!(load_error(Folder::new().sources(), &variables), format!("{expect}: {port}"), "{variables:?}");
    };
    check(
        &[("REDIS_PORT", "99999999"), ("REDIS_HOST", "a.test")],
        r#"redis.urls[0] is "redis://a.test:99999999" (environment variable REDIS_PORT)"#,
    );
    check(
        &[("REDIS_URL", "rediss://me:hunter2@[::1]:x/0")],
        r#"redis.urls[0] is "rediss://***@[::1]:x/0" (environment variable REDIS_URL)"#,
    );
}

/// As Windows writes files.
#[test]
fn marks_of_encodings() {
    let with_mark = |text: &str| format!("\u{feff}{text}");
    for (file, text) in [("a.toml", "[server]\nport = 1"), ("a.json", r#"{"server": {"port": 1}}"#)] {
        let folder = Folder::new().with(file, &with_mark(text)).with(".env", &with_mark(ENV));
        let sources = Sources { config_file: Some(file.into()), ..folder.sources() };
        assert_eq!(Config::load(&sources).unwrap().server.port, 1, "{file}");
        let wide: Vec<_> = with_mark(text).encode_utf16().flat_map(u16::to_le_bytes).collect();
        let _folder = folder.with(file, &wide);
        let mend = "save it as UTF-8, in PowerShell with Set-Content -Encoding utf8";
        assert_eq!(error(&sources), format!("DIR/{file} cannot be read (UTF-16): {mend}"));
    }
}

#[test]
fn credentials() {
    variable("REVERB_APP_ID", "", "app.id is empty (environment variable REVERB_APP_ID): must not be empty");
    variable(
        "REVERB_APP_ID",
        "null",
        "REVERB_APP_ID is not set, unlike environment variable REVERB_APP_KEY: an app has id, key and secret; set all three or none",
    );
    variable(
        "REVERB_APP_ID",
        "a/b",
        r#"app.id is "a/b" (environment variable REVERB_APP_ID): must not contain / ? or #, for it stands in URLs"#,
    );
    variable(
        "REVERB_APP_KEY",
        "a:b",
        "app.key is *** (environment variable REVERB_APP_KEY): must not contain a colon, which separates key and signature",
    );
    variable(
        "REVERB_APP_SECRET",
        "hunter 2",
        "app.secret is *** (environment variable REVERB_APP_SECRET): must not contain blanks or control characters",
    );
    variable(
        "REVERB_APP_SECRET",
        "",
        "app.secret is empty (environment variable REVERB_APP_SECRET): must not be empty",
    );
}

#[test]
fn dotenv_files() {
    dotenv(
        &format!("{ENV}APP_NAME=x\n\nREVERB_SERVER_PORT=abc"),
        r#"server.port is "abc" (REVERB_SERVER_PORT in DIR/.env line 6): must be a whole number from 0 to 65535"#,
    );
    dotenv(
        "REVERB_APP_KEY=a",
        "REVERB_APP_ID and REVERB_APP_SECRET are not set, unlike REVERB_APP_KEY in DIR/.env line 1: an app has id, key and secret; set all three or none",
    );
    dotenv("A=1\nNAME=My App", "DIR/.env line 2: NAME has unexpected whitespace: put the value in double quotes");
    dotenv(
        "REVERB_APP_SECRET=hunter 2",
        "DIR/.env line 1: REVERB_APP_SECRET has unexpected whitespace: put the value in double quotes",
    );
    dotenv(
        "KEY=-----BEGIN\nhunter2/\n",
        "DIR/.env line 2: this is not NAME=value: a name has letters, digits, _ and . only, and a comment starts with #",
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = Folder::new();
    let none = Sources { env_file: Some("none".into()), ..folder.sources() };
    assert_eq!(error(&none), "DIR/none cannot be read (no such file): name a .env file that this user may read");
    let none = Sources { config_file: Some("none".into()), ..folder.sources() };
    assert_eq!(error(&none), "DIR/none cannot be read (no such file): name a TOML file that this user may read");
    std::fs::write(folder.0.join(".env"), [0xff]).unwrap();
    let message = "DIR/.env cannot be read (not UTF-8): name a .env file that this user may read";
    assert_eq!(error(&folder.sources()), message);
}

#[test]
fn toml_syntax() {
    toml(
        "[server]\nport = ",
        "DIR/fanfare.toml line 2, column 8: not valid TOML: string values must be quoted, expected literal string",
    );
    toml(
        "[[apps]]\nsecret = hunter2",
        "DIR/fanfare.toml line 2, column 10: not valid TOML: string values must be quoted, expected literal string",
    );
    toml("[server]\nport = 1\nport = 2", "DIR/fanfare.toml line 3, column 1: not valid TOML: duplicate key");
    toml(
        "[server]\nport = 99999999999999999999",
        "DIR/fanfare.toml: not valid TOML: number too large to fit in target type",
    );
    toml(
        "a = '''hunter2\nhunter3",
        "DIR/fanfare.toml line 2, column 8: not valid TOML: invalid multi-line literal string, expected `'`",
    );
    toml(
        "[[apps]\nsecret = \"hunter2\"",
        "DIR/fanfare.toml line 1, column 8: not valid TOML: unclosed array table, expected `]`",
    );
    toml(
        "[[apps]]\nsecret = \"hunter2\\x\"",
        "DIR/fanfare.toml line 2, column 20: not valid TOML: too few unicode value digits, expected unicode hexadecimal value",
    );
}

#[test]
fn toml_settings() {
    let file = "(DIR/fanfare.toml)";
    toml("[server]\nprot = 1", &format!("server.prot is not a setting {file}: did you mean server.port?"));
    toml("[sever]\nport = 1", &format!("sever is not a setting {file}: did you mean server?"));
    toml(
        "[public]\nport = 1",
        &format!(
            "public is not a setting {file}: known here are server, tls, metrics, log, cluster, redis, nats, features, limits, webhooks, apps"
        ),
    );
    toml(
        "[limits]\nmax_conections = 1",
        &format!("limits.max_conections is not a setting {file}: did you mean limits.max_connections?"),
    );
    toml(
        "[limits.message_rate]\nwindow_of_time = 1",
        &format!(
            "limits.message_rate.window_of_time is not a setting {file}: known here are max_attempts, decay_secs, terminate"
        ),
    );
    toml(
        "[server]\nport = \"8080\"",
        &format!("server.port is \"8080\" {file}: must be a whole number from 0 to 65535"),
    );
    toml("[server]\nport = true", &format!("server.port is true {file}: must be a whole number from 0 to 65535"));
    toml("[server]\nport = 80.5", &format!("server.port is 80.5 {file}: must be a whole number from 0 to 65535"));
    toml("[server]\nhost = 1", &format!("server.host is 1 {file}: must be text in quotes"));
    toml("[server]\ndebug = 1", &format!("server.debug is 1 {file}: must be true or false"));
    toml(
        "[server]\napi_origins = [\"*\", \"admin.example\"]",
        &format!(
            "server.api_origins[1] is \"admin.example\" {file}: must be an origin as browsers send it, such as https://admin.example or http://localhost:3000, in lower case and without a path, or *"
        ),
    );
    toml(
        "[server]\napi_origins = \"*\"",
        &format!("server.api_origins is \"*\" {file}: must be a list in brackets, empty or not"),
    );
    toml("server = 1", &format!("server is 1 {file}: must be a table: [server]"));
    toml("[apps]\nid = 1", &format!("apps is a table {file}: must be written as [[apps]]"));
    toml(
        "[server]\nheader_timeout_secs = 0",
        &format!("server.header_timeout_secs is 0 {file}: must be a whole number from 1 to 3600"),
    );
    toml(
        "[limits]\nmax_channel_name_chars = 163",
        &format!("limits.max_channel_name_chars is 163 {file}: must be a whole number from 164 to 200"),
    );
    toml(
        "[limits]\noutbox_bytes = 1000",
        &format!("limits.outbox_bytes is 1000 {file}: must be a whole number from 65536 to 1073741824"),
    );
    toml(
        "[limits]\noutbox_bytes = 65_536\nmax_event_data_bytes = 70_000",
        &format!(
            "app.limits.outbox_bytes is 65536 {file}: must be at least max_event_data_bytes, 70000, or one event would disconnect its readers"
        ),
    );
}

#[test]
fn toml_apps() {
    const TWO: &str = "[[apps]]\nid = \"two\"\nkey = \"key-two\"\nsecret = \"hunter2\"\n";
    let file = "(DIR/fanfare.toml)";
    toml("[[apps]]\nid = \"two\"\nsecret = \"x\"", &format!("apps[0].key is not set {file}: add key = \"...\""));
    toml(
        &TWO.replace("\"hunter2\"", "[\"hunter2\"]"),
        &format!("apps[0].secret is *** {file}: must be text in quotes"),
    );
    toml(
        &format!("{TWO}client_events = \"every\""),
        &format!("apps[0].client_events is \"every\" {file}: must be one of none, guarded, members, all"),
    );
    toml(
        &format!("{TWO}allowed_origins = \"*\""),
        &format!("apps[0].allowed_origins is \"*\" {file}: must list at least one origin, or * for any"),
    );
    toml(
        &format!("{TWO}limits = {{ max_batch_events = 0 }}"),
        &format!("apps[0].limits.max_batch_events is 0 {file}: must be a whole number from 1 to 10000"),
    );
    toml(
        &format!("{TWO}{}", TWO.replace("key-two", "key-three")),
        &format!("apps[1].id is \"two\" {file}: apps[0].id {file} is the same; every app needs its own"),
    );
    toml(
        &TWO.replace("\"two\"", "123456"),
        &format!(
            "apps[0].id is 123456 {file}: app.id (environment variable REVERB_APP_ID) is the same; every app needs its own"
        ),
    );
    toml(
        &TWO.replace("key-two", "laravel-key"),
        &format!(
            "apps[0].key is *** {file}: app.key (environment variable REVERB_APP_KEY) is the same; every app needs its own"
        ),
    );
}

#[test]
fn toml_keys_and_features() {
    const ONE: &str = "[[apps]]\nid = \"two\"\nkey = \"key-two\"\nsecret = \"hunter2\"\n";
    let file = "(DIR/fanfare.toml)";
    toml(
        &format!("{ONE}[[apps.keys]]\nkey = \"next\"\n"),
        &format!("apps[0].keys[0].secret is not set {file}: add secret = \"...\""),
    );
    toml(
        &format!("{ONE}[[apps.keys]]\nkey = \"a:b\"\nsecret = \"s\""),
        &format!("apps[0].keys[0].key is *** {file}: must not contain a colon, which separates key and signature"),
    );
    toml(
        &format!("{ONE}[[apps.keys]]\nkey = \"key-two\"\nsecret = \"s\""),
        &format!("apps[0].keys[0].key is *** {file}: apps[0].key {file} is the same; every app needs its own"),
    );
    toml(
        &format!("{ONE}features = {{ watchlists = true }}"),
        &format!("apps[0].features.watchlists is not a setting {file}: did you mean apps[0].features.watchlist?"),
    );
    toml(
        "[features]\nwatchlist = \"maybe\"",
        &format!("features.watchlist is \"maybe\" {file}: must be true or false"),
    );
}

#[test]
fn no_app_at_all() {
    let expect = "no app is configured: set REVERB_APP_ID, REVERB_APP_KEY and REVERB_APP_SECRET in DIR/.env or in the \
                  environment, or name a config file with [[apps]]; `fanfare serve --dev` needs none";
    assert_eq!(error(&Folder::new().sources()), expect);
    dotenv("REVERB_APP_ID=null\nREVERB_APP_PING_INTERVAL=5", expect);
}

#[test]
fn flags() {
    let folder = Folder::new().with(".env", ENV);
    let flag = |key, text: &str, written| Sources { flags: vec![(key, text.to_owned(), written)], ..folder.sources() };
    assert_eq!(
        error(&flag("server.port", "65536", "--port")),
        "server.port is 65536 (--port): must be a whole number from 0 to 65535"
    );
    assert_eq!(
        error(&flag("server.prot", "1", "--prot")),
        "server.prot is not a setting (--prot): did you mean server.port?"
    );
    let mut masked = flag("server.port", "1", "--port");
    set(&mut masked, &[("REVERB_SERVER_PORT", "abc")]);
    assert_eq!(Config::load(&masked).unwrap().server.port, 1);
}
