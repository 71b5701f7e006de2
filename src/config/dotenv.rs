//! `.env` files, read as Laravel reads them (vlucas/phpdotenv 5): a secret read differently is a wrong secret.
//!
//! Must not know: which variables matter and what their values mean.

use std::collections::BTreeMap;

/// What PHP's `trim` removes.
const BLANKS: [char; 6] = [' ', '\t', '\n', '\r', '\0', '\x0b'];

/// One variable of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: String,
    /// Line on which the definition starts, counted from 1.
    pub(super) line: usize,
}

/// The line for which the whole file is refused, as Laravel refuses it. Never repeats a value, nor a name that is not
/// well formed: the line may be a stray piece of a private key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) problem: String,
}

/// Reads the whole text. `${NAME}` means the variable of the process, else one defined further up; of two definitions
/// of one name the later wins.
pub(super) fn parse(text: &str, environment: &BTreeMap<String, String>) -> Result<BTreeMap<String, Entry>, Broken> {
    let mut entries = BTreeMap::<String, Entry>::new();
    for (line, statement) in statements(text)? {
        let broken = |problem: String| Broken { line, problem };
        let (before, after) = match statement.split_once('=') {
            Some((before, after)) => (before.trim_matches(BLANKS), Some(after.trim_matches(BLANKS))),
            None => (statement.as_str(), None),
        };
        let name = name(before).map_err(|problem| broken(problem.to_owned()))?;
        let Some(after) = after else {
            entries.remove(name);
            continue;
        };
        let template = Template::parse(after).map_err(|problem| broken(format!("{name} has {problem}")))?;
        let known = |name: &str| environment.get(name).or_else(|| entries.get(name).map(|entry| &entry.value)).cloned();
        let value = template.fill(known);
        entries.insert(name.to_owned(), Entry { value, line });
    }
    Ok(entries)
}

/// The lines that hold something, each with its number; a double-quoted value's lines are joined. What counts as an
/// open quote is phpdotenv's guess, comments included, and not a proper reading of the quotes.
fn statements(text: &str) -> Result<Vec<(usize, String)>, Broken> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut lines = text.split(['\n', '\r']).zip(1..);
    let mut found = Vec::new();
    while let Some((first, number)) = lines.next() {
        let mut statement = first.to_owned();
        let mut open = first.contains("=\"") && quotes(first) < 2;
        while open {
            let Some((next, _)) = lines.next() else {
                // Laravel silently loses the rest of the file here; that is never what was meant.
                let problem = "a double quote is opened and never closed, so the rest of the file is lost: close it";
                return Err(Broken { line: number, problem: problem.to_owned() });
            };
            statement = statement + "\n" + next;
            open = next != "\"" && quotes(next) < 1;
        }
        let bare = statement.trim_matches(BLANKS);
        if !bare.is_empty() && !bare.starts_with('#') {
            found.push((number, statement));
        }
    }
    Ok(found)
}

/// Double quotes that neither start the line nor are escaped.
fn quotes(line: &str) -> usize {
    line.replace(r"\\", "").as_bytes().windows(2).filter(|pair| pair[1] == b'"' && pair[0] != b'\\').count()
}

/// The name in `NAME`, `export NAME`, `"NAME"` or `'NAME'`.
fn name(text: &str) -> Result<&str, &'static str> {
    if text.is_empty() {
        return Err("nothing stands before the =: write NAME=value");
    }
    let exported = text.strip_prefix("export").filter(|rest| rest.starts_with(|c: char| c.is_ascii_whitespace()));
    let text = exported.map_or(text, str::trim_start);
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    let name = inside('"').or_else(|| inside('\'')).unwrap_or(text);
    if is_name(name) {
        return Ok(name);
    }
    Err("this is not NAME=value: a name has letters, digits, _ and . only, and a comment starts with #")
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}

/// A value with its quotes and comment taken off, and the places where a `$` may start a `${NAME}`.
#[derive(Default)]
struct Template {
    text: String,
    dollars: Vec<usize>,
}

/// Where in a value the reader is.
#[derive(Clone, Copy)]
enum State {
    Start,
    Bare,
    Single,
    Double,
    Escape,
    AfterBlank,
    AfterQuote,
    Comment,
}

impl Template {
    fn parse(value: &str) -> Result<Self, &'static str> {
        let mut template = Self::default();
        let mut state = State::Start;
        for c in value.chars() {
            let blank = c.is_ascii_whitespace() || c == '\x0b';
            state = match (state, c) {
                (State::Start, '\'') => State::Single,
                (State::Start, '"') => State::Double,
                (State::Start | State::Bare | State::AfterBlank | State::AfterQuote, '#') => State::Comment,
                (State::Bare, _) if blank => State::AfterBlank,
                (State::Start | State::Bare, _) => template.push(c, c == '$', State::Bare),
                (State::Single, '\'') | (State::Double, '"') => State::AfterQuote,
                (State::Single, _) => template.push(c, false, State::Single),
                (State::Double, '\\') => State::Escape,
                (State::Double, _) => template.push(c, c == '$', State::Double),
                (State::Escape, _) => template.push(unescape(c)?, false, State::Double),
                (State::AfterBlank | State::AfterQuote, _) if blank => state,
                (State::AfterBlank, _) => return Err("unexpected whitespace: put the value in double quotes"),
                (State::AfterQuote, _) => return Err("text after its closing quote: escape the quote inside as \\\""),
                (State::Comment, _) => State::Comment,
            };
        }
        match state {
            State::Single | State::Double | State::Escape => Err("no closing quote: add it"),
            _ => Ok(template),
        }
    }

    fn push(&mut self, c: char, dollar: bool, next: State) -> State {
        if dollar {
            self.dollars.push(self.text.len());
        }
        self.text.push(c);
        next
    }

    /// Replaces what is known, from the last to the first: `${A_${B}}` finds the name of `A_…` in `B`.
    fn fill(self, known: impl Fn(&str) -> Option<String>) -> String {
        let mut text = self.text;
        for &at in self.dollars.iter().rev() {
            let name = text[at..].strip_prefix("${").and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
            let Some(name) = name.filter(|name| is_name(name)) else { continue };
            if let Some(value) = known(name) {
                text.replace_range(at..at + name.len() + "${}".len(), &value);
            }
        }
        text
    }
}

/// The character that `\c` stands for between double quotes.
fn unescape(c: char) -> Result<char, &'static str> {
    Ok(match c {
        '"' | '\\' | '$' => c,
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        _ => return Err(r"an unexpected escape sequence: write \\ for a backslash, or use single quotes"),
    })
}

#[cfg(test)]
#[path = "dotenv_tests.rs"]
mod tests;
