//! The way of pages: a WebSocket through whatever is between them and the server, from an origin that may or may not.
//!
//! Must not know: signed requests.

use super::super::client::Failure;
use super::super::pusher::{Ended, Pusher};
use super::{Report, Site, backend};

/// Whether the configuration lets the page connect. What it says is where the page is.
pub(super) fn origin(site: &Site<'_>, report: &mut Report) {
    let Some((origin, place)) = &site.origin else { return };
    if site.app.allowed_origins.allow(Some(origin)) {
        return report.ok("origin", format!("pages of {origin} may connect"));
    }
    let what = format!("pages of {origin} may not connect, for the app allows other origins");
    report.wrong("origin", what, place, "add its host to REVERB_ALLOWED_ORIGINS or allowed_origins, without a path");
}

/// Connects as a page does; `None` if that does not work.
pub(super) async fn connect(site: &Site<'_>, report: &mut Report) -> Option<Pusher> {
    let key = site.app.keys.iter().next().expect("every app has a key");
    let origin = site.origin.as_ref().map(|(origin, _)| origin.as_str());
    let place = format!("{}/app", site.target.address);
    let ended = match Pusher::connect(&site.target, key, origin).await {
        Ok(pusher) => {
            report.ok("clients", format!("clients connect at {}", site.target.address));
            return Some(pusher);
        }
        Err(ended) => ended,
    };
    match ended {
        Ended::Unreachable(why) => backend::unreachable(site, &Failure::Unreachable(why), report).await,
        Ended::Handshake(_, status, text) if text.contains("Upgrade") => {
            let what = format!("the handshake arrives without its headers: {status}, {text}");
            let fix = "have the proxy hand on Upgrade and Connection, over HTTP/1.1: proxy_http_version 1.1; \
                       proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"";
            report.wrong("upgrade", what, &place, fix);
        }
        Ended::Elsewhere(_, status, location) => {
            backend::redirected(site, status.as_u16(), &location, &place, report);
        }
        Ended::Handshake(_, status, text) => report.wrong(
            "app-route",
            format!("/app does not come to this server: {status} is answered, {text:.100}"),
            &place,
            "have the proxy hand on /app as well as /apps; in nginx, `location /` does",
        ),
        Ended::Closed(4001, _) => report.wrong(
            "app",
            format!("the server that runs does not know the key {key}"),
            "REVERB_APP_KEY",
            "give this app the key that the server was started with, and start the server again after a change",
        ),
        Ended::Closed(4005, _) => {
            let fix = "have the proxy hand on paths as they are, and start the server with the same REVERB_SERVER_PATH";
            report.wrong("prefix", "the server has no such path: the prefix was changed on the way", &place, fix);
        }
        // What the configuration says too was told already.
        Ended::Closed(4009, _) if report.is_wrong("origin") => {}
        Ended::Closed(4009, reason) if origin.is_none() => {
            let fix = "name a page that may connect: --origin https://app.example.com, or set APP_URL";
            report.note("origin", format!("who names no page is refused: {reason}"), &place, fix);
        }
        Ended::Closed(4009, reason) => {
            let fix = "start the server again: it runs with other origins than are configured here";
            report.wrong("origin", format!("the server refuses the page: {reason}"), &place, fix);
        }
        Ended::Closed(4000, reason) => {
            let fix = "set REVERB_SCHEME=https, and have the proxy say X-Forwarded-Proto: $scheme";
            report.wrong("require-tls", reason, &place, fix);
        }
        Ended::Closed(4004, reason) => {
            report.wrong("quota", reason, &place, "raise max_connections, REVERB_APP_MAX_CONNECTIONS");
        }
        ended => report.wrong("clients", ended.to_string(), &place, "see the log of the proxy and of the server"),
    }
    None
}
