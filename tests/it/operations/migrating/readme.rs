//! What the section "Migrating" names is there: commands, options, variables, settings, routes and files.

use super::settings;
use crate::binary::Folder;
use crate::operations::env;
use std::collections::BTreeSet;
use std::path::Path;

const README: &str = include_str!("../../../../README.md");

/// Words of other servers and of Laravel that look like settings of ours.
const THEIRS: &[&str] =
    &["auth_timestamp", "config_file", "enable_client_messages", "max_request_size_in_kb", "user_info"];

/// The section.
fn section() -> &'static str {
    let (_, rest) = README.split_once("\n## Migrating\n").expect("the section is there");
    rest.split("\n## ").next().unwrap()
}

/// What stands between backticks, in running text and tables.
fn quoted() -> Vec<&'static str> {
    let plain = section().split("\n```").step_by(2);
    plain.flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}

/// The lines of shell.
fn shell() -> Vec<&'static str> {
    let blocks = section().split("\n```").skip(1).step_by(2);
    blocks.flat_map(str::lines).map(str::trim).collect()
}

fn help(args: &[&str]) -> String {
    let output = Folder::new("").output(&[args, &["--help"]].concat());
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).any(|known| known == word)
}

#[test]
fn commands_and_options_are_known() {
    let command = |line: &'static str| {
        let line =
            line.strip_prefix("command=/usr/local/bin/").or(line.strip_prefix("ExecStart=/usr/bin/")).unwrap_or(line);
        line.strip_prefix("fanfare ")
    };
    let commands: Vec<_> = quoted().into_iter().chain(shell()).filter_map(command).collect();
    let verbs: BTreeSet<_> = commands.iter().map(|command| command.split(' ').next().unwrap()).collect();
    assert_eq!(verbs, BTreeSet::from(["check", "doctor", "serve", "tail"]));
    for command in &commands {
        let mut words = command.split(' ');
        let help = help(&[words.next().unwrap()]);
        for option in words.filter(|word| word.starts_with("--")) {
            let option = option.split('=').next().unwrap();
            assert!(has_word(&help, option), "fanfare {command}: {option}");
        }
    }
    let (alone, help) = (quoted().into_iter().filter(|word| word.starts_with("--")), help(&["serve"]));
    let count = alone.inspect(|option| assert!(has_word(&help, option), "{option}")).count();
    assert!(count >= 6, "{count} options");
}

#[test]
fn variables_and_settings_are_known() {
    let report = settings(&env(""), &[]);
    let keys: BTreeSet<_> =
        report["settings"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
    let (tables, _) = README.split_once("\n## Migrating\n").unwrap();
    let doctor = include_str!("../../../../src/cli/doctor/settings.rs");
    let prefixes = ["REVERB_", "SOKETI_", "LARAVEL_WEBSOCKETS_", "PUSHER_", "VITE_", "FANFARE__"];
    let (mut variables, mut named) = (0, 0);
    for word in quoted() {
        let name = word.split('=').next().unwrap();
        if let Some(key) = name.strip_prefix("FANFARE__").filter(|rest| !rest.is_empty()) {
            let key = key.to_ascii_lowercase().replace("__", ".").replacen("app.", "apps[0].", 1);
            assert!(keys.contains(key.as_str()), "{word}");
        } else if prefixes.iter().any(|prefix| name.starts_with(prefix)) && !name.ends_with(['_', '*']) {
            // Other tests hold the tables against the code.
            assert!(
                tables.contains(&format!("`{name}`"))
                    || doctor.contains(&format!("\"{name}\""))
                    || name == "PUSHER_APP_CLUSTER",
                "{word}"
            );
            variables += 1;
        } else if name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            let is_known = keys.iter().any(|key| key.rsplit('.').next() == Some(name));
            assert!(is_known || THEIRS.contains(&name), "{name} is no setting");
            named += usize::from(is_known);
        }
    }
    assert!(variables > 30 && named >= 3, "{variables} variables, {named} settings");
}

#[test]
fn routes_files_and_places_are_there() {
    let (before, _) = README.split_once("\n## Migrating\n").unwrap();
    for route in quoted().into_iter().filter(|word| word.starts_with("GET ")) {
        assert!(before.contains(&format!("| `{route}` |")), "{route}");
    }
    for route in ["/up", "/live", "/ready"] {
        assert!(quoted().contains(&route) && before.contains(&format!("| `GET {route}` |")), "{route}");
    }
    let anchor = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect::<String>()
    };
    let headings: Vec<_> = README
        .lines()
        .filter(|line| line.starts_with("##"))
        .map(|line| anchor(line.trim_start_matches(['#', ' '])))
        .collect();
    let links: Vec<_> = section().split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 8, "{links:?}");
    for link in links {
        let is_there = match link.strip_prefix('#') {
            Some(place) => headings.iter().any(|heading| heading == place),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join(link).is_file(),
        };
        assert!(is_there, "{link}");
    }
}

/// The program of supervisor that is shown has what the whole example has.
#[test]
fn supervisors_lines_are_those_of_the_example() {
    let example = include_str!("../../../../examples/supervisor/fanfare.conf");
    for key in ["directory", "exitcodes", "autorestart", "stopwaitsecs"] {
        let line = shell().into_iter().find(|line| line.starts_with(&format!("{key}="))).expect(key);
        assert!(example.lines().any(|known| known == line), "{line}");
    }
    let unit = include_str!("../../../../examples/systemd/fanfare.service");
    for line in ["ExecStart=/usr/bin/fanfare serve", "TimeoutStopSec=60"] {
        assert!(quoted().contains(&line) && unit.contains(line), "{line}");
    }
}
