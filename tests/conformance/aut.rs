//! AUT: signatures of HTTP requests.

use crate::support::Needs::{App, Nothing, Us};
use crate::support::{Answer, PATIENCE, Target, credentials, now, sign, statements, unique};
use fanfare::protocol::request::{Head, verify};
use fanfare::protocol::signature::{Keys, Secret};
use std::time::Duration;
use tokio::time::timeout;

const EMPTY_MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
const BODY: &str = r#"{"name":"e","channel":"c","data":"x"}"#;
const BODY_MD5: &str = "ec365a775a4cd0599faeb73354201b6f";

/// The parameters that every request has, as they are signed.
fn base() -> Vec<(String, String)> {
    with(&[("auth_key", credentials().key), ("auth_timestamp", &now().to_string()), ("auth_version", "1.0")])
}

fn with(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// `base` with one parameter changed, or without it.
fn changed(name: &str, value: Option<&str>) -> Vec<(String, String)> {
    let pairs = base().into_iter().filter(|(known, _)| known != name);
    pairs.chain(value.map(|value| (name.to_owned(), value.to_owned()))).collect()
}

/// The signature of these parameters, names in lower case.
fn signature(method: &str, path: &str, pairs: &[(String, String)]) -> String {
    let mut pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={value}", name.to_lowercase())).collect();
    pairs.sort();
    sign(method, path, &pairs.join("&"))
}

fn joined(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// A GET of the app's channels with these parameters, rightly signed.
async fn get(target: &Target, pairs: &[(String, String)]) -> Answer {
    let path = target.path("/channels");
    let signature = signature("GET", &path, pairs);
    let query = format!("{}&auth_signature={signature}", joined(pairs));
    target.http().await.request("GET", &format!("{path}?{query}"), "").await
}

/// A publish with this body, and these parameters rightly signed.
async fn post(target: &Target, pairs: &[(String, String)], body: &str) -> Answer {
    let path = target.path("/events");
    let signature = signature("POST", &path, pairs);
    let query = format!("{}&auth_signature={signature}", joined(pairs));
    target.http().await.request("POST", &format!("{path}?{query}"), body).await
}

fn md5_of(body: &str) -> String {
    use md5::{Digest, Md5};
    hex::encode(Md5::digest(body))
}

/// A request whose timestamp is so many seconds old, or young, when it is judged.
async fn aged(target: &Target, seconds: i64) -> Answer {
    let judged = async {
        loop {
            let second = now();
            let timestamp = second.checked_add_signed(-seconds).unwrap().to_string();
            let answer = get(target, &changed("auth_timestamp", Some(&timestamp))).await;
            // It does not count if the clock moved on in between.
            if now() == second {
                return answer;
            }
        }
    };
    timeout(PATIENCE, judged).await.expect("no answer came in the second in which it was asked for")
}

statements! {
    "AUT-01" "the documented request verifies" Us { why: "verifies with this crate's own code and a clock of 2012" }, |_t| {
        let keys = Keys::new("278d425bdf160c739803", "7ad3773142a6692b25b8");
        let query = format!(
            "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5={BODY_MD5}\
             &auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
        );
        let head = Head { method: "POST", path: "/apps/3/events", query: &query, prefix: "" };
        let signed = verify(head, &keys, Duration::from_secs(1_353_088_179), 600).unwrap();
        let body = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
        assert_eq!(signed.check_body(body.as_bytes()), Ok(()));
    }
    "AUT-02" "a missing auth_key is told" Nothing, |t| {
        get(&t, &changed("auth_key", None)).await.says(401, "Missing parameter: auth_key");
    }
    "AUT-03" "an unknown auth_key is refused" Nothing, |t| {
        get(&t, &changed("auth_key", Some("nobodys-key"))).await.is(401);
    }
    "AUT-04" "auth_version must be 1.0" Nothing, |t| {
        get(&t, &changed("auth_version", None)).await.is(401);
        get(&t, &changed("auth_version", Some("2.0"))).await.is(401);
    }
    "AUT-05" "a timestamp may be up to 600 s off" Nothing, |t| {
        aged(&t, 599).await.is(200);
        aged(&t, 601).await.is(401);
        aged(&t, -601).await.is(401);
    }
    "AUT-06" "a timestamp must be a number" Nothing, |t| {
        get(&t, &changed("auth_timestamp", Some("now"))).await.is(401);
    }
    "AUT-07" "a wrong signature is told what to sign, never the signature" Nothing, |t| {
        let (path, pairs) = (t.path("/channels"), base());
        let wrong = "0".repeat(64);
        let target = format!("{path}?{}&auth_signature={wrong}", joined(&pairs));
        let answer = t.http().await.request("GET", &target, "").await;
        answer.is(401);
        // A server behind a prefix may see the path with it or without.
        let paths = [path.as_str(), path.strip_prefix(&t.prefix).expect("the prefix is in front")];
        let told = paths.iter().any(|path| answer.body.contains(&format!(r"GET\n{path}\nauth_key=")));
        assert!(told, "{:?} does not say what to sign", answer.body);
        for path in paths {
            assert!(!answer.body.contains(&signature("GET", path, &pairs)), "{}", answer.body);
        }
    }
    "AUT-08" "a body that was changed is refused" Nothing, |t| {
        let pairs = [base(), with(&[("body_md5", &md5_of(BODY))])].concat();
        post(&t, &pairs, BODY).await.is(200);
        post(&t, &pairs, &BODY.replace('x', "y")).await.is(401);
    }
    "AUT-09" "a body without body_md5 is refused" Nothing, |t| {
        post(&t, &base(), BODY).await.is(401);
    }
    "AUT-10" "a GET with the MD5 of nothing is accepted" Nothing, |t| {
        get(&t, &[base(), with(&[("body_md5", EMPTY_MD5)])].concat()).await.is(200);
    }
    "AUT-11" "a GET without body_md5 is accepted" Nothing, |t| {
        get(&t, &base()).await.is(200);
    }
    "AUT-12" "the order of parameters does not matter" Nothing, |t| {
        let (path, mut pairs) = (t.path("/channels"), base());
        let signature = signature("GET", &path, &pairs);
        pairs.reverse();
        let target = format!("{path}?auth_signature={signature}&{}", joined(&pairs));
        t.http().await.request("GET", &target, "").await.is(200);
    }
    "AUT-13" "names of parameters are signed in lower case" Nothing, |t| {
        get(&t, &[base(), with(&[("Filter_By_Prefix", "x")])].concat()).await.is(200);
    }
    "AUT-14" "values are accepted encoded and, where that is legal, as they are" Nothing, |t| {
        let path = t.path("/channels");
        let value = "a@b,c=d+e f é";
        let pairs = [base(), with(&[("filter_by_prefix", value)])].concat();
        let digest = signature("GET", &path, &pairs);
        let encoded = "a%40b%2Cc%3Dd%2Be+f+%C3%A9";
        let query = format!("{}&filter_by_prefix={encoded}&auth_signature={digest}", joined(&pairs[..3]));
        t.http().await.request("GET", &format!("{path}?{query}"), "").await.is(200);
        get(&t, &[base(), with(&[("filter_by_prefix", "a@b,c=d+e")])].concat()).await.is(200);
    }
    "AUT-15" "a path is signed as it is and may be sent encoded" Nothing, |t| {
        let name = unique("a@b;c,");
        let encoded = name.replace('@', "%40").replace(';', "%3B").replace(',', "%2C");
        let pairs = base();
        let digest = signature("GET", &t.path(&format!("/channels/{name}")), &pairs);
        for name in [&name, &encoded] {
            let target = format!("{}?{}&auth_signature={digest}", t.path(&format!("/channels/{name}")), joined(&pairs));
            t.http().await.request("GET", &target, "").await.is(200);
        }
    }
    "AUT-16" "the key of another app is refused"
        App { why: "needs a second app", config: "[[apps]]\nid = \"4\"\nkey = \"other\"\nsecret = \"s\"" }, |t| {
        let (path, pairs) = (t.path("/channels"), changed("auth_key", Some("other")));
        let mut sorted: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        sorted.sort();
        let digest = Secret::new("s").sign(&["GET\n", &path, "\n", &sorted.join("&")]);
        let target = format!("{path}?{}&auth_signature={digest}", joined(&pairs));
        t.http().await.request("GET", &target, "").await.is(401);
    }
    "AUT-17" "an unknown app is 404" Nothing, |t| {
        let path = t.path("/channels").replace(&format!("/apps/{}/", credentials().id), "/apps/987654321/");
        let query = crate::support::signed("GET", &path, "");
        t.http().await.request("GET", &format!("{path}?{query}"), "").await.is(404);
    }
    "AUT-18" "a disabled app is 403" App { why: "needs a disabled app", config: "enabled = false" }, |t| {
        t.get("/channels", "").await.is(403);
    }
    "AUT-19" "100 requests go over one connection" Nothing, |t| {
        let (mut http, path) = (t.http().await, t.path("/channels"));
        for _ in 0..100 {
            http.signed("GET", &path, "").await.is(200);
        }
    }
}
