//! What exporters do between convolutions, where channels-first and channels-last meet: each model runs as imported,
//! after the passes and on a device, and agrees with the reference.

use super::build::{Model, int, ints};
use super::compare::{changes, differences, import};

/// Compares a model with the reference; returns the operators left.
fn check(model: Model) -> Vec<&'static str> {
    let imported = import(&model.0);
    let largest = differences(&model.0, &imported, 0.5);
    assert!(largest.iter().all(|&largest| largest <= 1e-4), "{largest:?}\n{}", imported.after);
    imported.operators()
}

fn count(operators: &[&str], name: &str) -> usize {
    operators.iter().filter(|operator| **operator == name).count()
}

/// `x [1, 4, 6, 5]` after a convolution to `channels`, as `a`.
fn after_convolution(channels: i64) -> Model {
    let weights = [channels, 4, 3, 3];
    Model::new(13, &[1, 4, 6, 5]).weights("w", &weights).node("Conv", "x w", "a", vec![ints("pads", &[1, 1, 1, 1])])
}

#[test]
fn a_convolution_is_flattened_for_a_classifier() {
    let model = after_convolution(3)
        .integers("s", &[1, -1])
        .weights("v", &[7, 90])
        .weights("b", &[7])
        .node("Reshape", "a s", "f", vec![])
        .node("Gemm", "f v b", "y", vec![int("transB", 1)]);
    let operators = check(model);
    assert_eq!(count(&operators, "Transpose"), 0, "the weights are reordered: {operators:?}");
}

#[test]
fn the_pixels_of_a_convolution_become_a_sequence() {
    let model = after_convolution(8)
        .integers("s", &[1, 8, 30])
        .weights("v", &[8, 5])
        .node("Reshape", "a s", "f", vec![])
        .node("Transpose", "f", "t", vec![ints("perm", &[0, 2, 1])])
        .node("MatMul", "t v", "q", vec![])
        .node("Transpose", "q", "k", vec![ints("perm", &[0, 2, 1])])
        .node("MatMul", "q k", "y", vec![]);
    check(model);
}

#[test]
fn channels_are_shuffled() {
    let model = after_convolution(6)
        .integers("split", &[1, 3, 2, 6, 5])
        .integers("join", &[1, 6, 6, 5])
        .weights("d", &[6, 1, 3, 3])
        .node("Reshape", "a split", "f", vec![])
        .node("Transpose", "f", "t", vec![ints("perm", &[0, 2, 1, 3, 4])])
        .node("Reshape", "t join", "s", vec![])
        .node("Conv", "s d", "y", vec![int("group", 6), ints("pads", &[1, 1, 1, 1])]);
    check(model);
}

#[test]
fn channels_are_squeezed_and_excited() {
    let by_convolution = after_convolution(6)
        .weights("down", &[2, 6, 1, 1])
        .weights("up", &[6, 2, 1, 1])
        .node("GlobalAveragePool", "a", "p", vec![])
        .node("Conv", "p down", "c", vec![])
        .node("Relu", "c", "r", vec![])
        .node("Conv", "r up", "e", vec![])
        .node("Sigmoid", "e", "g", vec![])
        .node("Mul", "a g", "y", vec![]);
    let operators = check(by_convolution);
    assert_eq!(count(&operators, "Transpose"), 0, "{operators:?}");
    let by_gemm = after_convolution(6)
        .weights("down", &[6, 2])
        .weights("up", &[2, 6])
        .integers("s", &[1, 6, 1, 1])
        .node("GlobalAveragePool", "a", "p", vec![])
        .node("Flatten", "p", "f", vec![])
        .node("MatMul", "f down", "c", vec![])
        .node("Relu", "c", "r", vec![])
        .node("MatMul", "r up", "e", vec![])
        .node("HardSigmoid", "e", "h", vec![])
        .node("Reshape", "h s", "g", vec![])
        .node("Mul", "g a", "y", vec![]);
    let operators = check(by_gemm);
    assert_eq!(count(&operators, "Transpose"), 0, "{operators:?}");
}

