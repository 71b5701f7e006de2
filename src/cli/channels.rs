//! `fanfare channels`.

use super::client::{Failure, Question, block_on, print, tell};
use super::place::Remote;
use super::print::{columns, refuse};
use crate::protocol::ChannelKind;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::process::ExitCode;

const PRESENCE: &str = "presence-";

/// List occupied channels, or tell about one and its members.
///
/// The server is asked over HTTP, with the credentials of an app where `fanfare serve` reads its configuration.
#[derive(clap::Args)]
pub(super) struct Channels {
    #[command(flatten)]
    remote: Remote,
    /// App to ask about [default: the first that is enabled]
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// One channel
    #[arg(value_name = "CHANNEL")]
    channel: Option<String>,
    /// Only channels whose names start so
    #[arg(long, value_name = "PREFIX", conflicts_with = "channel")]
    prefix: Option<String>,
    #[arg(
        long,
        value_name = "LIST",
        help = "What to ask for, separated by commas: user_count, subscription_count, cache [default: what there is]"
    )]
    info: Option<String>,
    /// Print what the server answers, for programs
    #[arg(long)]
    json: bool,
}

impl Channels {
    pub(super) fn run(self) -> ExitCode {
        let server = match self.remote.server() {
            Ok(server) => server,
            Err(error) => return refuse(&error),
        };
        let question =
            Question { server: &server, app: self.app.as_deref(), route: "/channels", parameters: &[], body: None };
        match (&self.channel, &self.info) {
            (Some(channel), info) => {
                let answer = block_on(one(question, channel, info.as_deref()));
                print(answer.map(|answer| answer.to_string()), self.json, |answer| about(answer, channel))
            }
            (None, Some(info)) => {
                let prefix = self.prefix.as_deref().unwrap_or_default();
                let parameters = [("filter_by_prefix", prefix), ("info", info)];
                tell(Question { parameters: &parameters, ..question }, self.json, table)
            }
            (None, None) => {
                let answer = block_on(all(question, self.prefix.as_deref().unwrap_or_default()));
                print(answer.map(|answer| answer.to_string()), self.json, table)
            }
        }
    }
}

/// Asks with `info`, or without where the server has switched that off.
async fn counted(question: Question<'_>, parameters: &[(&str, &str)], info: &str) -> Result<Value, Failure> {
    let with: Vec<_> = parameters.iter().copied().chain([("info", info)]).collect();
    let asked = match (Question { parameters: &with, ..question }).ask().await {
        Err(Failure::Refused(_, status, text)) if status == 400 && text.contains("switched off") => {
            let rest: Vec<_> = info.split(',').filter(|name| *name != "subscription_count").collect();
            let rest = rest.join(",");
            let with: Vec<_> = parameters.iter().copied().chain([("info", &*rest)]).collect();
            Question { parameters: &with, ..question }.ask().await
        }
        asked => asked,
    };
    read(&asked?)
}

/// Every channel with its counts. Users are counted on presence channels alone, which are to be asked for by themselves.
async fn all(question: Question<'_>, prefix: &str) -> Result<Value, Failure> {
    let mut all = counted(question, &[("filter_by_prefix", prefix)], "subscription_count").await?;
    let narrower = if prefix.starts_with(PRESENCE) { prefix } else { PRESENCE };
    if narrower.starts_with(prefix) {
        let users = counted(question, &[("filter_by_prefix", narrower)], "user_count").await?;
        for (channel, counts) in users["channels"].as_object().into_iter().flatten() {
            // One that has been vacated since is not added again.
            if let Some(known) = all["channels"].get_mut(channel) {
                known["user_count"] = counts["user_count"].clone();
            }
        }
    }
    Ok(all)
}

/// One channel with its counts, and its members if it is a presence channel.
async fn one(question: Question<'_>, channel: &str, info: Option<&str>) -> Result<Value, Failure> {
    let route = format!("/channels/{}", utf8_percent_encode(channel, NON_ALPHANUMERIC));
    let is_presence = ChannelKind::of(channel) == ChannelKind::Presence;
    let known = match is_presence {
        true => "subscription_count,user_count",
        false => "subscription_count",
    };
    let mut about = counted(Question { route: &route, ..question }, &[], info.unwrap_or(known)).await?;
    if is_presence {
        let (route, parameters) = (route + "/users", [("with_user_info", "1")]);
        let members = Question { route: &route, parameters: &parameters, ..question }.ask().await?;
        about["users"] = read(&members)?["users"].take();
    }
    Ok(about)
}

