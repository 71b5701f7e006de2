use super::*;
use crate::protocol::signature::Secret;
use proptest::prelude::*;

const KEY: &str = "278d425bdf160c739803";
const NOW: u64 = 1_353_088_179;
const BASE: &str = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0";
const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

fn secret() -> Secret {
    Secret::new("7ad3773142a6692b25b8")
}

fn sign(method: &str, path: &str, query: &str) -> String {
    secret().sign(&[method, "\n", path, "\n", query])
}

fn at(now: u64, head: Head<'_>) -> Result<Signed, String> {
    verify(head, &Keys::new(KEY, "7ad3773142a6692b25b8"), Duration::from_secs(now), 600)
}

fn get<'a>(path: &'a str, query: &'a str) -> Head<'a> {
    Head { method: "GET", path, query, prefix: "" }
}

/// Spec section 13: the requests, with the query as it was signed.
#[test]
fn vectors_verify() {
    let body = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
    let cases = [
        (
            "POST",
            "/apps/3/events",
            "&body_md5=ec365a775a4cd0599faeb73354201b6f",
            body,
            "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c",
        ),
        (
            "GET",
            "/apps/3/channels",
            "&filter_by_prefix=presence-&info=user_count",
            "",
            "16819168891cb5dfd72b5c7a5d3d602605b26c6ba1930033b5e2eeeb65010291",
        ),
        (
            "GET",
            "/apps/3/channels/foo@bar;baz",
            "&info=subscription_count,cache",
            "",
            "5421b70d06736e8f31c02b84563a2c7c5e72df2eb32da6a9e061524ee012328b",
        ),
        (
            "GET",
            "/apps/3/channels",
            "&body_md5=d41d8cd98f00b204e9800998ecf8427e",
            "",
            "5c3cd75022c4f62c35ad22f6a9cce366c860477a3b7092ca790ecfc17e6af302",
        ),
        (
            "POST",
            "/apps/3/users/u@1/terminate_connections",
            "&body_md5=99914b932bd37a50b983c5e7c90ae93b",
            "{}",
            "b090f181a175e0e79ab1638050a28c435f85022cecea6af1ae3da3acbfa8d9c9",
        ),
    ];
    for (method, path, more, body, signature) in cases {
        let signed_query = format!("{BASE}{more}");
        assert_eq!(sign(method, path, &signed_query), signature);
        let query = format!("auth_signature={signature}&{signed_query}");
        let signed = at(NOW, Head { method, path, query: &query, prefix: "" }).unwrap();
        signed.check_body(body.as_bytes()).unwrap();
    }
}

#[test]
fn each_missing_or_wrong_parameter_is_named() {
    let signature = sign("GET", "/apps/3/channels", BASE);
    let query = format!("{BASE}&auth_signature={signature}");
    assert!(at(NOW, get("/apps/3/channels", &query)).is_ok());
    for (from, to, expect) in [
        ("auth_key=", "key=", "Missing parameter: auth_key"),
        ("auth_key=2", "auth_key=3", "Unknown auth_key: 378d425bdf160c739803 is not a key of this application"),
        ("auth_version=1.0", "", "Version required"),
        ("auth_version=1.0", "auth_version=2.0", "Version not supported: auth_version must be 1.0"),
        ("auth_timestamp=1353088179", "", "Timestamp required: auth_timestamp must be in seconds"),
        ("auth_timestamp=1353088179", "auth_timestamp=now", "Timestamp required: auth_timestamp must be in seconds"),
        ("auth_timestamp=", "auth_timestamp=%2B", "Timestamp required: auth_timestamp must be in seconds"),
        ("auth_signature=", "signature=", "Missing parameter: auth_signature"),
    ] {
        assert_eq!(at(NOW, get("/apps/3/channels", &query.replace(from, to))).unwrap_err(), expect);
    }
    let error = at(NOW, get("/apps/3/other", &query)).unwrap_err();
    assert_eq!(
        error,
        format!(
            "Invalid signature: you should have sent HmacSHA256Hex(\"GET\\n/apps/3/other\\n{BASE}\", your_secret_key), \
             but you sent \"{signature}\""
        )
    );
}

#[test]
fn timestamps_are_good_for_less_than_the_window() {
    let query = format!("{BASE}&auth_signature={}", sign("GET", "/apps/3/channels", BASE));
    for (now, good) in [(NOW + 599, true), (NOW + 600, false), (NOW - 599, true), (NOW - 601, false), (0, false)] {
        assert_eq!(at(now, get("/apps/3/channels", &query)).is_ok(), good, "{now}");
    }
    assert_eq!(
        at(NOW + 601, get("/apps/3/channels", &query)).unwrap_err(),
        "Timestamp expired: Given timestamp (2012-11-16T17:49:39Z) not within 600s of server time (2012-11-16T17:59:40Z)"
    );
    let query = query.replace("1353088179", "18446744073709551615");
    assert!(at(NOW, get("/apps/3/channels", &query)).unwrap_err().starts_with("Timestamp expired"));
}

