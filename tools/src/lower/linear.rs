//! FullyConnected.

use super::builder::{Builder, Refusal};
use crate::graph::{Node, ops::FullyConnected};
use bantam_format::{Opcode, ops};

pub(super) fn lower(builder: &mut Builder<'_>, node: &Node, linear: &FullyConnected) -> Result<(), Refusal> {
    let weights = &builder.graph.value(node.inputs[1]).shape;
    let &[channels, depth] = weights.as_slice() else {
        return Err("the weights are not of rank 2".into());
    };
    let outputs = builder.graph.value(node.output()).shape.iter().product();
    let constants = builder.accumulation(node, channels, linear.activation, |bytes, _| bytes)?;
    builder.count_macs(&[outputs, depth]);
    let input = builder.operand(node.inputs[0]);
    let mut attributes = Vec::new();
    ops::FullyConnected {
        weight_type: constants.weight_type,
        per_channel: constants.per_channel,
        reserved: [0; 2],
        weights: constants.weights,
        bias: constants.bias,
        epilogue: constants.epilogue,
    }
    .write(&mut attributes);
    builder.op(node, Opcode::FullyConnected, vec![input], attributes)
}
