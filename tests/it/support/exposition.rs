//! What `/metrics` answers, read as strictly as the OpenMetrics text format says.

use std::collections::{BTreeMap, BTreeSet};

/// Every family and every sample of a page of metrics.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    /// Name and type of each family, in their order.
    families: Vec<(String, String)>,
    /// The value of each sample, by its name and labels as they are written.
    samples: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads a page, which must break no rule.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
        assert!(body.ends_with('\n') && !body.contains("\n\n"), "lines end, and none is empty");
        let mut helped = BTreeSet::new();
        for line in body.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a help has a text");
                assert!(is_name(name) && help.ends_with('.'), "{line}");
                assert!(helped.insert(name.to_owned()), "{name} comes twice");
            } else if let Some(family) = line.strip_prefix("# TYPE ") {
                let (name, kind) = family.split_once(' ').expect("a family has a type");
                assert!(["counter", "gauge", "histogram"].contains(&kind) && helped.contains(name), "{line}");
                assert!(!page.has_family(name), "{name} comes twice");
                page.families.push((name.to_owned(), kind.to_owned()));
            } else {
                page.sample(line);
            }
        }
        page.check_histograms();
        page
    }

    #[track_caller]
    fn sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("labels end with a brace")),
            None => (series, ""),
        };
        let (family, kind) = self.families.last().expect("a sample comes after its family");
        let endings: &[&str] = match &**kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        assert!(endings.iter().any(|ending| *name == format!("{family}{ending}")), "{line} is not of {family}");
        let mut names = BTreeSet::new();
        for (label, _) in labels_of(labels) {
            assert!(is_name(&label) && names.insert(label), "{line}");
        }
        let value: f64 = value.parse().expect("a value is a number");
        assert!(value.is_finite() && value >= 0.0, "{line}");
        assert!(self.samples.insert(series.to_owned(), value).is_none(), "{series} comes twice");
    }

    /// Counts of buckets rise to that of all.
    #[track_caller]
    fn check_histograms(&self) {
        for (family, _) in self.families.iter().filter(|(_, kind)| kind == "histogram") {
            let counts = self.samples.iter().filter(|(series, _)| series.starts_with(&format!("{family}_count")));
            for (series, count) in counts {
                let labels = labels_of(series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}')));
                let mut buckets = self.buckets(family, &labels);
                buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
                assert!(buckets.is_sorted_by(|(_, a), (_, b)| a <= b), "{series}: {buckets:?}");
                assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{series}");
            }
        }
    }

    fn buckets(&self, family: &str, labels: &[(String, String)]) -> Vec<(f64, f64)> {
        let of = |series: &str| {
            let mut found = labels_of(series.strip_prefix(&format!("{family}_bucket{{"))?.strip_suffix('}')?);
            let at = found.iter().position(|(name, _)| name == "le").expect("a bucket has a bound");
            let (_, bound) = found.remove(at);
            (found == labels).then(|| bound.parse().expect("a bound is a number"))
        };
        self.samples.iter().filter_map(|(series, count)| Some((of(series)?, *count))).collect()
    }

    fn has_family(&self, name: &str) -> bool {
        self.families.iter().any(|(known, _)| known == name)
    }

    /// The names of all families.
    pub(crate) fn families(&self) -> impl ExactSizeIterator<Item = &str> {
        self.families.iter().map(|(name, _)| &**name)
    }

    /// The names that samples may have.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let endings = |kind: &str| match kind {
            "counter" => &["_total"][..],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        let of = |(name, kind): &(String, String)| endings(kind).iter().map(|end| format!("{name}{end}")).collect();
        self.families.iter().flat_map(|family| -> Vec<_> { of(family) }).collect()
    }

    /// The values of a label.
    pub(crate) fn values(&self, label: &str) -> BTreeSet<String> {
        let labels = self.samples.keys().filter_map(|series| series.split_once('{'));
        let all = labels.flat_map(|(_, labels)| labels_of(labels.trim_end_matches('}')));
        all.filter(|(name, _)| name == label).map(|(_, value)| value).collect()
    }

    /// The names of all labels.
    pub(crate) fn labels(&self) -> BTreeSet<String> {
        let labels = self.samples.keys().filter_map(|series| series.split_once('{'));
        labels.flat_map(|(_, labels)| labels_of(labels.trim_end_matches('}'))).map(|(name, _)| name).collect()
    }

    /// The value of a sample that must be there, by name and labels as they are written.
    #[track_caller]
    pub(crate) fn get(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("no {series} in {self:#?}"))
    }

    /// Whether there is such a sample.
    pub(crate) fn has(&self, series: &str) -> bool {
        self.samples.contains_key(series)
    }
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|c| c.is_ascii_lowercase()) && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `a="b",c="d"`, with backslashes before quotes, backslashes and the `n` of a new line.
fn labels_of(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect("a label has a value in quotes");
        let (mut value, mut escaped, mut end) = (String::new(), false, None);
        for (at, c) in rest.char_indices() {
            match (escaped, c) {
                (true, 'n') => value.push('\n'),
                (true, _) => value.push(c),
                (false, '\\') => {}
                (false, '"') => {
                    end = Some(at);
                    break;
                }
                (false, _) => value.push(c),
            }
            escaped = !escaped && c == '\\';
        }
        let rest = &rest[end.expect("a value ends with a quote") + 1..];
        found.push((name.to_owned(), value));
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
    found
}
