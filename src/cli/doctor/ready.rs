//! Whether the server wants new clients, by its own word.
//!
//! Must not know: what keeps a server from being ready; it has a sentence for each reason.

use super::super::client::exchange;
use super::super::link::Target;
use super::Report;
use serde_json::Value;

/// Asks the first of `targets` that says whether it is ready: a proxy need not hand that question on.
pub(super) async fn ask(targets: &[&Target], report: &mut Report) {
    for target in targets {
        let path = format!("{}/ready", target.address.path);
        let Ok(answer) = exchange(target, &path).await else { continue };
        let json: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let place = format!("{}/ready", target.address);
        match json["ready"].as_bool() {
            None => continue,
            Some(true) => report.ok("ready", "the server says that it is ready for clients"),
            Some(false) => {
                for reason in json["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    report.wrong("ready", format!("the server is not ready: {reason}"), &place, fix(reason));
                }
            }
        }
        return;
    }
}

/// How to mend what the server says of itself.
fn fix(reason: &str) -> &'static str {
    if reason.contains("the bus") {
        "is the bus started, and does the server reach it? REDIS_HOST and REDIS_PORT, or [redis] and [nats] in the config \
         file, say where it is; the server's log says why it has no link"
    } else if reason.contains("is stopping") {
        "start the server again, or wait for the one that takes its place"
    } else {
        "see the server's log"
    }
}
