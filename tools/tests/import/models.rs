//! Whole models.

use super::compare::{Imported, differences_on, import};
use bantam_tools::graph::Graph;
use bantam_tools::reference;
use bantam_tools::tensor::Tensor;
use std::path::{Path, PathBuf};

/// Largest difference allowed from the reference.
const TOLERANCE: f32 = 1e-4;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Imports a model, prints what was measured and checks it; `None` if the file is absent.
fn check(path: &Path, inputs: impl Fn(&Imported, u64) -> Vec<Tensor>) -> Option<Imported> {
    let bytes = std::fs::read(path).ok()?;
    let model = reference::parse(&bytes).unwrap();
    let imported = import(&model);
    let [before, after, device] = differences_on(&model, &imported, |seed| inputs(&imported, seed));
    println!(
        "{}: max difference {before:e} as imported, {after:e} after passes, {device:e} on a device, {} nodes",
        path.display(),
        imported.after.node_count()
    );
    assert!(before.max(after).max(device) <= TOLERANCE, "{before} {after} {device}");
    Some(imported)
}

fn shared(name: &str) -> Option<Imported> {
    let path = workspace().join("../shared/mlperf-tiny").join(name);
    let imported = check(&path, |imported, seed| imported.inputs(seed, 2.0));
    if imported.is_none() {
        println!("skipped: ../shared is absent");
    }
    imported
}

fn own(name: &str, inputs: impl Fn(&Imported, u64) -> Vec<Tensor>) -> Option<Imported> {
    let imported = check(&workspace().join("models").join(name), inputs);
    if imported.is_none() {
        println!("skipped: models/{name} is absent");
    }
    imported
}

#[test]
fn image_classification_resnet() {
    let Some(imported) = shared("ic_float.onnx") else { return };
    let operators = imported.operators();
    let count = |name| operators.iter().filter(|operator| **operator == name).count();
    assert_eq!(count("Conv2d"), 9);
    assert_eq!(count("Add"), 3);
    assert_eq!(operators.len(), 9 + 3 + 4, "{operators:?}");
    assert_eq!(operators[12..], ["ReduceMean", "Reshape", "FullyConnected", "Softmax"]);
}

#[test]
fn keyword_spotting_ds_cnn() {
    let Some(imported) = shared("kws_float.onnx") else { return };
    let operators = imported.operators();
    assert_eq!(operators[..9], ["Conv2d"; 9]);
    // The window of 24 rows leaves out the last of the 25: this is no global mean.
    assert_eq!(operators[9..], ["AveragePool2d", "Reshape", "FullyConnected"]);
}

#[test]
fn digits() {
    let Some(imported) = own("digits/model.onnx", |imported, seed| imported.inputs(seed, 16.0)) else { return };
    let known = ["Conv2d", "FullyConnected", "Add", "MaxPool2d", "AveragePool2d", "ReduceMean", "Reshape", "Softmax"];
    let operators = imported.operators();
    assert!(operators.iter().all(|operator| known.contains(operator)), "{operators:?}");
}

/// The numbers of the constant that the first node with this operator reads.
fn constant_of(graph: &Graph, operator: &str) -> Option<Vec<f32>> {
    let (_, node) = graph.nodes().find(|(_, node)| node.op.name() == operator)?;
    let constant = node.inputs.iter().find_map(|&input| graph.constant(input))?;
    Some(constant.as_f32().ok()?.to_vec())
}

#[test]
fn breast_cancer() {
    // Features as the model's own scaler expects them: far from it, every answer is certain.
    let inputs = |imported: &Imported, seed| {
        let mut inputs = imported.inputs(seed, 1.0);
        let center = constant_of(&imported.before, "Sub").unwrap();
        let scale = constant_of(&imported.before, "Div").unwrap();
        let items = inputs[0].as_mut_slice::<f32>().unwrap();
        for ((item, center), scale) in items.iter_mut().zip(center).zip(scale) {
            *item = center + *item * scale;
        }
        inputs
    };
    let Some(imported) = own("breast-cancer/model.onnx", inputs) else { return };
    let expected = ["FullyConnected", "FullyConnected", "FullyConnected", "Softmax"];
    assert_eq!(imported.operators(), expected);
}