#[test]
fn a_flood_of_parameters_is_refused() {
    let query = format!("{BASE}{}", "&a=".repeat(300));
    assert_eq!(at(NOW, get("/", &query)).unwrap_err(), "Too many query parameters: at most 256");
}

#[test]
fn forms_that_sdks_sign() {
    // What is signed, and what is sent for it.
    for (path, signed, sent_path, sent) in [
        ("/apps/3/channels", "&info=a,b", "/apps/3/channels", "&info=a%2Cb"),
        ("/apps/3/channels", "&info=a,b", "/apps/3/channels", "&info=a,b"),
        ("/apps/3/channels", "&x=a b+é=@", "/apps/3/channels", "&x=a+b%2B%C3%A9%3D%40"),
        ("/apps/3/channels", "&x=a+b", "/apps/3/channels", "&x=a+b"),
        ("/apps/3/channels", "&x=a%2Cb", "/apps/3/channels", "&x=a%2Cb"),
        ("/apps/3/channels", "&info=a", "/apps/3/channels", "&Info=a"),
        ("/apps/3/channels", "&k[]=a&k[]=b", "/apps/3/channels", "&k%5B%5D=a&k%5B%5D=b"),
        ("/apps/3/channels", "&k=a,b", "/apps/3/channels", "&k%5B0%5D=a&k%5B1%5D=b"),
        ("/apps/3/channels/a@b;c,d", "", "/apps/3/channels/a%40b%3Bc%2Cd", ""),
        ("/apps/3/channels/a%40b", "", "/apps/3/channels/a%40b", ""),
    ] {
        let signature = sign("GET", path, &format!("{BASE}{signed}"));
        for query in
            [format!("{BASE}{sent}&auth_signature={signature}"), format!("auth_signature={signature}{sent}&{BASE}")]
        {
            assert!(at(NOW, get(sent_path, &query)).is_ok(), "{sent_path}?{query}");
        }
    }
}

#[test]
fn the_prefix_may_be_signed_or_not() {
    for (signed, sent, good) in [
        ("/apps/3/events", "/ws/apps/3/events", true),
        ("/ws/apps/3/events", "/ws/apps/3/events", true),
        ("/ws/apps/3/events", "/apps/3/events", true),
        ("/apps/3/events", "/apps/3/events", true),
        ("/other/apps/3/events", "/apps/3/events", false),
    ] {
        let query = format!("{BASE}&auth_signature={}", sign("POST", signed, BASE));
        let head = Head { method: "POST", path: sent, query: &query, prefix: "/ws" };
        assert_eq!(at(NOW, head).is_ok(), good, "{signed} {sent}");
    }
}

#[test]
fn bodies_need_their_md5() {
    let signed = |md5: &str| Signed(vec![("body_md5".to_owned(), md5.to_owned())]);
    assert!(Signed(Vec::new()).check_body(b"").is_ok());
    assert!(signed(EMPTY).check_body(b"").is_ok());
    assert_eq!(Signed(Vec::new()).check_body(b"{}").unwrap_err(), "Missing parameter: body_md5");
    assert!(signed(EMPTY).check_body(b"{}").unwrap_err().starts_with("Invalid body_md5"));
    assert!(signed("").check_body(b"").unwrap_err().starts_with("Invalid body_md5"));
}

#[test]
fn lists_are_read_in_every_spelling() {
    let pairs = ["channels[]", "channel", "channels[1]", "channels"];
    let signed = Signed(pairs.iter().map(|name| ((*name).to_owned(), format!("v:{name}"))).collect());
    assert_eq!(signed.list("channels").collect::<Vec<_>>(), ["v:channels[]", "v:channels[1]", "v:channels"]);
}

proptest! {
    #[test]
    fn judging_never_panics(path in ".{0,60}", query in ".{0,120}", prefix in "(/[a-z]{0,4})?", tail in ".{0,40}") {
        let _ = at(NOW, Head { method: "POST", path: &path, query: &query, prefix: &prefix });
        let query = format!("{BASE}&auth_signature={tail}&{query}");
        let _ = at(NOW, Head { method: "POST", path: &path, query: &query, prefix: &prefix });
    }
}
