//! The operators that gather elements, and those that write elements to known positions.

use super::super::attributes::refuse;
use super::super::lowering::Lowering;
use crate::graph::ops::{Concat, Gather, GatherElements};
use crate::graph::{Op, ValueId};
use crate::import::Reason;
use crate::tensor::{DataType, Tensor, element_count, strides};

/// `Gather`.
pub(super) fn gather(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (data, positions) = (lowering.input(0)?, lowering.input(1)?);
    let axis = lowering.attributes.int("axis")?.unwrap_or(0);
    let axis = lowering.axis(axis, lowering.shape(data).len())?;
    check_known(lowering, positions, lowering.shape(data)[axis])?;
    let positions = lowering.cast(positions, DataType::I64)?;
    let result = lowering.emit(Op::Gather(Gather { axis }), &[data, positions])?;
    lowering.set_output(0, result);
    Ok(())
}

/// `GatherElements`.
pub(super) fn gather_elements(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (data, positions) = (lowering.input(0)?, lowering.input(1)?);
    let axis = lowering.attributes.int("axis")?.unwrap_or(0);
    let axis = lowering.axis(axis, lowering.shape(data).len())?;
    check_known(lowering, positions, lowering.shape(data)[axis])?;
    let positions = lowering.cast(positions, DataType::I64)?;
    let result = lowering.emit(Op::GatherElements(GatherElements { axis }), &[data, positions])?;
    lowering.set_output(0, result);
    Ok(())
}

/// Known positions are checked at once.
fn check_known(lowering: &Lowering<'_>, positions: ValueId, size: usize) -> Result<(), Reason> {
    let Some(tensor) = lowering.known(positions) else { return Ok(()) };
    for position in tensor.to_i64() {
        counted(position, size)?;
    }
    Ok(())
}

/// A position of an axis, where negative ones count from the end.
fn counted(position: i64, size: usize) -> Result<usize, Reason> {
    let from_end = if position < 0 { position.saturating_add(size as i64) } else { position };
    usize::try_from(from_end)
        .ok()
        .filter(|&found| found < size)
        .ok_or_else(|| Reason::Operand(format!("position {position} is outside an axis of {size}")))
}

/// Indices of the leading axes of `shape`, one list per row of `positions`, as offsets of the blocks they name.
fn blocks(positions: &[i64], depth: usize, shape: &[usize]) -> Result<Vec<usize>, Reason> {
    let steps = strides(&shape[..depth]);
    positions
        .chunks_exact(depth.max(1))
        .map(|row| {
            let parts = row.iter().zip(shape).zip(&steps);
            parts.map(|((&at, &size), &step)| Ok(counted(at, size)? * step)).sum::<Result<usize, Reason>>()
        })
        .collect()
}

/// `GatherND` at known positions: a gather of the blocks that they name.
pub(super) fn gather_nd(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let data = lowering.input(0)?;
    let shape = lowering.shape(data);
    let batch = lowering.attributes.int("batch_dims")?.unwrap_or(0);
    let batch = usize::try_from(batch).map_err(|_| refuse("batch_dims", batch.to_string(), "a number is expected"))?;
    let positions = lowering.constant(1)?.clone();
    let Some((&depth, leading)) = positions.shape().split_last() else {
        return Err(Reason::Operand("the positions must have at least one dimension".to_owned()));
    };
    let named = batch.saturating_add(depth);
    if depth == 0 || named > shape.len() || batch > leading.len() || leading[..batch] != shape[..batch] {
        return Err(Reason::Operand(format!("positions {:?} do not fit shape {shape:?}", positions.shape())));
    }
    let blocks_per_batch = element_count(&shape[batch..named])?;
    let rows_per_batch = element_count(&leading[batch..])?;
    let found = blocks(&positions.to_i64(), depth, &shape[batch..])?;
    let found: Vec<i64> = found
        .iter()
        .enumerate()
        .map(|(row, block)| (row / rows_per_batch.max(1) * blocks_per_batch + block) as i64)
        .collect();
    let mut flat = vec![element_count(&shape[..named])?];
    flat.extend(&shape[named..]);
    let data = lowering.reshape(data, &flat)?;
    let found = lowering.emit_constant(Tensor::from_vec::<i64>(leading.to_vec(), found)?)?;
    let result = lowering.emit(Op::Gather(Gather { axis: 0 }), &[data, found])?;
    lowering.set_output(0, result);
    Ok(())
}

/// `ScatterND` at known positions: a gather from the data and the updates, one after the other.
pub(super) fn scatter_nd(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    no_reduction(lowering)?;
    let (data, updates) = (lowering.input(0)?, lowering.input(2)?);
    let shape = lowering.shape(data);
    let positions = lowering.constant(1)?.clone();
    let Some((&depth, leading)) = positions.shape().split_last() else {
        return Err(Reason::Operand("the positions must have at least one dimension".to_owned()));
    };
    if depth == 0 || depth > shape.len() || lowering.shape(updates) != [leading, &shape[depth..]].concat() {
        return Err(Reason::Operand(format!("positions {:?} do not fit shape {shape:?}", positions.shape())));
    }
    let found = blocks(&positions.to_i64(), depth, &shape)?;
    write(lowering, data, updates, &found, depth)
}

