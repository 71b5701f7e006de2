//! `fanfare nodes`.

use super::client::{Question, tell};
use super::place::Remote;
use super::print::{columns, refuse, span};
use serde_json::Value;
use std::process::ExitCode;

/// List the servers that act as one, as one of them sees them.
///
/// It is asked over HTTP, with the credentials of the first app that is enabled where `fanfare serve` reads its
/// configuration.
#[derive(clap::Args)]
pub(super) struct Nodes {
    #[command(flatten)]
    remote: Remote,
    /// Print what the server answers, for programs
    #[arg(long)]
    json: bool,
}

impl Nodes {
    pub(super) fn run(self) -> ExitCode {
        let server = match self.remote.server() {
            Ok(server) => server,
            Err(error) => return refuse(&error),
        };
        let question = Question { server: &server, app: None, route: "/nodes", parameters: &[], body: None };
        tell(question, self.json, table)
    }
}

const HEAD: [&str; 8] = ["NODE", "NAME", "VERSION", "STATE", "SILENT", "LAG", "WAITING", "UPTIME"];

/// The answer for people; `None` if it is not one.
fn table(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let mut rows = vec![HEAD.map(str::to_owned)];
    for node in answer["nodes"].as_array()? {
        let text = |key: &str| node[key].as_str().unwrap_or("-").to_owned();
        let number = |key: &str, show: fn(f64) -> String| node[key].as_f64().map_or("-".to_owned(), show);
        let here = node["here"].as_bool()?;
        rows.push([
            text("node"),
            text("name"),
            text("version"),
            if here { "here".to_owned() } else { text("state") },
            if here { "-".to_owned() } else { number("silent_ms", |ms| format!("{:.1} s", ms / 1000.0)) },
            number("lag_ms", |ms| format!("{ms} ms")),
            number("waiting_bytes", |bytes| format!("{bytes} B")),
            number("uptime_seconds", |secs| span(secs as u64)),
        ]);
    }
    let mut lines = columns(&rows);
    lines.push(match &answer["bus"] {
        Value::Null => "no bus: this is the only server".to_owned(),
        bus => {
            let since = span(bus["since_seconds"].as_u64()?);
            let mut line = format!("bus {}: {} since {since}", bus["kind"].as_str()?, bus["link"].as_str()?);
            for (key, what) in [
                ("lost", "times events were lost"),
                ("dropped", "events dropped"),
                ("refused", "events refused"),
                ("malformed", "messages without sense"),
            ] {
                if let Some(count @ 1..) = bus[key].as_u64() {
                    line.push_str(&format!(", {count} {what}"));
                }
            }
            line
        }
    });
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_make_a_table() {
        let node = |id: &str, here: bool, about: bool| {
            json!({
                "node": id, "name": about.then_some("ws-1:8080"), "version": about.then_some("0.1.0"), "here": here,
                "state": if about { "known" } else { "new" }, "silent_ms": 800, "lag_ms": about.then_some(0.4),
                "waiting_bytes": about.then_some(0), "uptime_seconds": about.then_some(7503)
            })
        };
        let nodes =
            [node("7fbbd5772edb8ee0", true, true), node("c59570f30bccec8d", false, true), node("c5", false, false)];
        let bus =
            json!({ "kind": "redis", "link": "up", "since_seconds": 65, "lost": 1, "refused": 0, "malformed": 0 });
        let answer = json!({ "bus": bus, "nodes": nodes }).to_string();
        let expect = "\
NODE              NAME       VERSION  STATE  SILENT  LAG     WAITING  UPTIME
7fbbd5772edb8ee0  ws-1:8080  0.1.0    here   -       0.4 ms  0 B      2h 5m
c59570f30bccec8d  ws-1:8080  0.1.0    known  0.8 s   0.4 ms  0 B      2h 5m
c5                -          -        new    0.8 s   -       -        -
bus redis: up since 1m 5s, 1 times events were lost";
        assert_eq!(table(&answer).unwrap(), expect);
        let alone = json!({ "bus": null, "nodes": [] }).to_string();
        assert!(table(&alone).unwrap().ends_with("no bus: this is the only server"));
        for other in ["", "[]", "{}", r#"{"nodes":[{}]}"#] {
            assert_eq!(table(other), None, "{other:?}");
        }
    }
}
