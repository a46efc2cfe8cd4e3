//! `cargo xtask conformance`: the ONNX standard's own cases, written by its Python package and run by our runner.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::process::{Run, find_program};

/// Writes the cases where they are missing, builds the runner and runs it; true if nothing failed.
pub fn run(context: &Context, engine: &str, json: bool) -> Result<bool> {
    let python = environment(context)?;
    let cases = context.target.join("conformance").join("cases");
    Run::new(python).arg(context.root.join("tools/conformance/write_cases.py")).arg(&cases).status()?;
    context
        .cargo()
        .args(["build", "--quiet", "--profile", "checked", "-p", "bantam-tools", "--example", "conformance"])
        .status()?;
    let runner = context.target.join("checked").join("examples").join(format!("conformance{EXE_SUFFIX}"));
    let mut run = Run::new(runner).arg("--cases").arg(&cases).args(["--engine", engine]);
    if json {
        run = run.arg("--json");
    }
    let (text, result) = run.capture()?;
    print!("{text}");
    Ok(result.is_ok())
}

/// The Python of a virtual environment that has what `requirements.txt` pins, made on first use.
fn environment(context: &Context) -> Result<PathBuf> {
    let requirements = context.root.join("tools/conformance/requirements.txt");
    let folder = context.target.join("conformance").join("venv");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let wanted = fs::read_to_string(&requirements).with_context(|| requirements.display().to_string())?;
    let installed = folder.join("requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let system = find_program(&["python3", "python"]).context("no python3; install Python 3.10 or newer")?;
    Run::new(system).args(["-m", "venv", "--clear"]).arg(&folder).status()?;
    Run::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&requirements)
        .status()?;
    fs::write(installed, wanted)?;
    Ok(python)
}
