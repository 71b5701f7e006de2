//! What was found, and how it is told.
//!
//! Must not know: what is looked at.

use super::super::print::plain;
use serde::Serialize;
use serde_json::{Value, json};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// It is as it should be.
    Ok,
    /// It may be meant so, or could not be found out.
    Note,
    /// It does not work.
    Wrong,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at; a name that stays.
    check: &'static str,
    level: Level,
    what: String,
    /// Which setting or place it is about.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// All that was found, in the order in which it was looked at.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    /// It is as it should be.
    pub(super) fn ok(&mut self, check: &'static str, what: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Ok, what: what.into(), place: None, fix: None });
    }

    /// It may be meant so.
    pub(super) fn note(&mut self, check: &'static str, what: impl Into<String>, place: &str, fix: &str) {
        self.add(check, Level::Note, what.into(), place, fix);
    }

    /// It does not work: what, where, and how to mend it.
    pub(super) fn wrong(&mut self, check: &'static str, what: impl Into<String>, place: &str, fix: impl AsRef<str>) {
        self.add(check, Level::Wrong, what.into(), place, fix.as_ref());
    }

    /// One cause is told once, however often it is met.
    fn add(&mut self, check: &'static str, level: Level, what: String, place: &str, fix: &str) {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let finding = Finding { check, level, what, place: some(place), fix: some(fix) };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    /// Whether something of that name was found to be wrong.
    pub(super) fn is_wrong(&self, check: &str) -> bool {
        self.0.iter().any(|finding| finding.level == Level::Wrong && finding.check == check)
    }

    /// How much is wrong.
    pub(super) fn count(&self) -> usize {
        self.0.iter().filter(|finding| finding.level == Level::Wrong).count()
    }

    /// What was found last, and how bad it is.
    #[cfg(test)]
    pub(super) fn last(&self) -> Option<(&str, Level)> {
        self.0.last().map(|finding| (finding.check, finding.level))
    }

    /// For programs.
    pub(super) fn json(&self, url: Option<&str>) -> Value {
        json!({ "ok": self.count() == 0, "url": url, "findings": self.0 })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        for Finding { check, level, what, place, fix } in &self.0 {
            let level = match level {
                Level::Ok => "ok",
                Level::Note => "note",
                Level::Wrong => "WRONG",
            };
            lines.push(format!("{level:5}  {check:13}  {}", plain(what)));
            for (name, text) in [("where", place), ("fix", fix)] {
                lines.extend(text.as_ref().map(|text| format!("{:22}{name}: {}", "", plain(text))));
            }
        }
        lines.push(match self.count() {
            0 => "\nnothing is wrong".to_owned(),
            1 => "\n1 thing is wrong".to_owned(),
            count => format!("\n{count} things are wrong"),
        });
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_once_each() {
        let mut report = Report::default();
        report.ok("keys", "one app");
        report.wrong("secret", "it is\nwrong", "REVERB_APP_SECRET", "mend it");
        report.wrong("secret", "it is\nwrong", "REVERB_APP_SECRET", "mend it");
        let expect = "\
ok     keys           one app
WRONG  secret         it is\\nwrong
                      where: REVERB_APP_SECRET
                      fix: mend it

1 thing is wrong";
        assert_eq!(report.text(), expect);
        assert!(report.is_wrong("secret") && !report.is_wrong("keys"));
        let json = report.json(Some("http://a"));
        assert_eq!((&json["ok"], json["findings"].as_array().unwrap().len()), (&json!(false), 2));
        assert_eq!(json["findings"][1]["where"], "REVERB_APP_SECRET");
        assert_eq!(Report::default().text(), "\nnothing is wrong");
    }
}
