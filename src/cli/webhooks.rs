//! `fanfare webhooks`.

use super::client::{Question, tell};
use super::place::Remote;
use super::print::{columns, refuse, span};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Attempts that are shown of each endpoint.
const SHOWN: usize = 5;

/// Tell how the endpoints of an app take webhooks, list those that were given up, and send them after all.
///
/// The server is asked over HTTP, with the credentials of an app where `fanfare serve` reads its configuration.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = false)]
pub(super) struct Webhooks {
    #[command(flatten)]
    remote: Remote,
    /// App to ask about [default: the first that is enabled]
    #[arg(long, value_name = "ID", global = true)]
    app: Option<String>,
    /// Print what the server answers, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List webhooks that were given up, oldest first
    Dead {
        /// Only those of this endpoint
        #[arg(long, value_name = "ID")]
        endpoint: Option<String>,
        /// At most so many [default: 100]
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: Option<u16>,
    },
    /// Send webhooks that were given up after all: those with these ids, or all
    Replay {
        /// Only those of this endpoint
        #[arg(long, value_name = "ID")]
        endpoint: Option<String>,
        /// Only these
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
}

impl Webhooks {
    pub(super) fn run(self) -> ExitCode {
        let server = match self.remote.server() {
            Ok(server) => server,
            Err(error) => return refuse(&error),
        };
        let app = self.app.as_deref();
        let question = Question { server: &server, app, route: "/webhooks", parameters: &[], body: None };
        match self.action {
            None => tell(question, self.json, table),
            Some(Action::Dead { endpoint, limit }) => {
                let limit = limit.map(|limit| limit.to_string());
                let parameters = [("endpoint", endpoint.as_deref()), ("limit", limit.as_deref())];
                let parameters: Vec<_> =
                    parameters.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
                tell(Question { route: "/webhooks/dead", parameters: &parameters, ..question }, self.json, letters)
            }
            Some(Action::Replay { endpoint, ids }) => {
                let ids = Some(ids).filter(|ids| !ids.is_empty());
                let body = json!({ "endpoint": endpoint, "ids": ids }).to_string();
                tell(Question { route: "/webhooks/replay", body: Some(&body), ..question }, self.json, replayed)
            }
        }
    }
}

/// Each endpoint with its last attempts, for people; `None` if the answer is none.
fn table(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let endpoints = answer["endpoints"].as_array()?;
    if endpoints.is_empty() {
        return Some("the app has no endpoints: add [[apps.webhooks]] with a url to the config file".to_owned());
    }
    let mut rows =
        vec![["ENDPOINT", "STATE", "WAITING", "OLDEST", "DELIVERED", "FAILED", "DEAD", "URL"].map(str::to_owned)];
    for endpoint in endpoints {
        let number = |key: &str| endpoint[key].as_u64();
        rows.push([
            endpoint["endpoint"].as_str()?.to_owned(),
            endpoint["state"].as_str()?.to_owned(),
            number("waiting")?.to_string(),
            if number("waiting")? == 0 { "-".to_owned() } else { span(number("oldest_ms")? / 1000) },
            number("delivered")?.to_string(),
            format!("{} of {}", number("failures")?, number("attempts")?),
            number("dead")?.to_string(),
            endpoint["url"].as_str()?.to_owned(),
        ]);
    }
    let mut lines = columns(&rows);
    for endpoint in endpoints {
        let log = endpoint["log"].as_array()?;
        let last = log.iter().rev().take(SHOWN).rev();
        let last: Vec<_> = last.map(attempt).collect::<Option<_>>()?;
        if !last.is_empty() {
            lines.push(format!("\nlast attempts at {}:", endpoint["endpoint"].as_str()?));
            lines.extend(columns(&last));
        }
    }
    Some(lines.join("\n"))
}

fn attempt(attempt: &Value) -> Option<[String; 5]> {
    let outcome = match (attempt["status"].as_u64(), attempt["error"].as_str()) {
        (Some(status), None) => format!("status {status}"),
        (_, error) => error?.to_owned(),
    };
    let again = attempt["retry_in_ms"].as_u64().map(|ms| format!(", again after {:.1} s", ms as f64 / 1000.0));
    Some([
        attempt["at"].as_str()?.to_owned(),
        attempt["delivery"].as_str()?.to_owned(),
        format!("{} events", attempt["events"].as_u64()?),
        format!("{} ms", attempt["ms"].as_u64()?),
        outcome + &again.unwrap_or_default(),
    ])
}

fn letters(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let dead = answer["dead"].as_array()?;
    if dead.is_empty() {
        return Some("no webhook was given up".to_owned());
    }
    let mut rows = vec![["ID", "GIVEN UP", "ENDPOINT", "EVENT", "CHANNEL", "WHY"].map(str::to_owned)];
    for letter in dead {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        rows.push([
            text(&letter["id"])?,
            text(&letter["at"])?,
            text(&letter["endpoint"])?,
            text(&letter["event"]["name"])?,
            text(&letter["event"]["channel"])?,
            text(&letter["error"])?,
        ]);
    }
    let mut lines = columns(&rows);
    let more = answer["total"].as_u64()?.saturating_sub(dead.len() as u64);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Some(lines.join("\n"))
}

fn replayed(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    Some(format!("{} webhooks wait to be sent again", answer["replayed"].as_u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_make_a_table() {
        let log = json!([
            { "at": "2026-01-02T03:04:05.678Z", "delivery": "d1", "events": 1, "attempt": 1, "status": 204, "error": null,
              "ms": 3, "retry_in_ms": null },
            { "at": "2026-01-02T03:04:06.678Z", "delivery": "d2", "events": 2, "attempt": 1, "status": 500,
              "error": "status 500", "ms": 12, "retry_in_ms": 1043 },
        ]);
        let endpoint = json!({
            "endpoint": "f0b4cca31892", "url": "https://a.test/hook", "state": "failing", "waiting": 2, "oldest_ms": 61_500,
            "attempts": 2, "failures": 1, "delivered": 1, "dead": 3, "log": log
        });
        let expect = "\
ENDPOINT      STATE    WAITING  OLDEST  DELIVERED  FAILED  DEAD  URL
f0b4cca31892  failing  2        1m 1s   1          1 of 2  3     https://a.test/hook

last attempts at f0b4cca31892:
2026-01-02T03:04:05.678Z  d1  1 events  3 ms   status 204
2026-01-02T03:04:06.678Z  d2  2 events  12 ms  status 500, again after 1.0 s";
        assert_eq!(table(&json!({ "endpoints": [endpoint] }).to_string()).unwrap(), expect);
        assert!(table(r#"{"endpoints":[]}"#).unwrap().contains("has no endpoints"));
    }

    #[test]
    fn dead_letters_make_a_table() {
        let event = json!({ "name": "channel_vacated", "channel": "a" });
        let letter = json!({ "id": "0-1", "endpoint": "e", "at": "t", "error": "status 500", "event": event });
        let expect = "\
ID   GIVEN UP  ENDPOINT  EVENT            CHANNEL  WHY
0-1  t         e         channel_vacated  a        status 500
and 4 more";
        assert_eq!(letters(&json!({ "total": 5, "dead": [letter] }).to_string()).unwrap(), expect);
        assert_eq!(letters(r#"{"total":0,"dead":[]}"#).unwrap(), "no webhook was given up");
        assert_eq!(replayed(r#"{"replayed":2}"#).unwrap(), "2 webhooks wait to be sent again");
    }

    #[test]
    fn other_answers_are_none() {
        for other in ["", "[]", "{}", r#"{"endpoints":[{}]}"#, r#"{"dead":[{}],"total":1}"#] {
            assert_eq!((table(other), letters(other), replayed(other)), (None, None, None), "{other:?}");
        }
    }
}
