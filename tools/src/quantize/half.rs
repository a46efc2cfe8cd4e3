//! Float weights in 16 bits: half the bytes, where rounding to eleven significant bits costs little enough.

use crate::graph::{Graph, Op, ValueId};
use bantam::kernels::weights::half_to_single;
use half::f16;
use serde::Serialize;

/// How the weights of layers that are computed in floats are to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub enum FloatWeights {
    /// In 16 bits where the limits ask for it and the loss allows it, else as they are.
    #[default]
    Chosen,
    /// As they are.
    Single,
    /// In 16 bits.
    Half,
}

/// The bits of the binary16 that is this very number, where there is one.
#[must_use]
pub fn exactly(weight: f32) -> Option<u16> {
    let half = f16::from_f32(weight).to_bits();
    (half_to_single(half).to_bits() == weight.to_bits()).then_some(half)
}

/// Rounds the weights of every layer that is computed in floats to the nearest numbers of 16 bits, ties to even, and returns in how
/// many layers any changed. Lowering stores what it finds to be such numbers in 16 bits. A layer with a weight beyond their
/// range, 65,504, stays as it is.
pub fn round_weights(graph: &mut Graph) -> usize {
    let layers: Vec<ValueId> = graph
        .nodes()
        .filter(|(_, node)| is_layer(&node.op))
        .filter_map(|(_, node)| node.inputs.get(1).copied())
        .filter(|&weights| is_weights_alone(graph, weights))
        .collect();
    let mut changed = 0;
    for weights in layers {
        let Some(items) = graph.constant_mut(weights).and_then(|tensor| tensor.as_mut_slice::<f32>().ok()) else {
            continue;
        };
        if items.iter().all(|&weight| f16::from_f32(weight).is_finite()) {
            let rounded = |weight: f32| half_to_single(f16::from_f32(weight).to_bits());
            changed += usize::from(items.iter().any(|&weight| exactly(weight).is_none()));
            items.iter_mut().for_each(|weight| *weight = rounded(*weight));
        }
    }
    changed
}

const fn is_layer(op: &Op) -> bool {
    matches!(op, Op::Conv2d(_) | Op::ConvTranspose2d(_) | Op::FullyConnected(_))
}

/// Whether a value is a float constant that layers have for weights and nothing reads otherwise.
fn is_weights_alone(graph: &Graph, value: ValueId) -> bool {
    let reads_weights = |id| {
        graph.node(id).is_some_and(|node| {
            is_layer(&node.op)
                && node.inputs.iter().enumerate().all(|(position, &input)| input != value || position == 1)
        })
    };
    graph.constant(value).is_some_and(|tensor| tensor.as_f32().is_ok())
        && graph.consumers(value).iter().all(|&id| reads_weights(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ops::FullyConnected;
    use crate::tensor::{DataType, Tensor};

    fn layer(weights: Vec<f32>) -> Graph {
        let mut graph = Graph::new("layer");
        let x = graph.add_input("x", vec![1, 2], DataType::F32);
        let weights = graph.add_constant("w", Tensor::from_vec(vec![1, 2], weights).unwrap());
        let y = graph.add_node("y", Op::FullyConnected(FullyConnected::default()), &[x, weights]).unwrap();
        graph.add_output("y", y);
        graph
    }

    fn weights(graph: &Graph) -> &[f32] {
        let (_, node) = graph.nodes().next().unwrap();
        graph.constant(node.inputs[1]).unwrap().as_f32().unwrap()
    }

    #[test]
    fn weights_become_the_nearest_numbers_of_sixteen_bits_once() {
        let mut graph = layer(vec![0.1, 1.0]);
        assert_eq!(round_weights(&mut graph), 1);
        assert_eq!(weights(&graph), [0.099_975_586, 1.0]);
        assert!(weights(&graph).iter().all(|&weight| exactly(weight).is_some()));
        assert_eq!(round_weights(&mut graph), 0);
    }

    #[test]
    fn what_is_too_large_stays() {
        let mut graph = layer(vec![0.1, 70_000.0]);
        assert_eq!(round_weights(&mut graph), 0);
        assert_eq!(weights(&graph), [0.1, 70_000.0]);
        assert_eq!(exactly(65_504.0), Some(0x7bff));
        assert_eq!([exactly(70_000.0), exactly(0.1)], [None; 2]);
        assert_eq!(exactly(-0.0), Some(0x8000));
    }

    #[test]
    fn a_constant_that_is_no_weight_elsewhere_stays() {
        let mut graph = layer(vec![0.1, 1.0]);
        let (_, node) = graph.nodes().next().unwrap();
        let shared = node.inputs[1];
        let sum = graph.add_node("sum", Op::Clip(crate::graph::Activation::RELU), &[shared]).unwrap();
        graph.add_output("sum", sum);
        assert_eq!(round_weights(&mut graph), 0);
    }
}
