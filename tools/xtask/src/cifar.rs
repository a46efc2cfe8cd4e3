//! `cargo xtask cifar`: image classification of MLPerf Tiny on CIFAR-10, shrunk and beside ONNX Runtime's own quantisation.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::context::Context;
use crate::process::Run;
use crate::python;

/// Where the model and the data lie beside the tree.
const MODEL: &str = "../shared/mlperf-tiny/ic_float.onnx";
const CALIBRATION: &str = "../shared/data/cifar10/calibration_1000.npz";
const TEST: &str = "../shared/data/cifar10/test_5000.npz";

/// Largest losses allowed, as shares: of 8-bit weights, and of 4- and 8-bit ones together.
const INT8_DROP: f64 = 0.003;
const MIXED_DROP: f64 = 0.015;
/// Least share of rows on which the 8-bit model agrees with the float one.
const AGREEMENT: f64 = 0.97;
/// A difference that chance makes less often than this is one.
const SIGNIFICANT: f64 = 0.05;
/// Largest share of the 8-bit file that the mixed one may take.
const MIXED_SHARE: f64 = 0.6;

/// Shrinks twice, has ONNX Runtime quantise with the same calibration rows, prints a table; true if all limits are kept.
pub fn run(context: &Context) -> Result<bool> {
    let [model, calibration, test] = [MODEL, CALIBRATION, TEST].map(|path| context.root.join(path));
    if let Some(missing) = [&model, &calibration, &test].into_iter().find(|path| !path.exists()) {
        println!("skipped: {} is not there", missing.display());
        return Ok(true);
    }
    let tool = context.checked_program("bantam")?;
    let folder = context.target.join("cifar");
    std::fs::create_dir_all(&folder)?;
    let shrink = |name: &str, more: &[&str]| -> Result<Value> {
        let run =
            Run::new(&tool).arg("shrink").arg(&model).arg("--calibrate").arg(&calibration).arg("--eval").arg(&test);
        let run = run.arg("-o").arg(folder.join(format!("{name}.bantam"))).arg("--json").args(more);
        run.json()
    };
    let exported = folder.join("int8.onnx");
    let exported_text = exported.to_str().context("the target folder has a name in UTF-8")?;
    let int8 = shrink("int8", &["--emit-onnx", exported_text])?;
    let flash = (number(&int8, "file_bytes") * MIXED_SHARE) as usize;
    let mixed = shrink("mixed", &["--flash", &flash.to_string()])?;
    let outputs = folder.join("int8.npy");
    let artifact = folder.join("int8.bantam");
    let rerun =
        Run::new(&tool).arg("run").arg(&artifact).arg("--input").arg(&test).arg("--raw").arg("-o").arg(&outputs);
    rerun.output()?;
    let python = python::environment(context, "oracle")?;
    let script = |name: &str| Run::new(&python).arg(context.root.join("tools/oracle").join(name));
    let other = script("onnxruntime_static.py").arg(&model).arg(&calibration).arg(&test).arg(&outputs).json()?;

    println!("| CIFAR-10, {} test images | top-1 | change | agreement with float | bytes |", int8["rows"]);
    println!("|---|--:|--:|--:|--:|");
    println!("| float, tract | {:.2} % | | | {} |", number(&int8, "float_top1") * 100.0, int8["source_bytes"]);
    row("int8, `bantam shrink`", &int8);
    row(&format!("int4 and int8 weights, `--flash {flash}`"), &mixed);
    row(&format!("int8, onnxruntime {} static quantisation", other["onnxruntime"].as_str().unwrap_or("")), &other);
    println!(
        "only `bantam shrink` is right on {} images, only ONNX Runtime on {}: chance does as much with a probability of {:.2}",
        other["only_other_right"],
        other["only_this_right"],
        number(&other, "chance")
    );
    println!("the exported int8 model in ONNX Runtime:");
    let exported_holds = script("exported_onnx.py").arg(&exported).arg(&test).arg(&outputs).status().is_ok();

    let mut holds = exported_holds;
    let mut check = |what: &str, holds_now: bool| {
        if !holds_now {
            println!("not kept: {what}");
            holds = false;
        }
    };
    check("int8 loses at most 0.3 points", drop_of(&int8) <= INT8_DROP);
    check("int8 agrees on 97 % of the rows", number(&int8, "agreement") >= AGREEMENT);
    // A handful of images more or less are chance; how often the two models differ is what quantisation did.
    check("int8 agrees more often than ONNX Runtime's", number(&int8, "agreement") >= number(&other, "agreement"));
    let worse = number(&other, "top1") > number(&int8, "top1");
    check("int8 is right as often as ONNX Runtime's, chance aside", !(worse && number(&other, "chance") < SIGNIFICANT));
    check("4-bit weights lose at most 1.5 points", drop_of(&mixed) <= MIXED_DROP);
    check(
        "4-bit weights save two fifths of the file",
        number(&mixed, "file_bytes") <= MIXED_SHARE * number(&int8, "file_bytes"),
    );
    Ok(holds)
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(f64::NAN)
}

fn drop_of(value: &Value) -> f64 {
    number(value, "float_top1") - number(value, "top1")
}

fn row(name: &str, value: &Value) {
    let percent = |key: &str| number(value, key) * 100.0;
    println!(
        "| {name} | {:.2} % | {:+.2} | {:.2} % | {} |",
        percent("top1"),
        percent("top1") - percent("float_top1"),
        percent("agreement"),
        value["file_bytes"]
    );
}
