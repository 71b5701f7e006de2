//! `fanfare trigger`.

use super::client::{Question, tell};
use super::place::Remote;
use super::print::{columns, fail, refuse};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::io::{self, Read};
use std::process::ExitCode;

/// Publish an event, as a back end does.
///
/// The server is asked over HTTP, with the credentials of an app where `fanfare serve` reads its configuration.
#[derive(clap::Args)]
pub(super) struct Trigger {
    #[command(flatten)]
    remote: Remote,
    /// App to publish as [default: the first that is enabled]
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// Channel to publish to
    #[arg(value_name = "CHANNEL")]
    channel: String,
    /// The event's name
    #[arg(value_name = "EVENT")]
    event: String,
    /// The event's data: JSON, or else a text; - reads it from standard input
    #[arg(value_name = "DATA", default_value = "{}", hide_default_value = true)]
    data: String,
    /// Another channel to publish to; may be repeated
    #[arg(long = "channel", value_name = "CHANNEL")]
    more: Vec<String>,
    /// Connection that does not get the event
    #[arg(long, value_name = "ID")]
    socket_id: Option<String>,
    #[arg(
        long,
        value_name = "LIST",
        help = "What to tell about the channels: user_count, subscription_count, or both separated by a comma"
    )]
    info: Option<String>,
    /// Print what the server answers, for programs
    #[arg(long)]
    json: bool,
}

impl Trigger {
    pub(super) fn run(self) -> ExitCode {
        let server = match self.remote.server() {
            Ok(server) => server,
            Err(error) => return refuse(&error),
        };
        let data = match self.data.as_str() {
            "-" => match input() {
                Ok(text) => text,
                Err(error) => {
                    return fail(&format!("standard input cannot be read: {error}; it must be text in UTF-8"));
                }
            },
            text => text.to_owned(),
        };
        let channels: Vec<_> = [self.channel].into_iter().chain(self.more).collect();
        let mut body = json!({ "name": self.event, "channels": channels, "data": encoded(&data) });
        for (name, value) in [("socket_id", self.socket_id), ("info", self.info)] {
            if let Some(value) = value {
                body[name] = value.into();
            }
        }
        let (body, app) = (body.to_string(), self.app.as_deref());
        let question = Question { server: &server, app, route: "/events", parameters: &[], body: Some(&body) };
        tell(question, self.json, |answer| told(answer, &self.event, &channels))
    }
}

/// The whole of standard input, without the end of its last line.
fn input() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(text)
}

/// The event's data as a back end sends it: JSON, as it was written, which for a text is that text in quotes.
fn encoded(data: &str) -> String {
    match serde_json::from_str::<&RawValue>(data) {
        Ok(_) => data.to_owned(),
        Err(_) => json!(data).to_string(),
    }
}

/// The answer for people; `None` if it is none.
fn told(answer: &str, event: &str, channels: &[String]) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let mut lines = vec![super::print::plain(&format!("published {event} to {}", channels.join(", ")))];
    if let Some(channels) = answer.as_object()?.get("channels") {
        let count =
            |counts: &Value, name: &str| counts[name].as_u64().map_or("-".to_owned(), |count| count.to_string());
        let mut rows = vec![["CHANNEL", "CONNECTIONS", "USERS"].map(str::to_owned)];
        for (channel, counts) in channels.as_object()? {
            rows.push([channel.clone(), count(counts, "subscription_count"), count(counts, "user_count")]);
        }
        lines.extend(columns(&rows));
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_json_one_way_or_the_other() {
        for (data, expect) in [
            (r#"{ "a": 1.0 }"#, r#"{ "a": 1.0 }"#),
            ("\"text\"", "\"text\""),
            ("12", "12"),
            ("a \"b\"", r#""a \"b\"""#),
            ("", "\"\""),
            ("{", "\"{\""),
        ] {
            assert_eq!(encoded(data), expect);
        }
    }

    #[test]
    fn answers_are_told() {
        let channels = ["a".to_owned(), "presence-b".to_owned()];
        assert_eq!(told("{}", "e\u{1b}", &channels).unwrap(), r"published e\u{1b} to a, presence-b");
        let counts =
            r#"{"channels":{"a":{"subscription_count":3},"presence-b":{"subscription_count":2,"user_count":1}}}"#;
        let expect = "\
published e to a, presence-b
CHANNEL     CONNECTIONS  USERS
a           3            -
presence-b  2            1";
        assert_eq!(told(counts, "e", &channels).unwrap(), expect);
        assert_eq!(told("[]", "e", &channels), None);
    }
}
