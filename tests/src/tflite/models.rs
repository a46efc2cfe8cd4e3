//! Whole models of MLPerf Tiny and TensorFlow Lite Micro, read in place, and the golden answers that lie beside them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Names of the golden files.
pub const MODELS: [&str; 4] = ["kws", "ic", "hello_world", "micro_speech"];

/// A model and what it is asked.
#[derive(Debug)]
pub struct GoldenModel {
    /// Its name, one of [`MODELS`].
    pub name: &'static str,
    /// The .tflite file.
    pub file: Vec<u8>,
    /// The one input of every case, as 8-bit integers.
    pub inputs: Vec<Vec<u8>>,
    /// For every case, engines of TensorFlow Lite Micro and the integers of the output.
    pub answers: Vec<Vec<(String, Vec<i64>)>>,
}

/// The folder of the models, if it is there; says so, otherwise.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/mlperf-tiny");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: the MLPerf Tiny models are not in {}", folder.display());
    None
}

/// All models, or none where the folder is missing.
///
/// # Panics
/// The folder lacks a file, or a golden file is not as described.
#[must_use]
pub fn golden_models() -> Vec<GoldenModel> {
    let Some(folder) = folder() else { return vec![] };
    MODELS.iter().map(|name| golden_model(&folder, name)).collect()
}

fn golden_model(folder: &Path, name: &'static str) -> GoldenModel {
    let text = std::fs::read(folder.join("goldens").join(format!("{name}.json"))).expect("a golden file");
    let golden: Value = serde_json::from_slice(&text).expect("JSON");
    let file = std::fs::read(folder.join(golden["model"].as_str().expect("a file name"))).expect("a model");
    let cases = golden["cases"].as_array().expect("a list of cases");
    let input = |case: &Value| STANDARD.decode(case["input_b64"].as_str().expect("a text")).expect("base64");
    let numbers =
        |list: &Value| list.as_array().expect("a list").iter().map(|q| q.as_i64().expect("integers")).collect();
    let answers = |case: &Value| {
        let engines = case["output_tflm"].as_object().expect("a list by engine").iter();
        engines.map(|(engine, output)| (engine.clone(), numbers(output))).collect()
    };
    GoldenModel { name, file, inputs: cases.iter().map(input).collect(), answers: cases.iter().map(answers).collect() }
}
