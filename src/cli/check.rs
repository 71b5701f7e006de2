//! `fanfare check`.

use super::options::Options;
use super::print::{columns, complain, refuse, say};
use crate::config::{Report, Setting};
use crate::server::refusals;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Read all of the configuration as `fanfare serve` does, and show what it comes to.
///
/// Prints every setting with its value and where that was said; secrets are masked. Exits with 78 if anything is wrong, also
/// with the files that it names. What only a start can tell is not tried: whether the port is free, say.
#[derive(clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    options: Options,
    /// Print settings, warnings and errors as JSON, for programs
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> ExitCode {
        let Report { settings, warnings, ignored, config } = Report::of(&self.options.sources());
        let errors = config.map_or_else(|error| error.lines().to_vec(), |config| refusals(&config));
        if self.json {
            let all = json!({ "settings": settings, "warnings": warnings, "ignored": ignored, "errors": errors });
            say(&all.to_string());
            return if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::BAD_CONFIG) };
        }
        if !errors.is_empty() {
            let code = refuse(&errors.join("\n"));
            warnings.iter().for_each(|warning| complain(&format!("warning: {warning}")));
            return code;
        }
        for line in columns(&settings.iter().map(row).collect::<Vec<_>>()) {
            say(&line);
        }
        warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
        ignored.iter().for_each(|variable| say(&format!("ignored: {variable}")));
        ExitCode::SUCCESS
    }
}

fn row(Setting { key, value, source }: &Setting) -> [String; 3] {
    [key.clone(), shown(value), format!("({source})")]
}

/// A value as a person writes it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if !list.is_empty() && !list.iter().any(Value::is_object) => {
            list.iter().map(shown).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_people_write_them() {
        for (value, expect) in [
            (json!(null), "none"),
            (json!(""), "\"\""),
            (json!(8080), "8080"),
            (json!(["a", "b"]), "a, b"),
            (json!([]), "[]"),
            (json!([{"url": "https://a.test"}]), r#"[{"url":"https://a.test"}]"#),
        ] {
            assert_eq!(shown(&value), expect);
        }
    }
}
