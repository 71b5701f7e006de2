//! What a setting holds: how it is read from text, and the check of a value against it.
//!
//! Must not know: which settings exist.

use super::Error;
use super::error::{Mistakes, origin};
use super::json;
use super::merge::{Layer, Table};
use super::nearest::nearest;
use super::rules::Rule;
use Kind::{Choice, Credential, List, Named, Number, Numbers, Switch, Tables, Text, Texts, Words};
use config::{Value, ValueKind};

/// A table's keys.
pub(super) type Keys = &'static [(&'static str, Kind)];

/// What a setting holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A whole number between the two, both included.
    Number(i64, i64),
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    Text(Rule),
    /// Text that may be written as a number in TOML, as in `id = 123456`.
    Credential(Rule),
    /// At least one text.
    List(Rule),
    /// Texts, or none.
    Texts(Rule),
    /// At least one whole number between the two.
    Numbers(i64, i64),
    /// At least one of these words.
    Words(&'static [&'static str]),
    /// A table with keys of this kind, each with a text.
    Named(Rule, Rule),
    Table(Keys),
    Tables(Keys),
}

impl Kind {
    /// The value that the text of a variable or flag stands for: lists are separated by commas, tables are JSON. A text
    /// that does not fit stays text: `check` refuses it, and so each kind has one message.
    pub(super) fn read(self, text: &str, origin: &String) -> Value {
        let located = |kind: ValueKind| Value::new(Some(origin), kind);
        let words = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let list = |kind: Self| Some(ValueKind::Array(words().map(|part| kind.read(part, origin)).collect()));
        let kind = match self {
            Number(..) => number(text).map(ValueKind::I64),
            Switch => switch(text).map(ValueKind::Boolean),
            List(good) | Texts(good) => list(Text(good)),
            Numbers(min, max) => list(Number(min, max)),
            Words(words) => list(Choice(words)),
            // The text of a single object is kept: the check can say where it comes from, and what is missing.
            Tables(_) => {
                json::read(text, origin).ok().map(|value| value.kind).filter(|kind| matches!(kind, ValueKind::Array(_)))
            }
            Named(..) | Self::Table(_) => json::read(text, origin).ok().map(|value| value.kind),
            Choice(_) | Text(_) | Credential(_) => None,
        };
        located(kind.unwrap_or_else(|| text.into()))
    }

    /// Whether a variable that is set to nothing says something: elsewhere that is as if it were not set.
    pub(super) fn may_be_empty(self) -> bool {
        matches!(self, Text(_) | Credential(_) | List(_) | Texts(_))
    }

    /// The kind of the setting with the dotted key `path` within this table.
    pub(super) fn of(self, path: &str) -> Option<Self> {
        path.split('.').try_fold(self, |kind, name| match kind {
            Self::Table(keys) => keys.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind),
            _ => None,
        })
    }

    /// Every setting within this table that is no table itself, by dotted key and in the order of the schema.
    pub(super) fn settings(self) -> Vec<(String, Self)> {
        let Self::Table(keys) = self else { return Vec::new() };
        let inner = |(name, kind): &(&str, Self)| match kind {
            Self::Table(_) => kind.settings().into_iter().map(|(key, kind)| (format!("{name}.{key}"), kind)).collect(),
            kind => vec![((*name).to_owned(), *kind)],
        };
        keys.iter().flat_map(inner).collect()
    }

    /// Notes everything in `layer` that is not of this kind; `path` is where the layer stands.
    pub(super) fn check_layer(self, path: &str, layer: &Layer, mistakes: &mut Mistakes) {
        self.check(path, &layer.value(), mistakes);
    }

    /// Notes what of `value`, the setting named `path`, is not of this kind.
    pub(super) fn check(self, path: &str, value: &Value, mistakes: &mut Mistakes) {
        let rule = |rule: Rule, text: &str| rule(text).map_err(str::to_owned);
        let good = match (self, &value.kind) {
            (Self::Table(keys), ValueKind::Table(table)) => return check_table(path, table, keys, mistakes),
            (Named(name, text), ValueKind::Table(table)) => return check_named(path, table, name, text, mistakes),
            (List(good), ValueKind::Array(list)) if !list.is_empty() => {
                return check_each(path, list, Text(good), mistakes);
            }
            (Texts(good), ValueKind::Array(list)) => return check_each(path, list, Text(good), mistakes),
            (Numbers(min, max), ValueKind::Array(list)) if !list.is_empty() => {
                return check_each(path, list, Number(min, max), mistakes);
            }
            (Words(words), ValueKind::Array(list)) if !list.is_empty() => {
                return check_each(path, list, Choice(words), mistakes);
            }
            (Tables(keys), ValueKind::Array(list)) => return check_each(path, list, Self::Table(keys), mistakes),
            (Number(min, max), ValueKind::I64(n)) if (min..=max).contains(n) => Ok(()),
            (Switch, ValueKind::Boolean(_)) => Ok(()),
            (Choice(words), ValueKind::String(text)) if words.contains(&text.as_str()) => Ok(()),
            (Text(good) | Credential(good), ValueKind::String(text)) => rule(good, text),
            (Credential(good), ValueKind::I64(number)) => rule(good, &number.to_string()),
            (Tables(_), ValueKind::String(text)) if text.trim_start().starts_with('{') => {
                Err("must be a list, of one object too: put it in [ and ]".to_owned())
            }
            (Tables(_), ValueKind::String(_)) => {
                Err(format!("must be written as [[{path}]], or in a variable as JSON: a list of objects"))
            }
            _ => Err(self.expected(path)),
        };
        if let Err(mend) = good {
            mistakes.note(Error::setting(path, value, &mend));
        }
    }

    fn expected(self, path: &str) -> String {
        match self {
            Number(min, max) => format!("must be a whole number from {min} to {max}"),
            Switch => "must be true or false".to_owned(),
            Choice(words) => format!("must be one of {}", words.join(", ")),
            Text(_) | Credential(_) => "must be text in quotes".to_owned(),
            List(_) => "must list at least one origin, or * for any".to_owned(),
            Texts(_) => "must be a list in brackets, empty or not".to_owned(),
            Numbers(..) => "must list at least one number".to_owned(),
            Words(words) => format!("must list at least one of {}", words.join(", ")),
            Self::Table(_) | Named(..) => format!("must be a table: [{path}]"),
            Tables(_) => format!("must be written as [[{path}]]"),
        }
    }
}

