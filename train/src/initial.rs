//! Weights of a network that has not learnt anything yet.

use crate::random::{generator, normal};
use bantam_tools::graph::{Graph, Op};

/// What the generator is for.
const WEIGHTS: u64 = 5;

/// Draws the weights of every layer anew, normal with deviation sqrt(2 / inputs) (He and others 2015), and sets biases to nought. The
/// generator is ours: that of candle cannot be seeded.
pub fn draw(graph: &mut Graph, seed: u64) {
    for id in graph.node_ids() {
        let Some(node) = graph.node(id).cloned() else { continue };
        if !matches!(node.op, Op::Conv2d(_) | Op::FullyConnected(_)) {
            continue;
        }
        let mut random = generator(seed, &[WEIGHTS, id.index() as u64]);
        let shape = graph.value(node.inputs[1]).shape.clone();
        let inputs: usize = shape.iter().skip(1).product();
        let deviation = libm::sqrtf(2.0 / inputs.max(1) as f32);
        if let Some(Ok(items)) = graph.constant_mut(node.inputs[1]).map(|weights| weights.as_mut_slice::<f32>()) {
            items.iter_mut().for_each(|weight| *weight = deviation * normal(&mut random));
        }
        let bias = node.inputs.get(2).and_then(|&bias| graph.constant_mut(bias));
        if let Some(Ok(items)) = bias.map(|bias| bias.as_mut_slice::<f32>()) {
            items.fill(0.0);
        }
    }
}
