//! One thread in candle, as many as there are cores in the training loop.
//!
//! The loop gives each core a part of the batch. candle would start threads of its own beside them, which wait for each other in busy
//! loops, and split products by how many there are. It reads their number from the environment, which a process cannot safely change
//! for itself, so the command starts itself anew.

use std::process::{Command, ExitCode};

/// What candle and the library below it read.
const VARIABLES: [&str; 2] = ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"];

/// Runs `main` where candle has one thread; otherwise starts this program again, with its arguments, where it has.
#[must_use]
pub fn with_one(main: impl FnOnce() -> ExitCode) -> ExitCode {
    if VARIABLES.iter().all(|name| std::env::var(name).is_ok_and(|value| value == "1")) {
        return main();
    }
    // Where that does not work, training is slower and otherwise the same.
    let Ok(program) = std::env::current_exe() else { return main() };
    let mut again = Command::new(program);
    again.args(std::env::args_os().skip(1)).envs(VARIABLES.map(|name| (name, "1")));
    restart(again, main)
}

#[cfg(unix)]
fn restart(mut again: Command, main: impl FnOnce() -> ExitCode) -> ExitCode {
    use std::os::unix::process::CommandExt;
    // Returns only where the program could not be replaced.
    let _ = again.exec();
    main()
}

#[cfg(not(unix))]
fn restart(mut again: Command, main: impl FnOnce() -> ExitCode) -> ExitCode {
    match again.status() {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(_) => main(),
    }
}
