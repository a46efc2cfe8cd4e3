//! Operations on elements of two tensors, and clamps.

use super::power::power;
use bantam_tools::graph::ops::{Binary, BinaryKind};
use bantam_tools::graph::{Activation, Graph, Node};
use candle_core::{Result, Tensor};

/// An operation on two broadcast tensors.
pub(super) fn binary(binary: &Binary, operands: &[Tensor]) -> Result<Tensor> {
    let (a, b) = (&operands[0], &operands[1]);
    let result = match binary.kind {
        BinaryKind::Add => a.broadcast_add(b),
        BinaryKind::Sub => a.broadcast_sub(b),
        BinaryKind::Mul => a.broadcast_mul(b),
        BinaryKind::Div => a.broadcast_div(b),
        BinaryKind::Min => a.broadcast_minimum(b),
        BinaryKind::Max => a.broadcast_maximum(b),
        BinaryKind::PRelu => a.relu()?.broadcast_sub(&a.neg()?.relu()?.broadcast_mul(b)?),
        BinaryKind::Pow => power(a, b),
        BinaryKind::SquaredDifference => a.broadcast_sub(b)?.sqr(),
        _ => candle_core::bail!("{} has no derivative", binary.kind.name()),
    }?;
    clamp(binary.activation, result)
}

/// Operands that are computed have the batch axis of the result.
pub(super) fn check_batch(graph: &Graph, node: &Node) -> std::result::Result<(), String> {
    let rank = graph.value(node.output()).shape.len();
    let computed = node.inputs.iter().filter(|&&input| graph.constant(input).is_none());
    match computed.map(|&input| &graph.value(input).shape).find(|shape| shape.len() != rank) {
        Some(shape) => {
            Err(format!("an operand of shape {shape:?} has another rank than the result, so it has no batch axis"))
        }
        None => Ok(()),
    }
}

pub(super) fn check_binary(binary: &Binary, graph: &Graph, node: &Node) -> std::result::Result<(), String> {
    check_batch(graph, node)?;
    match binary.kind {
        BinaryKind::Modulo | BinaryKind::Remainder => Err("it has no derivative here".into()),
        _ => Ok(()),
    }
}

/// The elements, clamped.
pub(super) fn clamp(activation: Activation, x: Tensor) -> Result<Tensor> {
    if activation.is_none() {
        Ok(x)
    } else if activation == Activation::RELU {
        x.relu()
    } else {
        let x = if activation.min == f32::NEG_INFINITY { x } else { x.maximum(f64::from(activation.min))? };
        if activation.max == f32::INFINITY { Ok(x) } else { x.minimum(f64::from(activation.max)) }
    }
}
