//! `cargo xtask bench native`: this machine's time per run beside that of other engines.

use std::env::consts::EXE_SUFFIX;
use std::path::Path;

use anyhow::Result;

use crate::context::Context;
use crate::process::Run;
use crate::python;

/// Networks that `tools/bench/models.py` writes.
const GENERATED: [&str; 3] = ["mobilenet-v1-025-96", "autoencoder", "mobilenet-v2-100-224"];

/// Networks of MLPerf Tiny, read in place where a folder with them stands beside the tree: name, type, files.
const TINY: [[&str; 4]; 4] = [
    ["kws", "int8", "kws_int8_qdq.onnx", "kws_ref_model.tflite"],
    ["kws", "float32", "kws_float.onnx", ""],
    ["ic", "int8", "ic_int8_qdq.onnx", "pretrainedResnet_quant.tflite"],
    ["ic", "float32", "ic_float.onnx", "pretrainedResnet_float.tflite"],
];

/// Builds the command and measures it and its peers on every model.
pub fn native(context: &Context, rounds: u32, tract: bool, json: bool) -> Result<bool> {
    let python = python::environment(context, "bench")?;
    let scripts = context.root.join("tools/bench");
    let models = context.target.join("bench").join("models");
    Run::new(&python).arg(scripts.join("models.py")).arg(&models).status()?;
    context.cargo().args(["build", "--quiet", "--release", "-p", "bantam-tools"]).status()?;
    let program = |profile: &str, name: &str| context.target.join(profile).join(format!("{name}{EXE_SUFFIX}"));
    let mut run = Run::new(&python)
        .arg(scripts.join("native.py"))
        .arg("--bantam")
        .arg(program("release", "bantam"))
        .arg("--work")
        .arg(&models)
        .args(["--rounds", &rounds.to_string()]);
    if tract {
        // Peers are optimised as their makers would: the release profile spares dependencies for quick builds.
        context
            .cargo()
            .args(["build", "--quiet", "--profile", "peers", "-p", "bantam-tools", "--example", "tract"])
            .status()?;
        run = run.arg("--tract").arg(program("peers", "examples/tract"));
    }
    if json {
        run = run.arg("--json");
    }
    let tiny = context.root.join("../shared/mlperf-tiny");
    if tiny.is_dir() {
        for [name, dtype, onnx, tflite] in TINY {
            run = run.arg(model(&tiny, name, dtype, onnx, tflite));
        }
    } else {
        eprintln!("skipped: the networks of MLPerf Tiny, which are not on this machine");
    }
    for name in GENERATED {
        for dtype in ["int8", "float32"] {
            run = run.arg(model(&models, name, dtype, &format!("{name}-{dtype}.onnx"), ""));
        }
    }
    Ok(run.status().is_ok())
}

/// A model as `native.py` takes it.
fn model(folder: &Path, name: &str, dtype: &str, onnx: &str, tflite: &str) -> String {
    let path = |file: &str| if file.is_empty() { String::new() } else { folder.join(file).display().to_string() };
    format!("{name}:{dtype}:{}:{}", path(onnx), path(tflite))
}
