//! Whatever back ends send, reading it ends in a value that keeps to the limits or in a refusal, and what the document
//! allows is no refusal.

use super::connections::{read_cursor, read_limit};
use super::docs::{cursor, info};
use super::events::{one, several};
use super::idempotency::{HEADER, read_key};
use super::info::{ALL, COUNTS, Info};
use super::openapi::channel;
use super::{Api, router};
use crate::app::{App, Apps};
use crate::node::{Identity, Node};
use crate::protocol::ChannelName;
use crate::protocol::json;
use crate::protocol::signature::Secret;
use crate::protocol::tests::value;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use md5::{Digest, Md5};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::string::string_regex;
use serde_json::Value;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

/// An app whose limits are soon reached.
fn app() -> App {
    let mut app = App::new("3", "key", "secret");
    app.limits.max_request_bytes = 300;
    app.limits.max_channel_name_chars = 12;
    app.limits.max_event_name_chars = 8;
    app.limits.max_event_data_bytes = 16;
    app.limits.max_channels_per_publish = 3;
    app.limits.max_batch_events = 2;
    app
}

/// A JSON string that looks like `pattern`, or something else altogether.
fn text(pattern: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![9 => pattern.prop_map(|text| serde_json::to_string(&text).unwrap()), 1 => value()]
}

/// An event whose members are each about as they should be.
fn event() -> impl Strategy<Value = String> {
    let null = || Just("null".to_owned());
    let list = vec(text("[a-c-]{1,13}"), 0..5).prop_map(|list| format!("[{}]", list.join(",")));
    let members = (
        text("(pusher:)?[é-í]{0,9}"),
        text("[é-í\\n]{0,9}"),
        text("[a-z-]{0,13}"),
        prop_oneof![null(), list],
        prop_oneof![null(), text("[0-9]{1,11}[.][0-9]{1,11}")],
        prop_oneof![null(), text("((user|subscription)_count[, ]{0,2}){0,3}")],
    );
    members.prop_map(|(name, data, channel, channels, id, info)| {
        let names = ["name", "data", "channel", "channels", "socket_id", "info"];
        let members = names.iter().zip([name, data, channel, channels, id, info]);
        let members: Vec<_> = members.map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        format!("{{{}}}", members.join(","))
    })
}

/// What `schema` allows; its pattern says it whole.
fn allowed(schema: &Value) -> impl Strategy<Value = String> + use<> {
    let pattern = schema["pattern"].as_str().unwrap();
    string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap()
}

/// Made once, for its document takes longer than many requests.
static ROUTER: LazyLock<Router> = LazyLock::new(|| {
    let node =
        Arc::new(Node::new(Identity::new("test".to_owned(), std::time::SystemTime::UNIX_EPOCH), Apps::new([app()])));
    router(Api::new(node, "", Duration::from_secs(1)), &[])
});

/// The answer to a request with the query `pairs` and `body`, signed as an SDK would.
fn ask(method: &str, path: &str, pairs: &[(String, String)], key: Option<HeaderValue>, body: &[u8]) -> (u16, String) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut pairs = pairs.to_vec();
    pairs.extend([pair("auth_key", "key"), pair("auth_version", "1.0"), pair("auth_timestamp", &now.to_string())]);
    pairs.push(pair("body_md5", &hex::encode(Md5::digest(body))));
    let mut signed: Vec<_> = pairs.iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
    signed.sort_by(|a, b| a.0.cmp(&b.0));
    let signed: Vec<_> = signed.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let signature = Secret::new("secret").sign(&[method, "\n", path, "\n", &signed.join("&")]);
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    let request = Request::builder().method(method).uri(format!("{path}?{query}&auth_signature={signature}"));
    let mut request = request.body(Body::from(body.to_vec())).unwrap();
    request.headers_mut().extend(key.map(|key| (HeaderName::from_static(HEADER), key)));
    let service = TowerToHyperService::new(ROUTER.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let answer = service.call(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    })
}

/// Bodies of every kind, most of them JSON.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let batch = vec(event(), 0..4).prop_map(|events| format!(r#"{{"batch":[{}]}}"#, events.join(",")));
    let text = prop_oneof![event(), batch, value(), ".{0,40}", Just(String::new())];
    prop_oneof![9 => text.prop_map(String::into_bytes), 1 => vec(any::<u8>(), 0..400)]
}

