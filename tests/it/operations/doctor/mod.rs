//! `fanfare doctor` against set-ups that are broken in one way each.

mod certificates;
mod proxies;
mod proxy;
mod settings;

use crate::binary::Folder;
use crate::operations::cli::{APP, Site};
use serde_json::Value;
use std::process::Output;

/// The `.env` of a Laravel app whose server listens on `local` and is reached at `public`, both ports of this machine.
fn env(local: &str, public: &str) -> String {
    format!(
        "{APP}BROADCAST_CONNECTION=reverb\nREVERB_SERVER_HOST=127.0.0.1\nREVERB_SERVER_PORT={local}\n\
         REVERB_HOST=127.0.0.1\nREVERB_PORT={public}\nREVERB_SCHEME=http\n"
    )
}

/// What the doctor finds with this `.env`.
struct Found {
    output: Output,
    json: Value,
}

impl Found {
    fn with(env: &str, args: &[&str]) -> Self {
        Self::at(&Folder::new(env), args)
    }

    fn at(folder: &Folder, args: &[&str]) -> Self {
        Self::of(folder.output(&[&["doctor", "--json"], args].concat()))
    }

    fn of(output: Output) -> Self {
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        Self { output, json }
    }

    /// Each finding of that level: its check, and all that is said of it.
    fn all(&self, level: &str) -> Vec<(String, String)> {
        let findings = self.json["findings"].as_array().unwrap().iter();
        let found = findings.filter(|finding| finding["level"] == level);
        found.map(|finding| (finding["check"].as_str().unwrap().to_owned(), finding.to_string())).collect()
    }

    /// Exactly this is wrong, and what is said of it has all parts.
    #[track_caller]
    fn is_wrong(&self, check: &str, parts: &[&str]) {
        let wrong = self.all("wrong");
        let checks: Vec<_> = wrong.iter().map(|(check, _)| check.as_str()).collect();
        assert_eq!(checks, [check], "{:#}", self.json);
        for part in parts {
            assert!(wrong[0].1.contains(part), "{} lacks {part}", wrong[0].1);
        }
        assert_eq!((self.output.status.code(), &self.json["ok"]), (Some(1), &Value::from(false)));
        let finding = self.json["findings"].as_array().unwrap().iter().find(|finding| finding["level"] == "wrong");
        assert!(finding.unwrap()["fix"].is_string(), "{:#}", self.json);
    }

    /// Nothing is wrong, and the round trip was made.
    #[track_caller]
    fn is_well(&self) {
        assert_eq!(self.all("wrong"), [], "{:#}", self.json);
        assert!(self.all("ok").iter().any(|(check, _)| check == "round-trip"), "{:#}", self.json);
        assert_eq!((self.output.status.code(), &self.json["ok"]), (Some(0), &Value::from(true)));
    }
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let site = Site::start("");
    let env = env(&site.port, &site.port);
    Found::with(&env, &[]).is_well();
    let output = Folder::new(&env).output(&["doctor"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["ok     port           Fanfare ", "ok     round-trip     an event arrives ", "\n\nnothing is wrong\n"]
    {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_place_can_be_named() {
    let site = Site::start("");
    let elsewhere = format!("{APP}BROADCAST_CONNECTION=pusher\nREVERB_SERVER_PORT=1\n");
    let found = Found::with(&elsewhere, &[&format!("http://127.0.0.1:{}", site.port)]);
    found.is_well();
    assert_eq!(found.json["url"], format!("http://127.0.0.1:{}", site.port));
    assert!(found.all("note").iter().any(|(check, _)| check == "port"), "{:#}", found.json);
    let output = Folder::new(APP).output(&["doctor", "a.test"]);
    assert_eq!(output.status.code(), Some(78));
}
