//! Who answers where the server is to listen.
//!
//! Must not know: how clients and back ends reach it.

use super::super::client::{Failure, exchange};
use super::super::link::{Target, Unreachable};
use super::Report;
use hyper::StatusCode;
use serde_json::Value;
use std::io::ErrorKind;

/// Who it is.
#[derive(Debug)]
pub(super) enum Who {
    /// This server, with its version.
    Ours(String),
    /// This server, which was started with another path prefix.
    Elsewhere,
    /// Laravel's own.
    Reverb,
    /// Somebody who speaks HTTP.
    Other(String),
    /// Nobody.
    Nobody,
    /// This server, it seems, which turns away who is no trusted proxy.
    Distrustful(String),
    /// Somebody who does not answer, or not in HTTP.
    Strange(String),
}

/// Asks who it is.
pub(super) async fn who(target: &Target) -> Who {
    let path = &target.address.path;
    let document = match exchange(target, &format!("{path}/openapi.json")).await {
        Ok(answer) => answer,
        Err(Failure::Unreachable(Unreachable::Refused(_, error))) if error.kind() == ErrorKind::ConnectionRefused => {
            return Who::Nobody;
        }
        Err(Failure::Unreachable(why @ Unreachable::Distrusted(..))) => return Who::Distrustful(why.to_string()),
        Err(error) => return Who::Strange(error.to_string()),
    };
    let json: Value = serde_json::from_str(&document.text).unwrap_or_default();
    if json["info"]["title"] == "Fanfare HTTP API" {
        return Who::Ours(json["info"]["version"].as_str().unwrap_or("?").to_owned());
    }
    if document.text.contains("this server has no such route") {
        return Who::Elsewhere;
    }
    match exchange(target, &format!("{path}/up")).await {
        Ok(answer) if answer.status == StatusCode::OK && answer.text.contains("\"health\"") => Who::Reverb,
        _ => {
            let server = document.headers.get("server").and_then(|server| server.to_str().ok());
            Who::Other(server.unwrap_or("a server of HTTP").to_owned())
        }
    }
}

/// Says who answers there; whether it is this server. `is_needed` unless the server may as well be on another machine.
pub(super) async fn look(target: &Target, is_needed: bool, report: &mut Report) -> bool {
    let place = target.address.to_string();
    let who = who(target).await;
    let is_ours = matches!(who, Who::Ours(_));
    match who {
        Who::Ours(version) => report.ok("port", format!("Fanfare {version} answers at {place}")),
        Who::Elsewhere => report.wrong(
            "prefix",
            format!("the server at {place} was started with another path prefix"),
            "REVERB_SERVER_PATH",
            "start it again with this configuration",
        ),
        Who::Nobody if !is_needed => {
            report.note(
                "port",
                format!("nothing listens at {place}"),
                "",
                "if the server is to run here, start it: fanfare serve",
            );
        }
        Who::Nobody => report.wrong(
            "port",
            format!("nothing listens at {place}"),
            "REVERB_SERVER_HOST, REVERB_SERVER_PORT",
            "start the server: fanfare serve",
        ),
        Who::Reverb => report.wrong(
            "port",
            format!("Laravel Reverb, or something like it, answers at {place}"),
            "REVERB_SERVER_PORT",
            "stop it (php artisan reverb:start, or its supervisor program), then start the server: fanfare serve",
        ),
        Who::Other(name) => report.wrong(
            "port",
            format!("{name} answers at {place}, and is not this server"),
            "REVERB_SERVER_PORT",
            "choose another port, or stop what has this one",
        ),
        Who::Distrustful(why) => report.wrong(
            "proxy-protocol",
            why,
            "server.trusted_proxies",
            "add the address of this machine, or run this where a trusted proxy is",
        ),
        Who::Strange(why) => report.wrong(
            "port",
            why,
            "REVERB_SERVER_PORT",
            "see what has the port, for example with `ss -ltnp`, and choose another one",
        ),
    }
    is_ours
}