proptest! {
    #[test]
    fn accepted_events_keep_to_the_limits(event in event(), value in value(), text in ".{0,60}") {
        let batch = |events: &[&String]| {
            let events: Vec<_> = events.iter().map(|event| event.as_str()).collect();
            format!(r#"{{"batch":[{}]}}"#, events.join(","))
        };
        let app = app();
        let three = batch(&[&event; 3]);
        prop_assert!(several(&app, &three).is_err());
        let two = batch(&[&event, &value]);
        for json in [&event, &value, &text, &two] {
            let _ = several(&app, json);
            let Ok((trigger, _)) = one(&app, json) else { continue };
            prop_assert!((1..=8).contains(&trigger.name.chars().count()) && !trigger.name.starts_with("pusher:"));
            prop_assert!(json::text(&trigger.data).unwrap().len() <= 16);
            let names: Vec<_> = trigger.channels.iter().map(ChannelName::as_str).collect();
            prop_assert!((1..=3).contains(&names.len()));
            for (at, name) in names.iter().enumerate() {
                prop_assert!((1..=12).contains(&name.len()) && !names[..at].contains(name));
            }
        }
    }

    /// The same, from the other side.
    #[test]
    fn events_that_keep_to_the_limits_are_accepted(
        name in "[é-í]{1,8}",
        data in "[a-z\"\\\\]{0,16}",
        channels in vec("[a-z-]{1,12}", 1..4),
        id in "[0-9]{1,11}[.][0-9]{1,11}",
        attributes in allowed(&info(&COUNTS)),
    ) {
        let json = serde_json::json!({
            "name": name, "data": data, "channel": channels[0], "channels": channels, "socket_id": id,
            "info": attributes,
        });
        let (app, batch) = (app(), serde_json::json!({ "batch": [json, json] }).to_string());
        let json = json.to_string();
        let read = one(&app, &json).map_err(|refused| TestCaseError::fail(format!("{refused:?}")));
        let (trigger, _) = read?;
        prop_assert_eq!((&*trigger.name, &*json::text(&trigger.data).unwrap()), (&*name, &*data));
        prop_assert_eq!(several(&app, &batch).map(|events| events.len()), Ok(2));
    }

    #[test]
    fn every_request_is_answered(
        route in prop_oneof![
            Just(("POST", "/apps/3/events")),
            Just(("POST", "/apps/3/batch_events")),
            Just(("POST", "/apps/3/channels/presence-a/events")),
            Just(("GET", "/apps/3/channels")),
            Just(("GET", "/apps/3/channels/cache-a")),
            Just(("GET", "/apps/3/channels/presence-a/users")),
            Just(("GET", "/apps/3/connections")),
        ],
        pairs in vec((
            prop_oneof!["name", "data", "channels?(\\[[0-9]?\\])?", "socket_id", "info", "cursor", "limit", ".{0,6}"],
            prop_oneof!["[a-z]{0,9}", "[0-9]{1,11}[.]?[0-9]{0,11}", "(user|subscription)_count", ".{0,12}"],
        ), 0..8),
        key in proptest::option::of(vec(any::<u8>(), 0..300)),
        body in body(),
    ) {
        let key = key.and_then(|key| HeaderValue::from_bytes(&key).ok());
        let (status, text) = ask(route.0, route.1, &pairs, key, &body);
        // Short keys come more than once.
        prop_assert!([200, 202, 400, 413, 422].contains(&status), "{status} {text}");
        prop_assert_eq!(text.ends_with('\n'), status >= 400, "{} {}", status, text);
    }

    /// An event that comes in the query is read as one that comes in the body.
    #[test]
    fn the_query_says_what_a_body_would(
        name in "[a-z]{0,9}",
        data in ".{0,9}",
        channels in vec("[a-z ]{1,13}", 1..5),
        attributes in "((user|subscription)_count[, ]?){0,2}",
    ) {
        let json = serde_json::json!({ "name": name, "data": data, "channels": channels, "info": attributes });
        let mut pairs = vec![("name".to_owned(), name), ("data".to_owned(), data), ("info".to_owned(), attributes)];
        pairs.extend(channels.into_iter().map(|channel| ("channels[]".to_owned(), channel)));
        let of_query = ask("POST", "/apps/3/events", &pairs, None, b"");
        prop_assert_eq!(of_query, ask("POST", "/apps/3/events", &[], None, json.to_string().as_bytes()));
    }

    /// Whatever the body is, it means nothing (H7).
    #[test]
    fn terminations_take_every_body(body in vec(any::<u8>(), 0..300), json in event()) {
        for path in ["/apps/3/users/ann/terminate_connections", "/apps/3/channels/a/terminate_connections"] {
            for body in [&*body, json.as_bytes()].into_iter().filter(|body| body.len() <= 300) {
                prop_assert_eq!(ask("POST", path, &[], None, body), (200, "{}".to_owned()));
            }
        }
    }

    #[test]
    fn info_is_a_list_of_what_is_known(lists in vec("((user_|subscription_)?count|cache|[, é]){0,5}", 0..3)) {
        let app = app();
        let named = lists.iter().flat_map(|list| list.split(',')).map(str::trim);
        let named: Vec<_> = named.filter(|name| !name.is_empty()).collect();
        for known in [&COUNTS[..], &ALL] {
            let info = Info::parse(lists.iter().map(String::as_str), known, &app);
            prop_assert_eq!(info.is_ok(), named.iter().all(|name| known.contains(name)), "{:?}", &lists);
            let Ok(info) = info else { continue };
            let found = [info.user_count, info.subscription_count, info.cache];
            prop_assert_eq!(found, ALL.map(|name| named.contains(&name)), "{:?}", &lists);
        }
    }

    #[test]
    fn a_key_is_one_header_of_printable_characters(
        values in vec(prop_oneof![
            "[ -~]{1,5}".prop_map(String::into_bytes),
            "[ -~]{254,257}".prop_map(String::into_bytes),
            "[\t -~é]{0,5}".prop_map(String::into_bytes),
            vec(any::<u8>(), 0..9),
        ], 1..4),
    ) {
        let values: Vec<_> = values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()).collect();
        for sent in values.chunks(1).chain([&*values]).filter(|sent| !sent.is_empty()) {
            let headers: HeaderMap = sent.iter().map(|value| (HEADER.parse().unwrap(), value.clone())).collect();
            let printable = |value: &HeaderValue| value.as_bytes().iter().all(|b| (b' '..=b'~').contains(b));
            let good = sent.len() == 1 && printable(&sent[0]) && (1..=255).contains(&sent[0].len());
            let key = read_key(&headers).expect("there is a header");
            prop_assert_eq!(key.as_deref().ok(), sent[0].to_str().ok().filter(|_| good));
        }
    }

    #[test]
    fn a_page_is_a_cursor_and_a_limit(
        text in ".{0,12}",
        digits in "[0-9]{1,11}[.][0-9]{1,11}",
        number in "[0-9]{1,5}",
    ) {
        for text in [text, digits, number] {
            if let Ok(cursor) = read_cursor(&text) {
                prop_assert_eq!(cursor.to_string(), &*text);
            }
            if let Ok(limit) = read_limit(&text) {
                prop_assert!((1..=1000).contains(&limit) && text.trim_start_matches('0') == limit.to_string());
            }
        }
    }

    #[test]
    fn what_the_document_allows_is_accepted(
        cursor in allowed(&cursor()),
        counts in allowed(&info(&COUNTS)),
        all in allowed(&info(&ALL)),
        name in allowed(&channel()),
        limit in 1..=1000_usize,
    ) {
        let app = App::new("3", "key", "secret");
        prop_assert!(read_cursor(&cursor).is_ok(), "{}", cursor);
        prop_assert_eq!(read_limit(&limit.to_string()), Ok(limit));
        prop_assert!(Info::parse([&*counts], &COUNTS, &app).is_ok(), "{}", counts);
        prop_assert!(Info::parse([&*all], &ALL, &app).is_ok(), "{}", all);
        prop_assert!(name.len() > 164 || super::channel_name(&app, &name).is_ok(), "{}", name);
    }
}
