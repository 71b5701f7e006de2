//! `fanfare completions`.

use super::print::say;
use clap_complete::Shell;
use std::process::ExitCode;

/// Print a script that completes this command line in a shell.
///
/// It belongs into a file where the shell looks for such scripts.
#[derive(clap::Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, mut command: clap::Command) -> ExitCode {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "fanfare", &mut script);
        say(String::from_utf8_lossy(&script).trim_end());
        ExitCode::SUCCESS
    }
}
