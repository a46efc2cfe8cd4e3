//! `cargo xtask tflite`: whole TensorFlow Lite models on seeded inputs, beside TensorFlow Lite Micro itself.

use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;

use anyhow::Result;

use crate::context::Context;
use crate::process::Run;
use crate::{nextest, python};

/// The models of MLPerf Tiny and TensorFlow Lite Micro, where they lie beside the tree.
const FOLDER: &str = "../shared/mlperf-tiny";
const MODELS: [&str; 4] = [
    "kws_ref_model.tflite",
    "pretrainedResnet_quant.tflite",
    "hello_world_int8.tflite",
    "micro_speech_quantized.tflite",
];

/// Has the Python package run the models, repeats the runs and prints a table; true if no bit differs.
pub fn run(context: &Context, count: u32, models: &[PathBuf]) -> Result<bool> {
    let python = python::environment(context, "oracle/tflite")?;
    let folder = context.target.join("tflite-runs");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let given = MODELS.iter().map(|name| context.root.join(FOLDER).join(name));
    let (present, missing): (Vec<PathBuf>, Vec<PathBuf>) = given.partition(|path| path.exists());
    for path in missing {
        println!("skipped: {} is not there", path.display());
    }
    Run::new(python)
        .arg(context.root.join("tools/oracle/tflite/write_runs.py"))
        .args(["--count", &count.to_string()])
        .arg(&folder)
        .args(present.iter().chain(models))
        .status()?;
    // The tests' profile and selection, so that what was built for them is used again.
    context
        .cargo()
        .args(["build", "--quiet", "--profile", "checked", "--bin", "tflite-runs", "--examples"])
        .args(nextest::SELECTION)
        .status()?;
    let runner = context.target.join("checked").join(format!("tflite-runs{EXE_SUFFIX}"));
    Ok(Run::new(runner).arg(&folder).status().is_ok())
}
