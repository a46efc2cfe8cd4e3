//! Operators that move elements.

use bantam_tools::graph::ops::{Concat, Gather, Pad, Resize, Slice, Tap};
use bantam_tools::graph::{Graph, Node};
use candle_core::{Device, Result, Tensor};

/// The same elements in the shape of the graph, with the batch in front.
pub(super) fn reshape(shape: &[usize], operand: &Tensor) -> Result<Tensor> {
    let mut target = shape.to_vec();
    if let Some(first) = target.first_mut() {
        *first = operand.dim(0)?;
    }
    operand.contiguous()?.reshape(target)
}

/// Tensors joined along an axis; constants are repeated for every row.
pub(super) fn concat(concat: &Concat, operands: &[Tensor]) -> Result<Tensor> {
    let batch = operands.iter().map(|operand| operand.dims()[0]).max().unwrap_or(1);
    let repeated = |operand: &Tensor| {
        let mut shape = operand.dims().to_vec();
        if shape[0] == batch {
            return Ok(operand.clone());
        }
        shape[0] = batch;
        operand.broadcast_as(shape)?.contiguous()
    };
    let parts = operands.iter().map(repeated).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&parts, concat.axis)
}

/// A tensor with a constant around it.
pub(super) fn pad(pad: &Pad, operand: &Tensor) -> Result<Tensor> {
    let mut result = operand.clone();
    for (axis, (&before, &after)) in pad.before.iter().zip(&pad.after).enumerate() {
        if before + after == 0 {
            continue;
        }
        let border = |size: usize| {
            let mut shape = result.dims().to_vec();
            shape[axis] = size;
            Tensor::full(pad.value, shape, &Device::Cpu)
        };
        let mut parts = Vec::new();
        if before > 0 {
            parts.push(border(before)?);
        }
        parts.push(result.clone());
        if after > 0 {
            parts.push(border(after)?);
        }
        result = Tensor::cat(&parts, axis)?;
    }
    Ok(result)
}

/// A regular part of a tensor; the batch stays whole.
pub(super) fn slice(slice: &Slice, operand: &Tensor) -> Result<Tensor> {
    let mut result = operand.clone();
    for (axis, range) in slice.ranges.iter().enumerate().skip(1) {
        if range.step == 1 {
            result = result.narrow(axis, range.start, range.count)?;
        } else {
            let positions = (0..range.count).map(|index| (range.start + index * range.step) as u32).collect();
            result = selected(&result, axis, positions)?;
        }
    }
    result.contiguous()
}

/// Interpolates along the second of two axes, then along the first.
pub(super) fn resize(resize: &Resize, operand: &Tensor) -> Result<Tensor> {
    let along = |tensor: &Tensor, axis: usize, taps: &[Tap]| {
        let at =
            |position: fn(&Tap) -> usize| selected(tensor, axis, taps.iter().map(|tap| position(tap) as u32).collect());
        let (low, high) = (at(|tap| tap.low)?, at(|tap| tap.high)?);
        let mut shape = vec![1; tensor.rank()];
        shape[axis] = taps.len();
        let weights =
            |of: fn(&Tap) -> f32| Tensor::from_vec(taps.iter().map(of).collect(), shape.clone(), &Device::Cpu);
        low.broadcast_mul(&weights(|tap| 1.0 - tap.weight)?)? + high.broadcast_mul(&weights(|tap| tap.weight)?)?
    };
    let lines = along(operand, resize.first_axis + 1, &resize.columns)?;
    along(&lines, resize.first_axis, &resize.rows)
}

/// Slices at the positions of a constant.
pub(super) fn gather(gather: &Gather, graph: &Graph, node: &Node, operand: &Tensor) -> Result<Tensor> {
    let size = operand.dims()[gather.axis] as i64;
    let Some(positions) = graph.constant(node.inputs[1]) else {
        candle_core::bail!("'{}' gathers at computed positions", node.name)
    };
    let wrapped = |position: i64| (if position < 0 { position + size } else { position }) as u32;
    let flat = positions.to_i64().into_iter().map(wrapped).collect();
    let mut shape = operand.dims().to_vec();
    shape.splice(gather.axis..=gather.axis, positions.shape().iter().copied());
    selected(operand, gather.axis, flat)?.reshape(shape)
}

fn selected(operand: &Tensor, axis: usize, positions: Vec<u32>) -> Result<Tensor> {
    let count = positions.len();
    operand.contiguous()?.index_select(&Tensor::from_vec(positions, count, &Device::Cpu)?, axis)
}
