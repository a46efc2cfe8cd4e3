//! Operators that ask about elements and choose between them. Answers are candle's u8, and have no gradient.

use super::elementwise::check_batch;
use bantam_tools::graph::ops::Compare;
use bantam_tools::graph::{Graph, Node};
use bantam_tools::tensor::DataType;
use candle_core::{DType, Result, Tensor};

/// The answers to a question about two tensors.
pub(super) fn compare(compare: Compare, operands: &[Tensor]) -> Result<Tensor> {
    let (a, b) = (operands[0].detach(), operands[1].detach());
    match compare {
        Compare::Equal => a.broadcast_eq(&b),
        Compare::Less => a.broadcast_lt(&b),
        Compare::LessOrEqual => a.broadcast_le(&b),
        other => candle_core::bail!("{} cannot be asked here", other.name()),
    }
}

/// The second operand where the first is true, else the third.
pub(super) fn select(operands: &[Tensor]) -> Result<Tensor> {
    let zeros = operands[0].to_dtype(DType::F32)?.zeros_like()?;
    let yes = operands[1].broadcast_add(&zeros)?.broadcast_add(&operands[2].detach().zeros_like()?)?;
    let no = operands[2].broadcast_add(&yes.detach().zeros_like()?)?;
    operands[0].broadcast_as(yes.shape())?.contiguous()?.where_cond(&yes, &no)
}

/// One where an answer is yes, nought where it is no; numbers as they are.
pub(super) fn cast(operand: &Tensor) -> Result<Tensor> {
    if operand.dtype() == DType::F32 { Ok(operand.clone()) } else { Ok(operand.to_dtype(DType::F32)?.detach()) }
}

/// Comparisons are of f32, choices between f32.
pub(super) fn check(graph: &Graph, node: &Node, operands: &[usize]) -> std::result::Result<(), String> {
    for &input in operands.iter().filter_map(|&index| node.inputs.get(index)) {
        let value = graph.value(input);
        if value.dtype != DataType::F32 {
            return Err(format!("an operand is {}, not f32", value.dtype));
        }
    }
    check_batch(graph, node)?;
    for &input in &node.inputs {
        let value = graph.value(input);
        if value.constant.is_some() && value.dtype != DataType::F32 {
            return Err(format!("a constant operand is {}, not f32", value.dtype));
        }
    }
    Ok(())
}

/// Only numbers and answers become numbers.
pub(super) fn check_cast(graph: &Graph, node: &Node, to: DataType) -> std::result::Result<(), String> {
    let from = graph.value(node.inputs[0]).dtype;
    match (from, to) {
        (DataType::F32 | DataType::Bool, DataType::F32) => Ok(()),
        _ => Err(format!("what was {from} and becomes {to} has no derivative here")),
    }
}
