//! One thread in candle, as many as there are cores in the training loop; memory that is kept.
//!
//! The loop gives each core a part of the batch. candle would start threads of its own beside them, which wait for each other in busy
//! loops, and split products by how many there are. The C library would give the memory of every large tensor back and have the system
//! clear it for the next one, a third of the time of training. Both read the environment, which a process cannot safely
//! change for itself, so the command starts itself anew.

use std::process::{Command, ExitCode};

/// What candle and the library below it read, and glibc: blocks of up to a gigabyte come from one heap, which is not made smaller.
const VARIABLES: [(&str, &str); 5] = [
    ("CANDLE_NUM_THREADS", "1"),
    ("RAYON_NUM_THREADS", "1"),
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "1099511627776"),
];

/// Runs `main` where the environment is so; otherwise starts this program again, with its arguments, where it has.
#[must_use]
pub fn with_one(main: impl FnOnce() -> ExitCode) -> ExitCode {
    if VARIABLES.iter().all(|(name, value)| std::env::var(name).is_ok_and(|set| set == *value)) {
        return main();
    }
    // Where that does not work, training is slower and otherwise the same.
    let Ok(program) = std::env::current_exe() else { return main() };
    let mut again = Command::new(program);
    again.args(std::env::args_os().skip(1)).envs(VARIABLES);
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
