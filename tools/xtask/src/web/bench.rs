//! `cargo xtask bench web`: bantam in the browser beside onnxruntime-web and LiteRT.js.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{node, package};
use crate::bench::{self, Network};
use crate::context::Context;
use crate::process::Run;
use crate::python;

/// A model in the formats of the three engines.
#[derive(Clone)]
pub struct Triple {
    name: String,
    dtype: &'static str,
    bantam: Option<PathBuf>,
    onnx: Option<PathBuf>,
    tflite: Option<PathBuf>,
}

/// Reads `NAME=model.bantam,model.onnx,model.tflite`.
pub fn triple(text: &str) -> Result<Triple, String> {
    let usage = "expected NAME=model.bantam,model.onnx,model.tflite, with - where there is none";
    let (name, files) = text.split_once('=').ok_or(usage)?;
    let paths: Vec<Option<PathBuf>> = files.split(',').map(|it| (it != "-").then(|| PathBuf::from(it))).collect();
    let [bantam, onnx, tflite] = <[_; 3]>::try_from(paths).map_err(|_| usage)?;
    Ok(Triple { name: name.to_owned(), dtype: "given", bantam, onnx, tflite })
}

/// Prepares the models, installs the peers and measures; what is missing on this machine is n/a in the table.
pub fn run(context: &mut Context, given: Vec<Triple>, as_json: bool) -> Result<bool> {
    package(context)?;
    let work = context.target.join("bench-web");
    fs::create_dir_all(&work)?;
    install(context, &work)?;
    let mut models = known(context, &work)?;
    models.extend(given);
    let absolute = |path: Option<PathBuf>| path.map(fs::canonicalize).transpose();
    let list: Vec<_> = models
        .into_iter()
        .map(|it| {
            Ok(json!({
                "model": it.name, "dtype": it.dtype, "bantam": absolute(it.bantam)?, "onnx": absolute(it.onnx)?,
                "tflite": absolute(it.tflite)?,
            }))
        })
        .collect::<Result<_>>()?;
    let models = work.join("models.json");
    fs::write(&models, serde_json::to_string(&list)?)?;
    let bench = node(context).arg("bench/bench.mjs").arg(&work).arg(models);
    if as_json { bench.arg("--json") } else { bench }.status()?;
    Ok(true)
}

/// The engines as `wasm/bench/package-lock.json` pins them, kept between runs.
fn install(context: &Context, work: &Path) -> Result<()> {
    let source = context.root.join("wasm/bench");
    let lock = fs::read_to_string(source.join("package-lock.json"))?;
    let installed = work.join("installed.json");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(source.join(name), work.join(name))?;
    }
    // What it says is no part of the document that `--json` promises.
    Run::new("npm").args(["ci", "--prefer-offline", "--no-audit", "--no-fund"]).current_dir(work).output()?;
    fs::write(installed, lock).context("noting what is installed")
}

/// The digits model of the repository, and the networks of `cargo xtask bench native`. LiteRT.js takes no int8 at its borders: it gets
/// the same model between a QUANTIZE and a DEQUANTIZE.
fn known(context: &Context, work: &Path) -> Result<Vec<Triple>> {
    let shrink = |source: &Path, output: &Path, float: bool| {
        let run = context.cargo().args(["run", "--quiet", "--release", "--", "shrink", "--json"]).arg(source);
        let run = run.arg("-o").arg(output);
        if float { run.arg("--float") } else { run }.output().map(|_| output.to_owned())
    };
    let digits = context.root.join("models/digits");
    let mut models = vec![Triple {
        name: "digits".to_owned(),
        dtype: "int8",
        bantam: Some(shrink(&digits, &work.join("digits.bantam"), false)?),
        onnx: Some(digits.join("model.onnx")),
        tflite: None,
    }];
    let python = python::environment(context, "bench")?;
    for Network { name, dtype, onnx, tflite } in bench::networks(context, &python)? {
        eprintln!("preparing {name} {dtype}");
        let tflite = if dtype == "int8" {
            let borders = work.join(format!("{name}_float_borders.tflite"));
            let script = context.root.join("wasm/bench/float_borders.py");
            Run::new(&python).arg(script).arg(tflite).arg(&borders).status()?;
            borders
        } else {
            tflite
        };
        let bantam = shrink(&onnx, &work.join(format!("{name}_{dtype}.bantam")), dtype == "float32")?;
        let [bantam, onnx, tflite] = [bantam, onnx, tflite].map(Some);
        models.push(Triple { name: name.to_owned(), dtype, bantam, onnx, tflite });
    }
    Ok(models)
}
