//! The way of back ends: a signed request through whatever is between them and the server.
//!
//! Must not know: WebSockets.

use super::super::address::Address;
use super::super::client::{Answer, Failure, exchange};
use super::{Report, Site, tls};
use crate::protocol::request::sign;
use hyper::header::{DATE, LOCATION};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// What a proxy answers that does not reach what is behind it.
const UNREACHED: [u16; 3] = [502, 503, 504];

/// Asks for the app's channels; whether that worked.
pub(super) async fn ask(site: &Site<'_>, report: &mut Report) -> bool {
    let (prefix, route) = (&site.target.address.path, format!("/apps/{}/channels", site.app.id));
    let path = format!("{prefix}{route}");
    let answer = match exchange(&site.target, &signed(site, &path, &path)).await {
        Ok(answer) => answer,
        Err(failure) => {
            unreachable(site, &failure, report).await;
            return false;
        }
    };
    clock(site, &answer, report);
    if is_list(&answer) {
        report.ok("backends", format!("the server takes signed requests at {}", site.target.address));
        return true;
    }
    let place = format!("{}{route}", site.target.address);
    let (status, text) = (answer.status.as_u16(), answer.text.as_str());
    match status {
        401 if text.contains("Timestamp expired") => {
            // The Date says so as well, unless a proxy wrote it.
            if !report.is_wrong("clock") {
                let fix = "set the clocks of both machines by NTP";
                report.wrong("clock", format!("the clocks differ: {text}"), &place, fix);
            }
        }
        401 if text.starts_with("Unknown auth_key") => report.wrong(
            "app",
            format!("the server that runs does not know the key {}", key(site)),
            "REVERB_APP_KEY",
            "give this app the key that the server was started with, and start the server again after a change",
        ),
        401 if !prefix.is_empty() && works(site, &signed(site, &path, &route)).await => report.wrong(
            "prefix",
            format!("the proxy takes {prefix} away, and the server does not know that it was signed"),
            &place,
            format!("start the server with REVERB_SERVER_PATH={prefix}"),
        ),
        401 => report.wrong(
            "secret",
            format!("the server that runs has another secret: {text:.200}"),
            "REVERB_APP_SECRET",
            "give both the same secret, and start the server again after a change",
        ),
        403 if text == "Application disabled" => {
            report.wrong("app", "the app is switched off", &place, "set enabled = true for it in the config file");
        }
        404 if text.starts_with("Unknown app_id") || text.starts_with("No matching application") => report.wrong(
            "app",
            format!("the server that runs has no app {}", site.app.id),
            "REVERB_APP_ID",
            "give this app the id that the server was started with, and start the server again after a change",
        ),
        404 if text.contains("this server has no such route") => lost(site, report).await,
        _ if answer.status.is_redirection() && answer.headers.contains_key(LOCATION) => {
            let location = answer.headers[LOCATION].to_str().unwrap_or("somewhere");
            redirected(site, status, location, &place, report);
        }
        _ if UNREACHED.contains(&status) => report.wrong(
            "proxy",
            format!("the proxy does not reach the server: it answers {status}"),
            &place,
            "start the server, and have the proxy hand on to where it listens (REVERB_SERVER_HOST, REVERB_SERVER_PORT)",
        ),
        _ => report.wrong(
            "apps-route",
            format!("/apps does not come to this server: {status} is answered, {text:.100}"),
            &place,
            "have the proxy hand on /apps as well as /app; in nginx, `location /` does",
        ),
    }
    false
}

/// Somebody before the server sends whoever asks elsewhere, and neither back ends nor WebSockets follow.
pub(super) fn redirected(site: &Site<'_>, status: u16, location: &str, place: &str, report: &mut Report) {
    // What it repeats of the query is signed.
    let location = location.split('?').next().unwrap_or_default();
    let what = format!("{status} is answered, which sends clients to {location}, and they do not follow");
    let fix = match Address::parse(location) {
        Ok(there) if there.secure && !site.target.address.secure => {
            format!("set REVERB_SCHEME=https and REVERB_PORT={}", there.port)
        }
        _ => {
            "have the proxy hand on /app and /apps as they are, or set REVERB_HOST to where it sends clients".to_owned()
        }
    };
    report.wrong("redirect", what, place, fix);
}

/// The server is there and has no such route: with another prefix it may.
async fn lost(site: &Site<'_>, report: &mut Report) {
    let prefix = &site.target.address.path;
    let place = site.target.address.to_string();
    if prefix.is_empty() {
        let fix = "have the proxy hand on paths as they are, or start the server with the prefix that it adds";
        report.wrong("prefix", "the proxy changes paths on their way to the server", &place, fix);
    } else {
        let what = format!("the server that runs does not know the path prefix {prefix}");
        let fix = format!("start it with REVERB_SERVER_PATH={prefix}, or leave the prefix out");
        report.wrong("prefix", what, &place, fix);
    }
}

/// Says why nothing answers.
pub(super) async fn unreachable(site: &Site<'_>, failure: &Failure, report: &mut Report) {
    let place = site.target.address.to_string();
    match failure {
        Failure::Unreachable(why) => {
            if !tls::explain(&site.target, why, report).await {
                let fix = "is the name right, the port open, and what listens there started? REVERB_HOST and REVERB_PORT \
                           say where the app and browsers connect";
                report.wrong("reach", why.to_string(), &place, fix);
            }
        }
        Failure::Broken(_, error) => {
            let fix = "if TLS is spoken there, set REVERB_SCHEME=https; else see what has the port";
            report.wrong("reach", format!("no HTTP is spoken there: {error}"), &place, fix);
        }
        failure => report.wrong("reach", failure.to_string(), &place, "see the log of the proxy and of the server"),
    }
}

/// The clock by which the server judges requests, if the answer tells it.
fn clock(site: &Site<'_>, answer: &Answer, report: &mut Report) {
    let date = answer.headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let Some(date) = date else { return };
    let now = SystemTime::now();
    let skew = now.duration_since(date).or_else(|_| date.duration_since(now)).unwrap_or_default();
    let window = site.app.limits.auth_window_secs;
    if skew >= Duration::from_secs(window) {
        let text = humantime::format_duration(Duration::from_secs(skew.as_secs()));
        let what = format!("the clocks differ by {text}, and requests that are {window} s off are refused");
        report.wrong("clock", what, &site.target.address.to_string(), "set the clocks of both machines by NTP");
    }
}

fn is_list(answer: &Answer) -> bool {
    let json: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    answer.status == 200 && json["channels"].is_object()
}

async fn works(site: &Site<'_>, target: &str) -> bool {
    exchange(&site.target, target).await.is_ok_and(|answer| is_list(&answer))
}

fn key<'a>(site: &Site<'a>) -> &'a str {
    site.app.keys.iter().next().expect("every app has a key")
}

/// A request for `path` that was signed for another one, perhaps.
fn signed(site: &Site<'_>, path: &str, for_path: &str) -> String {
    let key = key(site);
    let secret = site.app.keys.secret(key).expect("every key has a secret");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{path}?{}", sign(("GET", for_path, &[]), b"", (key, secret), now))
}
