//! The `fanfare` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    fanfare::cli::run(std::env::args_os())
}
