//! Whole models.

use super::compare::{Imported, differences, import};
use bantam_tools::reference;
use std::path::{Path, PathBuf};

/// Largest difference allowed from the reference.
const TOLERANCE: f32 = 1e-4;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Imports a model, prints what was measured and checks it; `None` if the file is absent.
fn check(path: &Path, scale: f32) -> Option<Imported> {
    let bytes = std::fs::read(path).ok()?;
    let model = reference::parse(&bytes).unwrap();
    let imported = import(&model);
    let [before, after] = differences(&model, &imported, scale);
    println!(
        "{}: max difference {before:e} as imported, {after:e} after passes, {} nodes",
        path.file_name().unwrap().to_string_lossy(),
        imported.after.node_count()
    );
    assert!(before <= TOLERANCE && after <= TOLERANCE, "{before} {after}");
    Some(imported)
}

fn shared(name: &str, scale: f32) -> Option<Imported> {
    let imported = check(&workspace().join("../shared/mlperf-tiny").join(name), scale);
    if imported.is_none() {
        println!("skipped: ../shared is absent");
    }
    imported
}

fn own(name: &str, scale: f32) -> Option<Imported> {
    let imported = check(&workspace().join("models").join(name), scale);
    if imported.is_none() {
        println!("skipped: models/{name} is absent");
    }
    imported
}

#[test]
fn image_classification_resnet() {
    let Some(imported) = shared("ic_float.onnx", 2.0) else { return };
    let operators = imported.operators();
    let count = |name| operators.iter().filter(|operator| **operator == name).count();
    assert_eq!(count("Conv2d"), 9);
    assert_eq!(count("Add"), 3);
    assert_eq!(operators.len(), 9 + 3 + 4, "{operators:?}");
    assert_eq!(operators[12..], ["ReduceMean", "Reshape", "FullyConnected", "Softmax"]);
}

#[test]
fn keyword_spotting_ds_cnn() {
    let Some(imported) = shared("kws_float.onnx", 2.0) else { return };
    let operators = imported.operators();
    assert_eq!(operators[..9], ["Conv2d"; 9]);
    // The window of 24 rows leaves out the last of the 25: this is no global mean.
    assert_eq!(operators[9..], ["AveragePool2d", "Reshape", "FullyConnected"]);
}

#[test]
fn digits() {
    let Some(imported) = own("digits/model.onnx", 1.0) else { return };
    let known = ["Conv2d", "FullyConnected", "Add", "MaxPool2d", "AveragePool2d", "ReduceMean", "Reshape", "Softmax"];
    let operators = imported.operators();
    assert!(operators.iter().all(|operator| known.contains(operator)), "{operators:?}");
}

#[test]
fn breast_cancer() {
    let Some(imported) = own("breast-cancer/model.onnx", 1.0) else { return };
    println!("{}", imported.after);
}
