//! The `bantam` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    bantam_tools::cli::main()
}