/// `ScatterElements` and `Scatter` at known positions.
pub(super) fn scatter_elements(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    no_reduction(lowering)?;
    let (data, updates) = (lowering.input(0)?, lowering.input(2)?);
    let shape = lowering.shape(data);
    let axis = lowering.attributes.int("axis")?.unwrap_or(0);
    let axis = lowering.axis(axis, shape.len())?;
    let positions = lowering.constant(1)?.clone();
    let taken = positions.shape().to_vec();
    let fits = taken.iter().zip(&shape).enumerate().all(|(other, (&taken, &size))| other == axis || taken <= size);
    if taken.len() != shape.len() || !fits || lowering.shape(updates) != taken {
        return Err(Reason::Operand(format!("positions {taken:?} do not fit shape {shape:?}")));
    }
    let (steps, own) = (strides(&shape), strides(&taken));
    let mut found = Vec::with_capacity(positions.len());
    for (index, &position) in positions.to_i64().iter().enumerate() {
        let others = (0..shape.len()).filter(|&other| other != axis);
        let rest: usize = others.map(|other| index / own[other] % taken[other] * steps[other]).sum();
        found.push(rest + counted(position, shape[axis])? * steps[axis]);
    }
    write(lowering, data, updates, &found, shape.len())
}

fn no_reduction(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    match lowering.attributes.string("reduction")?.unwrap_or("none") {
        "none" => Ok(()),
        other => Err(refuse("reduction", other, "only none is supported")),
    }
}

/// The data, whose leading `depth` axes count blocks, with block `found[i]` replaced by block `i` of the updates.
fn write(
    lowering: &mut Lowering<'_>,
    data: ValueId,
    updates: ValueId,
    found: &[usize],
    depth: usize,
) -> Result<(), Reason> {
    let shape = lowering.shape(data);
    let count = element_count(&shape[..depth])?;
    let mut sources: Vec<i64> = (0..count as i64).collect();
    for (index, &block) in found.iter().enumerate() {
        sources[block] = (count + index) as i64;
    }
    let flat = |count: usize| [&[count], &shape[depth..]].concat();
    let data = lowering.reshape(data, &flat(count))?;
    let updates = lowering.reshape(updates, &flat(found.len()))?;
    let all = lowering.emit(Op::Concat(Concat { axis: 0 }), &[data, updates])?;
    let sources = lowering.emit_constant(Tensor::vector(sources))?;
    let result = lowering.emit(Op::Gather(Gather { axis: 0 }), &[all, sources])?;
    let result = lowering.reshape(result, &shape)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Compress` with a known condition.
pub(super) fn compress(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let mut data = lowering.input(0)?;
    let axis = match lowering.attributes.int("axis")? {
        Some(axis) => lowering.axis(axis, lowering.shape(data).len())?,
        None => {
            let count = element_count(&lowering.shape(data))?;
            data = lowering.reshape(data, &[count])?;
            0
        }
    };
    let size = lowering.shape(data)[axis];
    let keep = lowering.constant(1)?.as_slice::<bool>()?;
    let positions: Vec<usize> = (0..size).filter(|&at| keep.get(at) == Some(&true)).collect();
    let result = lowering.pick(data, axis, &positions)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `DepthToSpace`: blocks of channels become squares of pixels.
pub(super) fn depth_to_space(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (value, [batch, channels, height, width], block) = blocked(lowering)?;
    let depth = channels / (block * block);
    if channels % (block * block) != 0 {
        return Err(refuse("blocksize", block.to_string(), "its square must divide the channels"));
    }
    let (split, order) = match lowering.attributes.string("mode")?.unwrap_or("DCR") {
        "DCR" => ([batch, block, block, depth, height, width], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([batch, depth, block, block, height, width], [0, 1, 4, 2, 5, 3]),
        other => return Err(refuse("mode", other, "DCR or CRD is expected")),
    };
    let value = lowering.reshape(value, &split)?;
    let value = lowering.transpose(value, &order)?;
    let result = lowering.reshape(value, &[batch, depth, height * block, width * block])?;
    lowering.set_output(0, result);
    Ok(())
}

/// `SpaceToDepth`: squares of pixels become blocks of channels.
pub(super) fn space_to_depth(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (value, [batch, channels, height, width], block) = blocked(lowering)?;
    if height % block != 0 || width % block != 0 {
        return Err(refuse("blocksize", block.to_string(), "it must divide height and width"));
    }
    let order = match lowering.attributes.string("mode")?.unwrap_or("DCR") {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return Err(refuse("mode", other, "DCR or CRD is expected")),
    };
    let (rows, columns) = (height / block, width / block);
    let value = lowering.reshape(value, &[batch, channels, rows, block, columns, block])?;
    let value = lowering.transpose(value, &order)?;
    let result = lowering.reshape(value, &[batch, channels * block * block, rows, columns])?;
    lowering.set_output(0, result);
    Ok(())
}

fn blocked(lowering: &mut Lowering<'_>) -> Result<(ValueId, [usize; 4], usize), Reason> {
    let block = lowering.attributes.int("blocksize")?.unwrap_or_default();
    let value = lowering.input(0)?;
    let shape = lowering.shape(value);
    let shape = <[usize; 4]>::try_from(shape.as_slice())
        .map_err(|_| Reason::Operand(format!("four dimensions are expected, got shape {shape:?}")))?;
    let block = u16::try_from(block).ok().filter(|&block| block > 0).map(usize::from);
    let block = block.ok_or_else(|| refuse("blocksize", "missing or out of range", "a positive number is expected"))?;
    Ok((value, shape, block))
}
