//! The command line: one file for each subcommand.
//!
//! Must not know: anything of the wire; it configures, starts and prints.

mod check;
mod client;
mod dev;
mod logging;
mod nodes;
mod reload;
mod serve;
mod webhooks;

use crate::config::Sources;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What was asked for cannot be configured (`EX_CONFIG` of sysexits): nothing was started.
const BAD_CONFIG: u8 = 78;

#[derive(Parser)]
#[command(name = "fanfare", version, about = "Self-hosted broadcast server that speaks the Pusher Channels protocol")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Check(check::Check),
    Nodes(nodes::Nodes),
    Webhooks(webhooks::Webhooks),
}

/// Where the server listens, and what configures it.
#[derive(clap::Args)]
struct Place {
    #[arg(
        long,
        value_name = "HOST",
        global = true,
        help = "Address to listen on [default: REVERB_SERVER_HOST, or 0.0.0.0]"
    )]
    host: Option<String>,
    #[arg(long, value_name = "PORT", global = true, help = "Port to listen on [default: REVERB_SERVER_PORT, or 8080]")]
    port: Option<String>,
    #[arg(
        long,
        value_name = "PATH",
        global = true,
        help = "Prefix of every path [default: REVERB_SERVER_PATH, or none]"
    )]
    path: Option<String>,
    /// File to read instead of .env
    #[arg(long, value_name = "FILE", global = true)]
    env_file: Option<PathBuf>,
    /// Configuration in TOML or JSON; see config/fanfare.toml for every key
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// File with more apps, or folder of such files, in TOML or JSON
    #[arg(long, value_name = "PATH", global = true)]
    apps: Option<String>,
}

impl Place {
    fn sources(self) -> Sources {
        let flags = [
            ("server.host", self.host, "--host"),
            ("server.port", self.port, "--port"),
            ("server.path", self.path, "--path"),
            ("server.apps", self.apps, "--apps"),
        ];
        Sources {
            env_file: self.env_file,
            config_file: self.config,
            flags: flags.into_iter().filter_map(|(key, value, flag)| Some((key, value?, flag))).collect(),
            ..Sources::process()
        }
    }
}

/// Runs the command line and says how the process is to exit: 0, 1 for a failure at run time, 78 for a mistake in
/// options or configuration.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Cli::try_parse_from(args) {
        Ok(Cli { command: Command::Serve(serve) }) => serve.run(),
        Ok(Cli { command: Command::Check(check) }) => check.run(),
        Ok(Cli { command: Command::Nodes(nodes) }) => nodes.run(),
        Ok(Cli { command: Command::Webhooks(webhooks) }) => webhooks.run(),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                say(&error.to_string());
                ExitCode::SUCCESS
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
                refuse("command line: a subcommand is missing; start the server with `fanfare serve`")
            }
            _ => refuse(&one_line(&error.to_string())),
        },
    }
}

/// Prints for people and scripts. Nobody may be reading, which is no reason to stop serving.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// A table's lines, each column as wide as it needs to be.
fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The two largest units of a time in seconds.
fn span(secs: u64) -> String {
    let text = humantime::format_duration(Duration::from_secs(secs)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Says why nothing was started, in one line for each mistake.
fn refuse(message: &str) -> ExitCode {
    message.lines().for_each(complain);
    ExitCode::from(BAD_CONFIG)
}

fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "fanfare: {message}");
}

/// The parser's message without its layout and its usage text.
fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let lines: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    let line = lines.join("; ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("command line: {line}; see `fanfare serve --help`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_take_one_line() {
        let error = |args: &[&str]| match Cli::try_parse_from(args) {
            Ok(_) => panic!("{args:?} is no mistake"),
            Err(error) => one_line(&error.to_string()),
        };
        assert_eq!(
            error(&["fanfare", "serve", "--prot", "80"]),
            "command line: unexpected argument '--prot' found; tip: a similar argument exists: '--port'; see `fanfare serve --help`"
        );
        assert!(error(&["fanfare", "swerve"]).starts_with("command line: unrecognized subcommand 'swerve'"));
        assert!(error(&["fanfare", "serve", "--port"]).contains("a value is required for '--port <PORT>'"));
        assert!(error(&["fanfare", "serve", "--dev", "--config", "x"]).contains("cannot be used with"));
    }
}
