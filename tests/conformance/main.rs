//! The Channels protocol, statement by statement, against a server that runs somewhere.
//!
//! Each statement is a test with its id for a name. Without further ado they run one by one against this crate's own
//! binary, or against three nodes in this process that are joined over the bus that `FANFARE_TEST_NODES` names (memory,
//! redis, nats). `CONFORMANCE_TARGET=http://host:port` points them at another server, of which `CONFORMANCE_APP_ID`,
//! `CONFORMANCE_KEY` and `CONFORMANCE_SECRET` name an app; statements that need a setting of their own are skipped
//! then, and say so. `--table` prints one line for each statement instead of the test runner's output.

mod api_publish;
mod api_queries;
mod aut;
mod cac;
mod cli;
mod cnt;
mod con;
mod enc;
mod err;
mod lar;
mod png;
mod pre;
mod prv;
mod sub;
mod support;
mod table;
mod tml;
mod usr;
mod wat;
mod whk;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use support::{Statement, Target};

fn statements() -> impl Iterator<Item = &'static Statement> {
    let groups = [
        con::ALL,
        png::ALL,
        err::ALL,
        sub::ALL,
        prv::ALL,
        enc::ALL,
        pre::ALL,
        cac::ALL,
        cnt::ALL,
        cli::ALL,
        usr::ALL,
        wat::ALL,
        aut::ALL,
        api_publish::ALL,
        api_queries::ALL,
        tml::ALL,
        lar::ALL,
        whk::ALL,
    ];
    groups.into_iter().flatten()
}

fn main() -> ExitCode {
    if let Err(why) = support::aim() {
        eprintln!("{why}.");
        return ExitCode::FAILURE;
    }
    if std::env::args().any(|argument| argument == "--table") {
        return table::print(statements());
    }
    let trials = statements().map(|statement| {
        let run = || {
            let runtime = tokio::runtime::Runtime::new().map_err(Failed::from)?;
            runtime.block_on(async { (statement.run)(Target::of(statement).await).await });
            Ok(())
        };
        let skipped = statement.skipped();
        Trial::test(statement.name(), run).with_ignored_flag(skipped.is_some())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
