//! `cargo xtask bench native` and `bench load`: this machine's time per run beside that of other engines, and what loading
//! takes.

use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::context::Context;
use crate::process::Run;
use crate::python;

/// Networks that `tools/bench/models.py` writes.
const GENERATED: [&str; 3] = ["mobilenet-v1-025-96", "autoencoder", "mobilenet-v2-100-224"];

/// Networks of MLPerf Tiny, read in place where a folder with them stands beside the tree: name, type, files. What has no
/// .tflite of the same layers gets one from its ONNX file.
const TINY: [[&str; 4]; 4] = [
    ["kws", "int8", "kws_int8_qdq.onnx", "kws_ref_model.tflite"],
    ["kws", "float32", "kws_float.onnx", ""],
    ["ic", "int8", "ic_int8_qdq.onnx", "pretrainedResnet_quant.tflite"],
    ["ic", "float32", "ic_float.onnx", "pretrainedResnet_float.tflite"],
];

/// A model that is measured.
pub struct Network {
    pub name: &'static str,
    /// `int8` or `float32`.
    pub dtype: &'static str,
    pub onnx: PathBuf,
    /// The same layers for TensorFlow Lite.
    pub tflite: PathBuf,
}

/// Builds the command and measures it and its peers on every model.
pub fn native(context: &Context, rounds: u32, tract: bool, json: bool) -> Result<bool> {
    let python = python::environment(context, "bench")?;
    let mut run = Run::new(&python)
        .arg(context.root.join("tools/bench/native.py"))
        .arg("--bantam")
        .arg(command(context)?)
        .arg("--work")
        .arg(models_folder(context))
        .args(["--rounds", &rounds.to_string()]);
    if tract {
        // Peers are optimised as their makers would: the release profile spares dependencies for quick builds.
        context
            .cargo()
            .args(["build", "--quiet", "--profile", "peers", "-p", "bantam-tools", "--example", "tract"])
            .status()?;
        run = run.arg("--tract").arg(program(context, "peers", "examples/tract"));
    }
    if json {
        run = run.arg("--json");
    }
    for network in networks(context, &python)? {
        let Network { name, dtype, onnx, tflite } = network;
        run = run.arg(format!("{name}:{dtype}:{}:{}", onnx.display(), tflite.display()));
    }
    run.status()?;
    Ok(true)
}

/// Measures loading: checking a file and packing its weights beside copying it, and how that grows with the file.
pub fn load(context: &Context, as_json: bool) -> Result<bool> {
    let python = python::environment(context, "bench")?;
    let bantam = command(context)?;
    let mut rows = Vec::new();
    for Network { name, dtype, onnx, .. } in networks(context, &python)? {
        let artifact = models_folder(context).join(format!("{name}-{dtype}.bantam"));
        let shrink = Run::new(&bantam).args(["shrink", "--json"]).arg(onnx).arg("-o").arg(&artifact);
        if dtype == "float32" { shrink.arg("--float") } else { shrink }.output()?;
        rows.push(Run::new(&bantam).args(["bench", "--json"]).arg(&artifact).json()?);
    }
    let number = |row: &Value, key: &str| row[key].as_f64().with_context(|| format!("`bantam bench` tells no {key}"));
    let mut points = Vec::new();
    for row in &mut rows {
        let (copy, bytes) = (number(row, "copy_ms")?, number(row, "file_bytes")?);
        for part in ["parse", "pack"] {
            row[format!("{part}_per_copy")] = json!(number(row, &format!("{part}_ms"))? / copy);
        }
        points.push([bytes.ln(), number(row, "ready_ms")?.ln()]);
    }
    let exponent = slope(&points);
    if as_json {
        println!("{:#}", json!({ "rows": rows, "exponent": exponent }));
        return Ok(true);
    }
    println!("| model | type | bytes | copying, ms | checking, ms | times | packing, ms | times |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|");
    for row in &rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let [copy, parse, parse_times, pack, pack_times] =
            ["copy_ms", "parse_ms", "parse_per_copy", "pack_ms", "pack_per_copy"].map(|key| number(row, key));
        println!(
            "| {} | {} | {} | {:.4} | {:.4} | {:.1} | {:.4} | {:.1} |",
            text("model"),
            text("dtype"),
            row["file_bytes"],
            copy?,
            parse?,
            parse_times?,
            pack?,
            pack_times?
        );
    }
    println!("\nThe time to load grows as the bytes of the file to the power of {exponent:.2}.");
    Ok(true)
}

/// The slope of a line through points by least squares.
fn slope(points: &[[f64; 2]]) -> f64 {
    let count = points.len().max(1) as f64;
    let mean = |axis: usize| points.iter().map(|point| point[axis]).sum::<f64>() / count;
    let [x, y] = [mean(0), mean(1)];
    let sum = |of: fn(f64, f64) -> f64| points.iter().map(|point| of(point[0] - x, point[1] - y)).sum::<f64>();
    sum(|x, y| x * y) / sum(|x, _| x * x).max(f64::MIN_POSITIVE)
}

/// Builds the command as users have it.
pub fn command(context: &Context) -> Result<PathBuf> {
    context.cargo().args(["build", "--quiet", "--release", "-p", "bantam-tools"]).status()?;
    Ok(program(context, "release", "bantam"))
}

fn program(context: &Context, profile: &str, name: &str) -> PathBuf {
    context.target.join(profile).join(format!("{name}{EXE_SUFFIX}"))
}

fn models_folder(context: &Context) -> PathBuf {
    context.target.join("bench").join("models")
}

/// The networks that are there, and those that are made now; each as ONNX and for TensorFlow Lite.
pub fn networks(context: &Context, python: &Path) -> Result<Vec<Network>> {
    let made = models_folder(context);
    Run::new(python).arg(context.root.join("tools/bench/models.py")).arg(&made).status()?;
    let mut networks = Vec::new();
    let mut conversions = Vec::new();
    let mut add = |name, dtype, onnx: PathBuf, tflite: Option<PathBuf>| {
        let tflite = tflite.unwrap_or_else(|| {
            let converted = made.join(format!("{name}-{dtype}.tflite"));
            conversions.extend([onnx.clone(), converted.clone()]);
            converted
        });
        networks.push(Network { name, dtype, onnx, tflite });
    };
    let tiny = context.root.join("../shared/mlperf-tiny");
    if tiny.is_dir() {
        for [name, dtype, onnx, tflite] in TINY {
            add(name, dtype, tiny.join(onnx), Some(tflite).filter(|name| !name.is_empty()).map(|name| tiny.join(name)));
        }
    } else {
        eprintln!("skipped: the networks of MLPerf Tiny, which are not on this machine");
    }
    for name in GENERATED {
        for dtype in ["int8", "float32"] {
            add(name, dtype, made.join(format!("{name}-{dtype}.onnx")), None);
        }
    }
    Run::new(python).arg(context.root.join("tools/bench/onnx_to_tflite.py")).args(conversions).status()?;
    Ok(networks)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_slope_is_that_of_the_line() {
        assert!((super::slope(&[[0.0, 1.0], [1.0, 3.0], [3.0, 7.0]]) - 2.0).abs() < 1e-12);
    }
}
