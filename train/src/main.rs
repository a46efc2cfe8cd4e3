//! The `bantam-train` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    bantam_train::threads::with_one(bantam_train::cli::main)
}
