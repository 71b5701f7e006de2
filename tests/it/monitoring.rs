//! What the dashboard, the alerts and the README say about metrics is so.

use crate::metrics::Watched;
use crate::support::Exposition;
use serde_json::Value;
use std::collections::BTreeSet;

/// Labels that Prometheus or a histogram adds.
const ADDED: [&str; 3] = ["job", "instance", "le"];

fn text(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Every text of a query in a dashboard.
fn queries(dashboard: &Value, found: &mut Vec<String>) {
    match dashboard {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
            Value::String(query) if ["expr", "query", "definition"].contains(&&**name) => found.push(query.clone()),
            value => queries(value, found),
        }),
        Value::Array(list) => list.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

/// The names of metrics in a query.
fn names(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("fanfare_") || word.starts_with("process_")).map(str::to_owned).collect()
}

/// The labels that a query chooses or groups by.
fn labels(query: &str) -> BTreeSet<String> {
    let parts = |from: &str, to: char| -> Vec<String> {
        query.split(from).skip(1).filter_map(|rest| Some(rest.split_once(to)?.0.to_owned())).collect()
    };
    let chosen = parts("{", '}').into_iter().flat_map(|inside| {
        let pairs = inside.split(',').filter_map(|pair| Some(pair.split_once('=')?.0.trim_end_matches('!').to_owned()));
        pairs.collect::<Vec<_>>()
    });
    let grouped =
        parts("by (", ')').into_iter().flat_map(|inside| inside.split(", ").map(str::to_owned).collect::<Vec<_>>());
    chosen.chain(grouped).collect()
}

#[track_caller]
fn check(file: &str, queries: &[String], page: &Exposition) {
    let (known, mut labels_known) = (page.names(), page.labels());
    labels_known.extend(ADDED.map(str::to_owned));
    // Series of apps without webhooks are not there, and their labels with them.
    labels_known.insert("outcome".to_owned());
    for query in queries {
        let names = names(query);
        assert!(names.is_subset(&known), "{file}: {query}: of {names:?} some are not in /metrics");
        let labels = labels(query);
        assert!(labels.is_subset(&labels_known), "{file}: {query}: of {labels:?} some are no labels");
    }
}

#[tokio::test]
async fn whatever_the_examples_ask_for_is_there() {
    let page = Watched::start("").scrape().await;
    assert!(page.families().len() <= 30, "{}", page.families().len());

    let dashboard: Value = serde_json::from_str(&text("examples/grafana/fanfare.json")).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    check("examples/grafana/fanfare.json", &found, &page);
    let shown: BTreeSet<_> = found.iter().flat_map(|query| names(query)).collect();
    for family in page.families() {
        assert!(shown.iter().any(|name| name.starts_with(family)), "{family} is not in the dashboard");
    }

    let alerts = text("examples/prometheus/alerts.yml");
    let exprs = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let exprs: Vec<_> = exprs.map(str::to_owned).collect();
    let count =
        |what: &str| alerts.lines().filter(|line| line.trim().trim_start_matches("- ").starts_with(what)).count();
    assert!(exprs.len() >= 8, "{exprs:?}");
    assert_eq!([count("alert: "), count("summary: "), count("description: ")], [exprs.len(); 3]);
    check("examples/prometheus/alerts.yml", &exprs, &page);

    let readme = text("README.md");
    for family in page.families() {
        assert!(readme.contains(&format!("| `{family}")), "{family} is not in README.md");
    }
    for name in readme.split('`').flat_map(|part| names(part.split('{').next().unwrap_or_default())) {
        assert!(page.names().contains(&name) || page.families().any(|known| known == name), "README.md has {name}");
    }
}

#[test]
fn queries_are_taken_apart() {
    let query = r#"sum by (app, le) (rate(fanfare_x_total{app=~"$app",reason!="y"}[5m])) / process_z"#;
    let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names(query), set(&["fanfare_x_total", "process_z"]));
    assert_eq!(labels(query), set(&["app", "le", "reason"]));
}
