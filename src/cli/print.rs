//! What is printed: for people with nothing in it that could drive their terminal, for programs as it is.
//!
//! Must not know: what it is about.

use super::BAD_CONFIG;
use crate::protocol::json::acts;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// Prints for people and scripts. Nobody may be reading, which is no reason to stop serving.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints a line of what goes on for ever. It fails once nobody reads, which is a reason to stop.
pub(super) fn put(line: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Says why nothing was done, in one line for each mistake.
pub(super) fn refuse(message: &str) -> ExitCode {
    message.lines().for_each(complain);
    ExitCode::from(BAD_CONFIG)
}

/// Says in one line what went wrong.
pub(super) fn fail(message: &str) -> ExitCode {
    complain(message);
    ExitCode::FAILURE
}

/// A line beside the output: what goes wrong, or how it goes.
pub(super) fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "fanfare: {}", plain(message));
}

/// A text of somebody else's, on one line, with nothing in it that a terminal would act on, or that would turn around
/// how it reads: such characters are written as escapes.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A table's lines, each column as wide as it needs to be.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(|cell| plain(cell))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The two largest units of a time in seconds.
pub(super) fn span(secs: u64) -> String {
    let text = humantime::format_duration(Duration::from_secs(secs)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// The time of day, as every line of output and of the server's answers has it.
pub(super) fn clock() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_drives_a_terminal() {
        assert_eq!(plain("a é \u{1b}[31mred\u{7}\r\nb\u{9b}\u{202e}c"), r"a é \u{1b}[31mred\u{7}\r\nb\u{9b}\u{202e}c");
        assert_eq!(columns(&[["a".to_owned(), "\u{1b}".to_owned()]]), [r"a  \u{1b}"]);
    }
}
