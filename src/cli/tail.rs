//! `fanfare tail`.

use super::client::{Failure, Question, block_on};
use super::place::{Remote, Server};
use super::print::{complain, fail, plain, put, refuse};
use super::until::Until;
use crate::feed::KINDS;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Map, Value};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::timeout;

/// The server writes an empty line every 15 s: after a longer silence it, or something on the way, is gone.
const SILENCE: Duration = Duration::from_secs(40);
/// The longest line that is read: a payload of which every byte is escaped, and what is said about it.
const MOST_LINE: usize = 1 << 20;
/// Of what is shown for people: what comes first, what comes last, and in between the rest by name.
const FIRST: [&str; 4] = ["socket_id", "user_id", "channel", "event"];
const LAST: [&str; 4] = ["message", "error", "reason", "data"];

/// Print what happens in an app, while it happens: connections, subscriptions, members, events, refusals, webhooks.
///
/// The server is asked over HTTP, with the credentials of an app where `fanfare serve` reads its configuration. Of several
/// servers it is the one that is asked which tells what happens there.
#[derive(clap::Args)]
pub(super) struct Tail {
    #[command(flatten)]
    remote: Remote,
    /// App to follow [default: the first that is enabled]
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(KINDS), hide_possible_values = true, help = kinds())]
    kinds: Vec<String>,
    /// Only what happens on channels whose names start so
    #[arg(long, value_name = "PREFIX")]
    channel: Option<String>,
    /// Bytes of each payload that are shown
    #[arg(long, value_name = "BYTES", default_value = "1000", value_parser = clap::value_parser!(u16).range(0..=16384))]
    max_payload: u16,
    #[command(flatten)]
    until: Until,
    /// Print each as a JSON object on its line, for programs
    #[arg(long)]
    json: bool,
}

fn kinds() -> String {
    format!("Only such, separated by commas: {}", KINDS.join(", "))
}

impl Tail {
    pub(super) fn run(self) -> ExitCode {
        let server = match self.remote.server() {
            Ok(server) => server,
            Err(error) => return refuse(&error),
        };
        let asked = Asked {
            app: self.app,
            kinds: self.kinds.join(","),
            channel: self.channel,
            max_payload: self.max_payload.to_string(),
        };
        let followed = block_on(async {
            let following = follow(&server, &asked, self.json, self.until.count);
            self.until.wait(following, Ok(())).await
        });
        match followed {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        }
    }
}

/// What is asked for.
struct Asked {
    app: Option<String>,
    kinds: String,
    channel: Option<String>,
    max_payload: String,
}

/// Prints until there were enough, or nobody reads any more.
async fn follow(server: &Server, asked: &Asked, json: bool, mut left: Option<u64>) -> Result<(), Failure> {
    let kinds = Some(asked.kinds.as_str()).filter(|kinds| !kinds.is_empty());
    let parameters =
        [("channel", asked.channel.as_deref()), ("max_payload", Some(&*asked.max_payload)), ("type", kinds)];
    let parameters: Vec<_> = parameters.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
    let question = Question { server, app: asked.app.as_deref(), route: "/tail", parameters: &parameters, body: None };
    let mut lines = Lines { body: question.open().await?.into_body(), read: Vec::new() };
    loop {
        let line = lines.next().await?;
        let Ok(record) = serde_json::from_str::<Map<String, Value>>(&line) else {
            return Err(Failure::Other(format!("the server says {line:.200}, which is no JSON object")));
        };
        if let Some(nodes @ 2..) = record.get("nodes").and_then(Value::as_u64) {
            complain(&format!("this is one of {nodes} servers: ask each of them, with --url, for what happens there"));
        }
        if put(&if json { line } else { shown(&record) }).is_err() {
            return Ok(());
        }
        // What says how it goes is no happening.
        if KINDS.iter().any(|kind| record["type"] == *kind) {
            left = left.map(|left| left - 1);
        }
        if left == Some(0) {
            return Ok(());
        }
    }
}

/// The lines of an answer as they come.
struct Lines {
    body: Incoming,
    read: Vec<u8>,
}

impl Lines {
    /// The next line that is not empty.
    async fn next(&mut self) -> Result<String, Failure> {
        loop {
            while let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                if !line.is_empty() {
                    return Ok(line);
                }
            }
            if self.read.len() > MOST_LINE {
                return Err(Failure::Other(format!("the server writes a line of more than {MOST_LINE} bytes")));
            }
            let frame = timeout(SILENCE, self.body.frame()).await;
            let silent = |_| {
                format!(
                    "nothing came for {} s, not even an empty line: something on the way is gone",
                    SILENCE.as_secs()
                )
            };
            match frame.map_err(silent).map_err(Failure::Other)? {
                Some(Ok(frame)) => self.read.extend(frame.data_ref().into_iter().flatten()),
                Some(Err(error)) => return Err(Failure::Other(format!("the connection is lost: {error}; ask again"))),
                None => {
                    return Err(Failure::Other(
                        "the server has ended it, it stops; ask again once it is back".to_owned(),
                    ));
                }
            }
        }
    }
}

/// A record for people, on one line.
fn shown(record: &Map<String, Value>) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let of = |name: &str| record.get(name).map(text).unwrap_or_default();
    let rest = record.keys().map(String::as_str);
    let rest =
        rest.filter(|name| !["time", "type", "bytes"].contains(name) && !FIRST.contains(name) && !LAST.contains(name));
    let fields =
        FIRST.into_iter().chain(rest).chain(LAST).filter(|name| record.get(*name).is_some_and(|v| !v.is_null()));
    let fields: Vec<_> = fields.map(|name| format!("{name}={}", of(name))).collect();
    let cut = record.get("bytes").and_then(Value::as_u64).filter(|bytes| *bytes > of("data").len() as u64);
    let cut = cut.map_or(String::new(), |bytes| format!("... ({bytes} bytes)"));
    plain(&format!("{:24}  {:14}  {}{cut}", of("time"), of("type"), fields.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_are_shown_on_one_line() {
        let show = |record: Value| shown(record.as_object().unwrap());
        let record = json!({
            "type": "published", "time": "2026-01-02T03:04:05.678Z", "channel": "a", "event": "e\u{1b}", "except": null,
            "connections": 2, "data": "{\"a\":\n1}", "bytes": 8
        });
        let expect =
            r#"2026-01-02T03:04:05.678Z  published       channel=a event=e\u{1b} connections=2 data={"a":\n1}"#;
        assert_eq!(show(record.clone()), expect);
        let mut long = record;
        long["bytes"] = 9.into();
        assert_eq!(show(long), format!("{expect}... (9 bytes)"));
        assert_eq!(show(json!({ "type": "missed", "count": 3 })), format!("{:24}  missed          count=3", ""));
    }
}
