//! The wasm build and its parity with the host.

use std::fs;

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::process::Run;
use crate::setup;

/// What the runtime is compiled to.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the bindings and runs `wasm/tests/<engine>.mjs` on the host's fixtures; returns its last line.
pub fn parity(context: &mut Context, engine: &str) -> Result<String> {
    let fixtures = context.fixtures()?;
    build(context)?;
    let mut node = Run::new("node").arg(format!("tests/{engine}.mjs")).arg(&fixtures);
    if let Some(chromium) = setup::chromium() {
        node = node.env("CHROMIUM", chromium);
    }
    let (text, result) = node.current_dir(&context.root.join("wasm")).capture()?;
    print!("{text}");
    result?;
    text.lines().last().map(str::to_owned).context("the test printed nothing")
}

/// Lints and builds `bantam-wasm` and writes its JavaScript bindings to `wasm/dist/`.
pub fn build(context: &Context) -> Result<()> {
    let cargo = |command: &str| {
        context.cargo().args([command, "--quiet", "--profile", "small", "-p", "bantam-wasm", "--target", TARGET])
    };
    cargo("clippy").args(["--", "-D", "warnings"]).status()?;
    cargo("build").status()?;
    let module = context.target.join(TARGET).join("small/bantam_wasm.wasm");
    let dist = context.root.join("wasm/dist");
    context.cargo().args(["run", "--quiet", "-p", "xtask-web", "--"]).arg(module).arg(&dist).status()?;
    let bytes = fs::metadata(dist.join("bantam_wasm_bg.wasm"))?.len();
    eprintln!("wasm/dist/bantam_wasm_bg.wasm: {bytes} bytes");
    Ok(())
}