fn check_each(path: &str, list: &[Value], kind: Kind, mistakes: &mut Mistakes) {
    for (at, value) in list.iter().enumerate() {
        kind.check(&format!("{path}[{at}]"), value, mistakes);
    }
}

fn check_named(path: &str, table: &Table, name: Rule, text: Rule, mistakes: &mut Mistakes) {
    let mut keys: Vec<_> = table.keys().collect();
    keys.sort_unstable();
    for key in keys {
        let (path, value) = (format!("{path}.{key}"), &table[key]);
        match name(key) {
            Ok(()) => Text(text).check(&path, value, mistakes),
            Err(mend) => mistakes.note(Error::setting(&path, value, mend)),
        }
    }
}

fn check_table(path: &str, table: &Table, keys: Keys, mistakes: &mut Mistakes) {
    let full = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let mut unknown: Vec<_> = table.keys().filter(|name| keys.iter().all(|(known, _)| known != name)).collect();
    unknown.sort_unstable();
    for name in unknown {
        let meant = nearest(name, keys.iter().map(|(known, _)| *known)).map(full);
        let known = keys.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
        mistakes.unknown(&full(name), origin(&table[name]), meant, &format!("known here are {known}"));
    }
    for (name, kind) in keys {
        if let Some(value) = table.get(*name).filter(|value| value.kind != ValueKind::Nil) {
            kind.check(&full(name), value, mistakes);
        }
    }
}

/// `10_000` and `-1`, but not `_1` or `1__0`.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if plain { text.replace('_', "").parse().ok() } else { None }
}

/// What people write for yes and no.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" => Some(true),
        "0" | "false" | "off" | "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_have_underscores_between_digits() {
        for (text, expect) in [("10_000", Some(10_000)), ("-1", Some(-1)), ("007", Some(7)), ("1_2_3", Some(123))] {
            assert_eq!(number(text), expect, "{text:?}");
        }
        for text in ["", "_1", "1_", "1__0", "1.0", "1e3", "0x1", " 1", "+1", "-", "99999999999999999999"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn lists_are_separated_by_commas_and_tables_are_json() {
        let read = |kind: Kind, text: &str| json::write("", &kind.read(text, &"here".to_owned())).to_string();
        let any: Rule = |_| Ok(());
        assert_eq!(read(Texts(any), "a, b,,"), r#"["a","b"]"#);
        assert_eq!(read(Texts(any), ""), "[]");
        assert_eq!(read(Numbers(0, 9), "1,x,1_0"), r#"[1,"x",10]"#);
        assert_eq!(read(Words(&["a"]), "a,b"), r#"["a","b"]"#);
        assert_eq!(read(Tables(&[]), r#"[{"a":1}]"#), r#"[{"a":1}]"#);
        assert_eq!(read(Named(any, any), r#"{"a":"b"}"#), r#"{"a":"b"}"#);
        assert_eq!(read(Tables(&[]), "[oops"), r#""[oops""#);
    }

    #[test]
    fn settings_are_listed_without_their_tables() {
        const INNER: Keys = &[("b", Switch), ("c", Tables(&[]))];
        let names = Kind::Table(&[("a", Kind::Table(INNER)), ("d", Switch)]).settings();
        assert_eq!(names.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a.b", "a.c", "d"]);
    }
}
