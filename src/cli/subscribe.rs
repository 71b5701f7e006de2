//! `fanfare subscribe`.

use super::client::{Failure, block_on};
use super::place::{Remote, Server};
use super::print::{clock, complain, fail, plain, put, refuse};
use super::pusher::{Ended, Event, Member, Pusher, inner};
use super::until::Until;
use crate::protocol::ChannelKind;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The first pause before a lost connection is made again; it doubles up to `LONGEST` while that fails.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Print what is said on channels, as a client of them hears it.
///
/// Private and presence channels are signed with the app's secret, which must be in the configuration.
#[derive(clap::Args)]
pub(super) struct Subscribe {
    #[command(flatten)]
    remote: Remote,
    /// App to connect to [default: the first that is enabled]
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// Channels to subscribe to
    #[arg(value_name = "CHANNEL", required = true)]
    channels: Vec<String>,
    /// Who to be on presence channels
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// What others are told about that user, as JSON
    #[arg(long, value_name = "JSON", requires = "user_id")]
    user_info: Option<String>,
    #[arg(long, value_name = "ORIGIN", help = "Page to come from, such as https://app.example.com")]
    origin: Option<String>,
    #[command(flatten)]
    until: Until,
    /// Print each event as a JSON object on its line, for programs
    #[arg(long)]
    json: bool,
}

/// What is to be heard, and for how long.
struct Listener {
    server: Server,
    app: Option<String>,
    channels: Vec<String>,
    member: Option<Member>,
    origin: Option<String>,
    json: bool,
    /// Events still to be printed, if there is an end to them.
    left: Option<u64>,
    /// Whether all channels were confirmed once.
    was_there: bool,
}

/// Why to listen no longer.
enum Over {
    /// All that was asked for was heard, or nobody reads it any more.
    Done,
    /// It will not do, and this is why.
    Failed(String),
}

impl Subscribe {
    pub(super) fn run(self) -> ExitCode {
        let (mut listener, until) = match self.listener() {
            Ok(listener) => listener,
            Err(error) => return refuse(&error),
        };
        let listened = block_on(async {
            let over = until.wait(listener.listen(), Over::Done).await;
            match over {
                Over::Done if listener.was_there => Ok(()),
                Over::Done => {
                    Err(Failure::Other("the time was over before the channels were subscribed to".to_owned()))
                }
                Over::Failed(why) => Err(Failure::Other(why)),
            }
        });
        match listened {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        }
    }

    fn listener(self) -> Result<(Listener, Until), String> {
        let server = self.remote.server()?;
        let is_presence = |channel: &&String| ChannelKind::of(channel) == ChannelKind::Presence;
        if let (Some(channel), None) = (self.channels.iter().find(is_presence), &self.user_id) {
            return Err(format!("{channel} is a presence channel, whose members have an id: name one with --user-id"));
        }
        let user_info = self.user_info.as_deref().map(serde_json::from_str).transpose();
        let user_info = user_info
            .map_err(|error| format!("--user-info is no JSON ({error}): write such as '{{\"name\":\"Ann\"}}'"))?;
        let member = self.user_id.map(|user_id| Member { user_id, user_info });
        let listener = Listener {
            server,
            app: self.app,
            channels: self.channels,
            member,
            origin: self.origin,
            json: self.json,
            left: self.until.count,
            was_there: false,
        };
        Ok((listener, self.until))
    }
}

impl Listener {
    /// Listens until it is over, on one connection after the other.
    async fn listen(&mut self) -> Over {
        let mut pause = PAUSE;
        loop {
            let start = Instant::now();
            let ended = match self.hear().await {
                Ok(over) => return over,
                Err(ended) => ended,
            };
            if !self.was_there || is_final(&ended) {
                return Over::Failed(advice(&ended));
            }
            // Who was connected for a while begins anew with short pauses.
            if start.elapsed() > LONGEST {
                pause = PAUSE;
            }
            let wait = if is_at_once(&ended) && start.elapsed() > PAUSE { Duration::ZERO } else { pause };
            complain(&format!("{ended}; connecting again in {} s", wait.as_secs()));
            sleep(wait).await;
            pause = LONGEST.min(pause * 2);
        }
    }

