//! `cargo xtask networks`: random small networks, imported, executed, quantised and compared.

use std::env::consts::EXE_SUFFIX;

use anyhow::Result;

use crate::context::Context;
use crate::process::Run;

/// Builds the runner and runs it; fails unless every network is right.
pub fn run(context: &Context, seed: u64, count: u64, save: Option<&str>) -> Result<bool> {
    let build = ["build", "--quiet", "--profile", "checked", "-p", "bantam-tests", "--bin", "networks"];
    context.cargo().args(build).status()?;
    let runner = context.target.join("checked").join(format!("networks{EXE_SUFFIX}"));
    let mut run = Run::new(runner).args(["--seed", &seed.to_string(), "--count", &count.to_string()]);
    if let Some(folder) = save {
        run = run.args(["--save", folder]);
    }
    run.status().map(|()| true)
}
