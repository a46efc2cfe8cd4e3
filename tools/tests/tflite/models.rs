//! Whole models of MLPerf Tiny and TensorFlow Lite Micro, read in place: their artifacts answer as TensorFlow Lite Micro
//! does, bit for bit.

use super::run::{artifact, run};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Names of the golden files and the most bytes their artifacts may take without optional sections.
pub const MODELS: [(&str, usize); 4] =
    [("kws", 28_500), ("ic", 82_000), ("hello_world", 2_704), ("micro_speech", 20_480)];

/// The folder of the models, if it is there.
pub fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/mlperf-tiny");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: the MLPerf Tiny models are not in {}", folder.display());
    None
}

/// A golden file and its model.
pub fn golden(folder: &Path, name: &str) -> (Value, Vec<u8>) {
    let text = std::fs::read(folder.join("goldens").join(format!("{name}.json"))).unwrap();
    let golden: Value = serde_json::from_slice(&text).unwrap();
    let model = std::fs::read(folder.join(golden["model"].as_str().unwrap())).unwrap();
    (golden, model)
}

#[test]
fn every_golden_case_is_equal_bit_for_bit() {
    let Some(folder) = folder() else { return };
    for (name, most) in MODELS {
        let (golden, model) = golden(&folder, name);
        let artifact = artifact(&model).unwrap();
        println!("{name}: {} bytes of {}", artifact.len(), model.len());
        assert!(artifact.len() <= most, "{name}: {} bytes", artifact.len());
        let cases = golden["cases"].as_array().unwrap();
        let rows: Vec<Vec<Vec<u8>>> =
            cases.iter().map(|case| vec![STANDARD.decode(case["input_b64"].as_str().unwrap()).unwrap()]).collect();
        for (case, answer) in cases.iter().zip(run(&artifact, &rows).unwrap()) {
            let answer: Vec<i64> = answer[0].iter().map(|&byte| byte.cast_signed().into()).collect();
            for (engine, expected) in case["output_tflm"].as_object().unwrap() {
                let expected: Vec<i64> = expected.as_array().unwrap().iter().map(|q| q.as_i64().unwrap()).collect();
                assert_eq!(answer, expected, "{name}, {engine}, {}", case["input"]);
            }
        }
    }
}