    /// One connection, from its beginning to its end.
    async fn hear(&mut self) -> Result<Over, Ended> {
        let app = match self.server.app(self.app.as_deref()) {
            Ok(app) => app,
            Err(error) => return Ok(Over::Failed(error)),
        };
        let key = app.keys.iter().next().expect("every app has a key");
        let mut pusher = Pusher::connect(&self.server.target, key, self.origin.as_deref()).await?;
        for channel in &self.channels {
            pusher.subscribe(app, channel, self.member.as_ref()).await?;
        }
        complain(&format!("connected to {} as {}", self.server.target.address, pusher.socket_id));
        let mut confirmed = 0;
        loop {
            let event = pusher.next().await?;
            match event.event.as_str() {
                "pusher_internal:subscription_succeeded" => {
                    confirmed += 1;
                    self.was_there |= confirmed == self.channels.len();
                    complain(&confirmation(&event));
                }
                "pusher:subscription_error" => return Ok(Over::Failed(refused(&event))),
                "pusher:error" => complain(&format!("the server refuses something: {}", inner(&event.data))),
                _ => {
                    if put(&shown(&event, self.json)).is_err() {
                        return Ok(Over::Done);
                    }
                    self.left = self.left.map(|left| left - 1);
                    if self.left == Some(0) {
                        return Ok(Over::Done);
                    }
                }
            }
        }
    }
}

/// Whether a server that ends a connection so does not want it again: 4000 to 4099.
fn is_final(ended: &Ended) -> bool {
    matches!(ended, Ended::Closed(4000..=4099, _))
}

/// Whether it wants it again at once: 4200 to 4299.
fn is_at_once(ended: &Ended) -> bool {
    matches!(ended, Ended::Closed(4200..=4299, _))
}

/// The end with what can be done about it.
fn advice(ended: &Ended) -> String {
    let hint = match ended {
        Ended::Unreachable(_) => {
            "is the server running, and is this its configuration? --host and --port, or --url, say where it is"
        }
        Ended::Closed(4000, _) => "use --url https://...",
        Ended::Closed(4001, _) => "the server does not know the app's key: compare its configuration with this one",
        Ended::Closed(4009, reason) if reason.contains("rigin") => "name a page that may connect with --origin",
        Ended::Elsewhere(..) => "name that place with --url",
        Ended::Handshake(..) => "is /app proxied, with its path prefix and its Upgrade header?",
        _ => "`fanfare doctor` may find out why",
    };
    format!("{ended}; {hint}")
}

fn confirmation(event: &Event) -> String {
    let channel = event.channel.as_deref().unwrap_or_default();
    match inner(&event.data)["presence"]["count"].as_u64() {
        Some(members) => format!("subscribed to {channel} with {members} members"),
        None => format!("subscribed to {channel}"),
    }
}

fn refused(event: &Event) -> String {
    let data = inner(&event.data);
    let why = data["error"].as_str().or(data["message"].as_str()).unwrap_or("no reason");
    format!(
        "the server refuses the subscription to {}: {why}; is the app's secret the one that the server has?",
        event.channel.as_deref().unwrap_or_default()
    )
}

/// An event on its line.
fn shown(event: &Event, json: bool) -> String {
    let Event { event: name, channel, data, user_id } = event;
    if json {
        let mut line = json!({ "time": clock(), "channel": channel, "event": name, "data": data });
        if let Some(user_id) = user_id {
            line["user_id"] = user_id.clone();
        }
        return line.to_string();
    }
    let data = match data {
        Value::String(text) => text.clone(),
        data => data.to_string(),
    };
    plain(&format!("{}  {}  {name}  {data}", clock(), channel.as_deref().unwrap_or("-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_say_whether_to_come_back() {
        for (code, expect) in
            [(4000, (true, false)), (4099, (true, false)), (4100, (false, false)), (4200, (false, true))]
        {
            let ended = Ended::Closed(code, String::new());
            assert_eq!((is_final(&ended), is_at_once(&ended)), expect, "{code}");
        }
        let lost = Ended::Lost(String::new());
        assert!(!is_final(&lost) && !is_at_once(&lost));
    }

    #[test]
    fn events_are_shown_on_one_line() {
        let event = Event {
            event: "e\u{1b}[2J".to_owned(),
            channel: Some("a".to_owned()),
            data: json!("{\"a\":\n1}"),
            user_id: Some(json!("7")),
        };
        let line = shown(&event, false);
        assert!(line.ends_with(r#"Z  a  e\u{1b}[2J  {"a":\n1}"#), "{line}");
        let line: Value = serde_json::from_str(&shown(&event, true)).unwrap();
        assert_eq!((&line["data"], &line["user_id"]), (&event.data, &json!("7")));
    }
}
