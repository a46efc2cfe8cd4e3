//! `cargo xtask conformance`: the ONNX standard's own cases, written by its Python package and run by our runner.

use std::env::consts::EXE_SUFFIX;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::context::Context;
use crate::process::{Run, find_program};
use crate::setup::Need;
use crate::{nextest, python, web};

/// Writes the cases where they are missing, builds the runner and runs it, then repeats a tenth of what passed in the
/// wasm build; true if nothing failed.
pub fn run(context: &mut Context, engine: &str, json: bool) -> Result<bool> {
    let python = python::environment(context, "conformance")?;
    let folder = context.target.join("conformance");
    let (cases, records) = (folder.join("cases"), folder.join("records"));
    Run::new(python).arg(context.root.join("tools/conformance/write_cases.py")).arg(&cases).status()?;
    // The tests' profile and selection, so that what was built for them is used again.
    context
        .cargo()
        .args(["build", "--quiet", "--profile", "checked", "--examples"])
        .args(nextest::SELECTION)
        .status()?;
    let runner = context.target.join("checked").join("examples").join(format!("conformance{EXE_SUFFIX}"));
    let mut run = Run::new(runner).arg("--cases").arg(&cases).args(["--engine", engine]);
    if json {
        run = run.arg("--json");
    }
    let on_runtime = engine == "runtime";
    if on_runtime {
        run = run.arg("--record").arg(&records);
    }
    let (text, result) = run.capture()?;
    let wasm = if on_runtime && result.is_ok() { repeat_in_wasm(context, &records)? } else { Wasm::Skipped("") };
    if json {
        let mut report: Value = serde_json::from_str(&text).context("the runner's report")?;
        if let Wasm::Done(outcome) = &wasm {
            report["wasm"] = outcome.clone();
        }
        println!("{report}");
    } else {
        print!("{text}");
        match &wasm {
            Wasm::Done(outcome) => println!(
                "wasm: {} cases with {} results, differences: {}",
                outcome["cases"], outcome["outputs"], outcome["differences"]
            ),
            Wasm::Skipped("") => {}
            Wasm::Skipped(reason) => println!("skipped: wasm: {reason}"),
        }
    }
    Ok(result.is_ok() && wasm.agrees())
}

/// What came of the runs in the wasm build.
enum Wasm {
    /// Why there were none.
    Skipped(&'static str),
    /// Cases, results, and the names of the cases that differ.
    Done(Value),
}

impl Wasm {
    fn agrees(&self) -> bool {
        match self {
            Self::Skipped(_) => true,
            Self::Done(outcome) => outcome["differences"].as_array().is_some_and(Vec::is_empty),
        }
    }
}

fn repeat_in_wasm(context: &mut Context, records: &Path) -> Result<Wasm> {
    if find_program(&["node"]).is_none() {
        return Ok(Wasm::Skipped("no node; install Node.js 20 or newer"));
    }
    if Need::Target(web::TARGET).missing(context).is_some() {
        return Ok(Wasm::Skipped("no wasm32-unknown-unknown; run cargo xtask setup"));
    }
    web::package(context)?;
    let run = Run::new("node").arg("tests/conformance.mjs").arg(records).current_dir(&context.root.join("wasm"));
    let (text, result) = run.capture()?;
    match serde_json::from_str(&text) {
        Ok(outcome) => Ok(Wasm::Done(outcome)),
        Err(error) => Err(result.err().unwrap_or_else(|| error.into())),
    }
}
