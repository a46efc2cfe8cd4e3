//! Python environments, made on first use.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::process::{Run, find_program};

/// The Python of a virtual environment that has what `tools/NAME/requirements.txt` pins.
pub fn environment(context: &Context, name: &str) -> Result<PathBuf> {
    let requirements = context.root.join("tools").join(name).join("requirements.txt");
    let folder = context.target.join(name).join("venv");
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
