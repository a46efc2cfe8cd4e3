//! Runs one model in three ways and measures how far they are apart.

use super::build::numbers;
use bantam_tools::device::Device;
use bantam_tools::execute::execute;
use bantam_tools::graph::Graph;
use bantam_tools::import::onnx::{ImportOptions, import_model};
use bantam_tools::passes::{PassOptions, optimize};
use bantam_tools::reference::{ReferenceModel, pb::ModelProto};
use bantam_tools::tensor::{DataType, Tensor};
use std::collections::BTreeMap;

/// How many seeded inputs are tried.
const SEEDS: u64 = 4;

/// A model, imported and optimised.
pub struct Imported {
    pub before: Graph,
    pub after: Graph,
}

pub fn import(model: &ModelProto) -> Imported {
    let before = import_model(model, &ImportOptions::default()).unwrap();
    let mut after = before.clone();
    let options = PassOptions { channels_last_inputs: true, channels_last_outputs: true };
    optimize(&mut after, &options).unwrap();
    Imported { before, after }
}

impl Imported {
    /// The operators that are left, in order.
    pub fn operators(&self) -> Vec<&'static str> {
        self.after.nodes().map(|(_, node)| node.op.name()).collect()
    }

    /// Seeded inputs in the source's layout.
    pub fn inputs(&self, seed: u64, scale: f32) -> Vec<Tensor> {
        self.before
            .inputs()
            .iter()
            .enumerate()
            .map(|(index, port)| {
                let shape = self.before.value(port.value).shape.clone();
                let items = numbers(shape.iter().product(), seed * 97 + index as u64);
                let items = items.iter().map(|item| item * scale).collect();
                Tensor::from_vec(shape, items).unwrap()
            })
            .collect()
    }
}

/// Runs a graph on inputs of the source's layout; results are in the source's layout too.
pub fn run(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let inputs: Vec<Tensor> =
        inputs.iter().zip(graph.inputs()).map(|(input, port)| port.layout.from_source(input).unwrap()).collect();
    execute(graph, &inputs)
        .unwrap()
        .iter()
        .zip(graph.outputs())
        .map(|(output, port)| port.layout.to_source(output).unwrap())
        .collect()
}

/// The largest difference of any two elements.
pub fn max_difference(expected: &[Tensor], got: &[Tensor]) -> f32 {
    assert_eq!(expected.len(), got.len());
    let mut largest = 0.0f32;
    for (expected, got) in expected.iter().zip(got) {
        assert_eq!(expected.shape(), got.shape());
        let (expected, got) = (expected.cast(DataType::F32), got.cast(DataType::F32));
        for (a, b) in expected.as_f32().unwrap().iter().zip(got.as_f32().unwrap()) {
            assert!(a.is_finite() && b.is_finite(), "{a} {b}");
            largest = largest.max((a - b).abs());
        }
    }
    largest
}

/// Largest differences from the reference: of the graph as imported, as optimised, and on a device in floats.
pub fn differences(model: &ModelProto, imported: &Imported, scale: f32) -> [f32; 3] {
    differences_on(model, imported, |seed| imported.inputs(seed, scale))
}

/// Largest differences from the graph as imported: as optimised, and on a device in floats.
pub fn changes(imported: &Imported) -> [f32; 2] {
    let device = Device::new(&imported.after).unwrap();
    let inputs = imported.inputs(1, 2.0);
    let expected = run(&imported.before, &inputs);
    [run(&imported.after, &inputs), device.run(&inputs).unwrap()].map(|results| max_difference(&expected, &results))
}

/// As [`differences`], on inputs made from a seed.
pub fn differences_on(model: &ModelProto, imported: &Imported, inputs: impl Fn(u64) -> Vec<Tensor>) -> [f32; 3] {
    let reference = ReferenceModel::from_proto(model, &BTreeMap::new()).unwrap();
    let device = Device::new(&imported.after).unwrap();
    let mut largest = [0.0f32; 3];
    for seed in 1..=SEEDS {
        let inputs = inputs(seed);
        let expected = reference.run(&inputs).unwrap();
        let results = [run(&imported.before, &inputs), run(&imported.after, &inputs), device.run(&inputs).unwrap()];
        for (largest, results) in largest.iter_mut().zip(&results) {
            *largest = largest.max(max_difference(&expected, results));
        }
    }
    largest
}
