//! Products with matrices.

use super::elementwise::clamp;
use bantam_tools::graph::ops::FullyConnected;
use bantam_tools::graph::{Graph, Node};
use candle_core::{Result, Tensor};

/// The last axis times `[out, in]` weights.
pub(super) fn fully_connected(linear: &FullyConnected, operands: &[Tensor]) -> Result<Tensor> {
    let mut shape = operands[0].dims().to_vec();
    let (out, depth) = operands[1].dims2()?;
    let rows = operands[0].elem_count() / depth.max(1);
    let sums = operands[0].contiguous()?.reshape((rows, depth))?.matmul(&operands[1].t()?)?;
    let sums = match operands.get(2) {
        Some(bias) => sums.broadcast_add(bias)?,
        None => sums,
    };
    if let Some(last) = shape.last_mut() {
        *last = out;
    }
    clamp(linear.activation, sums.reshape(shape)?)
}

/// The product of two tensors of matrices.
pub(super) fn matmul(operands: &[Tensor]) -> Result<Tensor> {
    operands[0].contiguous()?.broadcast_matmul(&operands[1].contiguous()?)
}

/// The first axis of an activation is the batch, so it must not be one of the matrix; that of a constant may be.
pub(super) fn check_matmul(graph: &Graph, node: &Node) -> std::result::Result<(), String> {
    let rank = |index: usize| graph.value(node.inputs[index]).shape.len();
    let constant = |index: usize| graph.constant(node.inputs[index]).is_some();
    let batched = |index: usize| constant(index) || rank(index) > 2;
    let result = graph.value(node.output()).shape.len();
    let aligned = |index: usize| constant(index) || rank(index) == result;
    // Rows of one matrix are independent of each other, so the left one may be a batch of rows.
    let rows = rank(0) == 2 && constant(1) && rank(1) == 2;
    if rows || ((0..2).all(batched) && (0..2).all(aligned)) {
        Ok(())
    } else {
        Err("its matrices have the batch as an axis".into())
    }
}
