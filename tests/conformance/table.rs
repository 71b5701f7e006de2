//! All statements in one table: what passed, what failed and why, what was skipped and why.

use super::support::{Statement, Target};
use std::panic;
use std::process::ExitCode;

/// Runs the statements one after the other and prints a line for each. Fails if one did.
pub(crate) fn print<'a>(statements: impl Iterator<Item = &'a Statement>) -> ExitCode {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    // Panics are told in the table.
    panic::set_hook(Box::new(|_| ()));
    for statement in statements {
        let (word, reason) = match statement.skipped() {
            Some(why) => {
                skipped += 1;
                ("skipped", why.to_owned())
            }
            None => match run(statement) {
                Ok(()) => {
                    passed += 1;
                    ("passed", String::new())
                }
                Err(reason) => {
                    failed += 1;
                    ("FAILED", reason)
                }
            },
        };
        let line = format!("{:<8} {word:<8} {:<68} {reason}", statement.id, statement.title);
        println!("{}", line.trim_end());
    }
    println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The first line of why it failed.
fn run(statement: &Statement) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let statement = statement.clone();
    // In a task of its own, so that a panic ends the statement and not the table.
    let run = async { tokio::spawn(async move { (statement.run)(Target::of(&statement).await).await }).await };
    let outcome = runtime.block_on(run);
    outcome.map_err(|error| {
        let panic = error.into_panic();
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
        let text = text.strip_prefix("assertion `left == right` failed: ").unwrap_or(text);
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.join("; ").chars().take(300).collect()
    })
}
