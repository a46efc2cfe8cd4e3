//! Products with matrices.

use super::builder::{Builder, Form, Refusal, Sums, float_epilogue};
use crate::graph::{Activation, Node, ops::FullyConnected};
use bantam_format::{Opcode, ops};

pub(super) fn lower(builder: &mut Builder<'_>, node: &Node, linear: &FullyConnected) -> Result<(), Refusal> {
    let weights = &builder.graph.value(node.inputs[1]).shape;
    let &[channels, depth] = weights.as_slice() else {
        return Err("the weights are not of rank 2".into());
    };
    let outputs = builder.graph.value(node.output()).shape.iter().product();
    let accumulation = builder.accumulation(node, channels, linear.activation, |bytes, _| bytes)?;
    builder.count_macs(&[outputs, depth]);
    let input = builder.operand(node, node.inputs[0]);
    let mut attributes = Vec::new();
    ops::FullyConnected::from(accumulation).write(&mut attributes);
    builder.op(node, Opcode::FullyConnected, vec![input], attributes)
}

/// Longest rows whose 8-bit products cannot leave 32 bits.
const MAX_DEPTH: usize = (i32::MAX / (255 * 255)) as usize;

/// The product of two tensors. A constant one is quantised over its own range.
pub(super) fn lower_mat_mul(builder: &mut Builder<'_>, node: &Node) -> Result<(), Refusal> {
    let graph = builder.graph;
    let [first, second] = [node.inputs[0], node.inputs[1]];
    let depth = graph.value(first).shape.last().copied().unwrap_or(1);
    if !builder.is_float() && depth > MAX_DEPTH {
        builder.make_float(node.output());
    }
    let outputs = graph.value(node.output()).shape.iter().product();
    builder.count_macs(&[outputs, depth]);
    let float = builder.form(node.output()) == Form::Float;
    let parameters = [first, second].map(|operand| builder.operand_parameters(operand));
    let inputs = [(first, parameters[0]), (second, parameters[1])].map(|(operand, parameters)| {
        builder.read(operand, if float { Form::Float } else { Form::Integer(parameters) })
    });
    let (second_zero_point, epilogue) = if float {
        (0, float_epilogue(Activation::NONE))
    } else {
        let epilogue = builder.rescaling_epilogue(
            parameters[0],
            node.output(),
            &[parameters[1].scale],
            Activation::NONE,
            &Sums::default(),
        )?;
        (parameters[1].zero_point, epilogue)
    };
    let mut attributes = Vec::new();
    ops::MatMul { second_zero_point, reserved: [0; 3], epilogue }.write(&mut attributes);
    builder.op(node, Opcode::MatMul, inputs.to_vec(), attributes)
}
