//! No panic can be reached: programs whose panic handler calls a function that does not exist link all the same.

use std::fs;

use anyhow::{Result, ensure};

use crate::context::Context;
use crate::process::Run;
use crate::web;

/// The function that does not exist.
const MISSING: &str = "panic_is_reachable";
/// What is built: a file through a session, and compiled models.
const PROGRAMS: [&str; 2] = ["dynamic", "compiled"];

/// Builds the programs for a target, and once more with a panic in them, which must be found.
pub fn step(context: &mut Context, target: &str) -> Result<String> {
    // A page loads the one or the other.
    let builds: &[&str] = if target == web::TARGET { &["", "-Ctarget-feature=+simd128"] } else { &[""] };
    for flags in builds {
        for program in PROGRAMS {
            let (messages, linked) = build(context, target, program, flags, "").capture_errors()?;
            ensure!(linked.is_ok() && !imports(context, target, program)?, "{program} can panic:\n{messages}");
            let (messages, linked) = build(context, target, program, flags, "control").capture_errors()?;
            let found = if linked.is_ok() { imports(context, target, program)? } else { messages.contains(MISSING) };
            ensure!(found, "a panic was put into {program} and not found:\n{messages}");
        }
    }
    Ok(format!("{} links, and does not with a panic in it", PROGRAMS.join(" as well as ")))
}

fn build(context: &Context, target: &str, program: &str, flags: &str, features: &str) -> Run {
    context
        .cargo()
        .args(["build", "--quiet", "--release", "--locked", "--manifest-path", "runtime/no-panic/Cargo.toml"])
        .args(["--target", target, "--bin", program, "--features", features, "--target-dir"])
        .arg(context.target.join("no-panic"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
}

/// Whether a module asks its host for the missing function: for WebAssembly that is no mistake of linking.
fn imports(context: &Context, target: &str, program: &str) -> Result<bool> {
    if target != web::TARGET {
        return Ok(false);
    }
    let module = context.target.join("no-panic").join(target).join("release").join(format!("{program}.wasm"));
    Ok(fs::read(module)?.windows(MISSING.len()).any(|bytes| bytes == MISSING.as_bytes()))
}
