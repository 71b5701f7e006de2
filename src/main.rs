//! The `fanfare` command.

use std::process::ExitCode;

/// The static binary's: musl's own has one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fanfare::cli::run(std::env::args_os())
}