#[test]
fn branches_are_joined_and_split_along_channels() {
    let mut model = after_convolution(4)
        .weights("u", &[2, 4, 1, 1])
        .node("Conv", "a u", "b", vec![])
        .node("Concat", "a b x", "c", vec![int("axis", 1)])
        .integers("parts", &[3, 7])
        .node("Split", "c parts", "l r", vec![int("axis", 1)])
        .node("ReduceMax", "r", "m", vec![ints("axes", &[1])])
        .node("Add", "l m", "y", vec![]);
    model.graph().name = "branches".into();
    let operators = check(model);
    assert_eq!(count(&operators, "Transpose"), 0, "{operators:?}");
}

#[test]
fn sequences_and_volumes() {
    let sequence = Model::new(13, &[1, 5, 12])
        .weights("w", &[6, 5, 3])
        .node("Conv", "x w", "c", vec![])
        .node("Transpose", "c", "t", vec![ints("perm", &[0, 2, 1])])
        .node("Softmax", "t", "s", vec![int("axis", 2)])
        .node("ReduceMean", "s", "y", vec![ints("axes", &[1])]);
    check(sequence);
    let pads = || ints("pads", &[1, 0, 1, 0, 1, 0]);
    let volume = Model::new(13, &[1, 2, 4, 6, 5])
        .weights("w", &[4, 1, 3, 2, 2])
        .weights("b", &[4])
        .node("Conv", "x w b", "c", vec![int("group", 2), pads(), ints("strides", &[1, 2, 1])])
        .node("MaxPool", "c", "m", vec![ints("kernel_shape", &[2, 2, 2]), pads()])
        .node("AveragePool", "m", "y", vec![ints("kernel_shape", &[2, 1, 3]), ints("strides", &[2, 1, 1])]);
    check(volume);
}

#[test]
fn padding_beyond_the_kernel_is_padding_all_the_same() {
    for pads in [[3, 0, 0, 0], [0, 4, 0, 0], [0, 0, 3, 5], [2, 2, 2, 2]] {
        let pads = || vec![ints("pads", &pads), ints("strides", &[2, 1])];
        let model = Model::new(11, &[1, 2, 5, 4]).weights("w", &[3, 2, 2, 2]).node("Conv", "x w", "y", pads());
        check(model);
    }
}

/// Shapes that broadcast with `full`: each dimension its own or 1, and leading ones left out.
fn parts(full: &[i64]) -> Vec<Vec<i64>> {
    let mut found = Vec::new();
    for rank in 0..=full.len() {
        let tail = &full[full.len() - rank..];
        for mask in 0..1 << rank {
            found.push(
                tail.iter().enumerate().map(|(axis, &size)| if mask >> axis & 1 == 1 { 1 } else { size }).collect(),
            );
        }
    }
    found
}

#[test]
fn every_pair_of_shapes_that_broadcasts_does() {
    for left in parts(&[2, 3, 4]) {
        for right in parts(&[2, 3, 4]) {
            let model = Model::new(13, &left).input("z", &right).node("Sub", "x z", "y", vec![]);
            check(model);
        }
    }
}

#[test]
fn shapes_broadcast_against_a_convolution() {
    for shape in parts(&[1, 3, 6, 5]) {
        for operands in ["a z", "z a"] {
            let computed = after_convolution(3).input("z", &shape).node("Sub", operands, "y", vec![]);
            let constant = after_convolution(3).weights("z", &shape).node("Mul", operands, "y", vec![]);
            for model in [computed, constant] {
                // As imported, every shape is still the source's.
                let imported = import(&model.0);
                let largest = changes(&imported);
                assert!(largest.iter().all(|&largest| largest <= 1e-5), "{largest:?}\n{}", imported.after);
            }
        }
    }
}
