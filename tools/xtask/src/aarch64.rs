//! The property suite of vector kernels on AArch64, emulated.

use anyhow::{Context as _, Result, ensure};

use crate::context::Context;
use crate::process::find_program;
use crate::setup::{AARCH64_LINKER, AARCH64_ROOT};

/// The compiler's target.
pub const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Backends that the emulated processor has, by the names of their tests.
const BACKENDS: [&str; 2] = ["neon", "neon_dotprod"];

/// Builds and runs the suite on a processor with every extension that the emulator knows; fails if a backend did not run.
pub fn step(context: &mut Context, _: &str) -> Result<String> {
    let emulator = find_program(&["qemu-aarch64", "qemu-aarch64-static"]).context("no qemu-aarch64")?;
    let (text, result) = context
        .cargo()
        .args(["test", "--profile", "checked", "-p", "bantam", "--features", "std", "--lib", "--target", TARGET])
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", AARCH64_LINKER)
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            format!("{} -cpu max -L {AARCH64_ROOT}", emulator.display()),
        )
        .args(["--", "backend_tests", "--show-output"])
        .capture()?;
    result.with_context(|| text.clone())?;
    for backend in BACKENDS {
        let passed = text.contains(&format!("test backend_tests::{backend} ... ok"));
        let skipped = text.contains(&format!("---- backend_tests::{backend} stdout ----\nskipped:"));
        ensure!(passed && !skipped, "{backend} did not run:\n{text}");
    }
    Ok(format!("{} as the oracle", BACKENDS.join(" and ")))
}
