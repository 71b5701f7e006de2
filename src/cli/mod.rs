//! The command line: one file for each subcommand, and beside them what they share.
//!
//! Must not know: how the server does what it is asked for; it configures, starts, asks and prints.

mod address;
mod channels;
mod check;
mod client;
mod completions;
mod dev;
mod doctor;
mod health;
mod keys;
mod link;
mod logging;
mod nodes;
mod options;
mod place;
mod print;
mod pusher;
mod reload;
mod serve;
mod subscribe;
mod tail;
mod trigger;
mod trust;
mod until;
mod webhooks;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use print::{refuse, say};
use std::ffi::OsString;
use std::process::ExitCode;

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
    Keys(keys::Keys),
    Trigger(trigger::Trigger),
    Subscribe(subscribe::Subscribe),
    Channels(channels::Channels),
    Tail(tail::Tail),
    Health(health::Health),
    Doctor(doctor::Doctor),
    Nodes(nodes::Nodes),
    Webhooks(webhooks::Webhooks),
    Completions(completions::Completions),
}

/// Runs the command line and says how the process is to exit: 0, 1 for a failure at run time, 78 for a mistake in
/// options or configuration.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<_> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
        Ok(Cli { command }) => match command {
            Command::Serve(serve) => serve.run(),
            Command::Check(check) => check.run(),
            Command::Keys(keys) => keys.run(),
            Command::Trigger(trigger) => trigger.run(),
            Command::Subscribe(subscribe) => subscribe.run(),
            Command::Channels(channels) => channels.run(),
            Command::Tail(tail) => tail.run(),
            Command::Health(health) => health.run(),
            Command::Doctor(doctor) => doctor.run(),
            Command::Nodes(nodes) => nodes.run(),
            Command::Webhooks(webhooks) => webhooks.run(),
            Command::Completions(completions) => completions.run(Cli::command()),
        },
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                say(error.to_string().trim_end());
                ExitCode::SUCCESS
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
                refuse("command line: a subcommand is missing; start the server with `fanfare serve`")
            }
            _ => refuse(&one_line(&error.to_string(), asked(&args))),
        },
    }
}

/// The subcommand that was meant; `serve` if it is none.
fn asked(args: &[OsString]) -> &str {
    let name = args.get(1).and_then(|name| name.to_str()).unwrap_or_default();
    if Cli::command().find_subcommand(name).is_some() { name } else { "serve" }
}

/// The parser's message without its layout and its usage text.
fn one_line(message: &str, subcommand: &str) -> String {
    let lines = message.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let (mut line, mut is_list) = (String::new(), false);
    for part in lines.filter(|line| !line.is_empty() && !line.starts_with("For more information")) {
        let is_item = is_list && part.starts_with(['<', '-']);
        line += match line.as_str() {
            "" => "",
            before if is_item && before.ends_with(':') => " ",
            _ if is_item => ", ",
            _ => "; ",
        };
        line += part;
        is_list = is_item || part.ends_with(':');
    }
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("command line: {line}; see `fanfare {subcommand} --help`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_take_one_line() {
        let error = |args: &[&str]| {
            let args: Vec<_> = args.iter().map(OsString::from).collect();
            match Cli::try_parse_from(&args) {
                Ok(_) => panic!("{args:?} is no mistake"),
                Err(error) => one_line(&error.to_string(), asked(&args)),
            }
        };
        assert_eq!(
            error(&["fanfare", "serve", "--prot", "80"]),
            "command line: unexpected argument '--prot' found; tip: a similar argument exists: '--port'; see `fanfare serve --help`"
        );
        assert!(error(&["fanfare", "swerve"]).starts_with("command line: unrecognized subcommand 'swerve'"));
        assert!(error(&["fanfare", "serve", "--port"]).contains("a value is required for '--port <PORT>'"));
        assert!(error(&["fanfare", "serve", "--dev", "--config", "x"]).contains("cannot be used with"));
        assert!(error(&["fanfare", "nodes", "--url", "http://a", "--port", "1"]).contains("cannot be used with"));
        assert_eq!(
            error(&["fanfare", "trigger"]),
            "command line: the following required arguments were not provided: <CHANNEL>, <EVENT>; see `fanfare trigger --help`"
        );
    }

    #[test]
    fn the_parser_finds_no_fault_with_itself() {
        Cli::command().debug_assert();
    }
}