fn read(answer: &[u8]) -> Result<Value, Failure> {
    let other = || Failure::Other(format!("the server answers otherwise: {}", String::from_utf8_lossy(answer)));
    serde_json::from_slice(answer).ok().filter(Value::is_object).ok_or_else(other)
}

/// What sort of channel has this name.
fn kind(channel: &str) -> String {
    let (kind, encrypted) = match ChannelKind::of(channel) {
        ChannelKind::Public => ("public", false),
        ChannelKind::Private => ("private", channel.starts_with("private-encrypted-")),
        ChannelKind::Presence => ("presence", false),
        ChannelKind::User => ("user", false),
    };
    let cache = ["cache-", "private-cache-", "private-encrypted-cache-", "presence-cache-"];
    let cache = cache.iter().any(|prefix| channel.starts_with(prefix));
    let extra = [encrypted.then_some("encrypted"), cache.then_some("cache")];
    [Some(kind)].into_iter().chain(extra).flatten().collect::<Vec<_>>().join(" ")
}

fn count(counts: &Value, name: &str) -> String {
    counts[name].as_u64().map_or("-".to_owned(), |count| count.to_string())
}

/// The answer for people; `None` if it is none.
fn table(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let channels = answer["channels"].as_object()?;
    if channels.is_empty() {
        return Some("no channel is occupied".to_owned());
    }
    let mut rows = vec![["CHANNEL", "TYPE", "CONNECTIONS", "USERS"].map(str::to_owned)];
    for (channel, counts) in channels {
        rows.push([channel.clone(), kind(channel), count(counts, "subscription_count"), count(counts, "user_count")]);
    }
    Some(columns(&rows).join("\n"))
}

/// One channel for people.
fn about(answer: &str, channel: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let mut rows = vec![["CHANNEL", "TYPE", "OCCUPIED", "CONNECTIONS", "USERS"].map(str::to_owned)];
    rows.push([
        channel.to_owned(),
        kind(channel),
        if answer["occupied"].as_bool()? { "yes" } else { "no" }.to_owned(),
        count(&answer, "subscription_count"),
        count(&answer, "user_count"),
    ]);
    let mut lines = columns(&rows);
    if let Some(event) = answer.get("cache") {
        let text = |event: &Value| format!("{} (for {} s more)", event["data"].as_str().unwrap_or("-"), event["ttl"]);
        let kept = if event.is_null() { "nothing".to_owned() } else { text(event) };
        lines.push(format!("\nkept for newcomers: {}", super::print::plain(&kept)));
    }
    if let Some(members) = answer["users"].as_array().filter(|members| !members.is_empty()) {
        let mut rows = vec![["USER", "INFO"].map(str::to_owned)];
        for member in members {
            rows.push([member["id"].as_str()?.to_owned(), member.get("user_info").unwrap_or(&json!({})).to_string()]);
        }
        lines.push(String::new());
        lines.extend(columns(&rows));
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_make_a_table() {
        let answer = json!({ "channels": {
            "a": { "subscription_count": 12 },
            "presence-cache-b": { "subscription_count": 3, "user_count": 2 },
            "private-encrypted-c": {},
        } });
        let expect = "\
CHANNEL              TYPE               CONNECTIONS  USERS
a                    public             12           -
presence-cache-b     presence cache     3            2
private-encrypted-c  private encrypted  -            -";
        assert_eq!(table(&answer.to_string()).unwrap(), expect);
        assert_eq!(table(r#"{"channels":{}}"#).unwrap(), "no channel is occupied");
        assert_eq!(table("{}"), None);
    }

    #[test]
    fn a_channel_is_told_with_its_members_and_what_it_keeps() {
        let users = json!([{ "id": "1", "user_info": { "name": "A\u{1b}" } }, { "id": "2" }]);
        let answer = json!({ "occupied": true, "subscription_count": 3, "user_count": 2, "users": users });
        let expect = "\
CHANNEL     TYPE      OCCUPIED  CONNECTIONS  USERS
presence-a  presence  yes       3            2

USER  INFO
1     {\"name\":\"A\\u001b\"}
2     {}";
        assert_eq!(about(&answer.to_string(), "presence-a").unwrap(), expect);
        let kept = json!({ "occupied": false, "cache": { "data": "x", "ttl": 5 } }).to_string();
        assert!(about(&kept, "cache-a").unwrap().ends_with("kept for newcomers: x (for 5 s more)"));
        assert_eq!(about("{}", "a"), None);
    }
}
