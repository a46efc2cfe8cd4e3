//! Operators that combine the elements along axes.

use bantam_tools::graph::ops::{L2Normalize, Normalize, Reduce, ReduceKind, Softmax};
use candle_core::shape::Dim;
use candle_core::{D, Result, Tensor};

/// Mean, sum, largest, smallest or product along whole axes.
pub(super) fn reduce(reduce: &Reduce, operand: &Tensor) -> Result<Tensor> {
    let axes = reduce.axes.as_slice();
    let count: usize = axes.iter().map(|&axis| operand.dims()[axis]).product();
    let mut result = match reduce.kind {
        ReduceKind::Sum => operand.sum_keepdim(axes)?,
        ReduceKind::Mean => (operand.sum_keepdim(axes)? / count.max(1) as f64)?,
        ReduceKind::Max => axes.iter().try_fold(operand.clone(), |tensor, &axis| tensor.max_keepdim(axis))?,
        ReduceKind::Min => axes.iter().try_fold(operand.clone(), |tensor, &axis| tensor.min_keepdim(axis))?,
        ReduceKind::Product => axes.iter().try_fold(operand.clone(), product)?,
        other => candle_core::bail!("{} has no derivative here", other.name()),
    };
    if !reduce.keep_dims {
        for &axis in axes.iter().rev() {
            result = result.squeeze(axis)?;
        }
    }
    Ok(result)
}

/// Slice by slice, so that a factor of nought takes no other's gradient.
fn product(tensor: Tensor, axis: &usize) -> Result<Tensor> {
    let slice = |index: usize| tensor.narrow(*axis, index, 1);
    (1..tensor.dim(*axis)?).try_fold(slice(0)?, |product, index| product * slice(index)?)
}

pub(super) fn check_reduce(reduce: &Reduce) -> std::result::Result<(), String> {
    if reduce.axes.contains(&0) {
        return Err("it works across rows of the batch".into());
    }
    match reduce.kind {
        ReduceKind::Mean | ReduceKind::Sum | ReduceKind::Max | ReduceKind::Min | ReduceKind::Product => Ok(()),
        _ => Err("it has no derivative here".into()),
    }
}

/// exp(beta x) / Σ exp(beta x) along an axis.
pub(super) fn softmax(softmax: &Softmax, operand: &Tensor) -> Result<Tensor> {
    let scaled = operand.affine(softmax.beta.into(), 0.0)?;
    // What is subtracted cancels, so it has no part in the gradient.
    let powers = scaled.broadcast_sub(&scaled.max_keepdim(softmax.axis)?.detach())?.exp()?;
    powers.broadcast_div(&powers.sum_keepdim(softmax.axis)?)
}

/// The logarithms of the softmax along an axis.
pub(crate) fn log_softmax(x: &Tensor, axis: impl Dim + Copy) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.max_keepdim(axis)?.detach())?;
    centred.broadcast_sub(&centred.exp()?.sum_keepdim(axis)?.log()?)
}

pub(super) fn l2_normalize(normalize: &L2Normalize, operand: &Tensor) -> Result<Tensor> {
    operand.broadcast_div(&operand.sqr()?.sum_keepdim(normalize.axis)?.sqrt()?.maximum(1e-6)?)
}

/// Mean 0 and variance 1 over the last axes, then scaled and moved.
pub(super) fn normalize(normalize: &Normalize, operands: &[Tensor]) -> Result<Tensor> {
    let shape = operands[0].dims().to_vec();
    let first = shape.len() - normalize.axes;
    let x = operands[0].flatten_from(first)?;
    let count = x.dim(D::Minus1)?.max(1) as f64;
    let mean = |x: &Tensor| x.sum_keepdim(D::Minus1)? / count;
    let centred = if normalize.root_mean_square { x } else { x.broadcast_sub(&mean(&x)?)? };
    let deviation = (mean(&centred.sqr()?)? + f64::from(normalize.epsilon))?.sqrt()?;
    let result = centred.broadcast_div(&deviation)?.reshape(shape)?;
    match operands {
        [_, scale, offset] => result.broadcast_mul(scale)?.broadcast_add(offset),
        _ => Ok(result),
    }
}
