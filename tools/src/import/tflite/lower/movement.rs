//! Operators that move elements, and shapes.

use super::super::lowering::{Lowering, refuse};
use crate::graph::ops::{Concat, Gather, Pad, SliceRange};
use crate::graph::{Op, ValueId};
use crate::import::Reason;
use crate::tensor::{DataType, element_count};

/// A constant operand of sizes, none negative.
pub(super) fn sizes(lowering: &mut Lowering<'_, '_>, index: usize) -> Result<Vec<usize>, Reason> {
    let list = lowering.integers(index)?;
    let size = |&size: &i64| usize::try_from(size).ok();
    let sizes: Option<Vec<usize>> = list.iter().map(size).collect();
    sizes.ok_or_else(|| Reason::Operand(format!("operand {index} is {list:?}; no negative number is expected")))
}

/// The ranges that take everything.
fn whole(shape: &[usize]) -> Vec<SliceRange> {
    shape.iter().map(|&count| SliceRange { start: 0, count, step: 1 }).collect()
}

/// `RESHAPE`, `SQUEEZE`, `EXPAND_DIMS`: the file gives the shape of the result. A reshape whose shape is known must
/// agree with it.
pub(super) fn reshape(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let mut operand = lowering.input(0)?;
    if lowering.operator() == "RESHAPE" {
        let given = if lowering.has_input(1) {
            lowering.integers(1)?
        } else {
            lowering.options(17).ints(0)?.into_iter().map(i64::from).collect()
        };
        let count: usize = lowering.shape(operand).iter().product();
        let known: usize = given.iter().filter(|&&size| size >= 0).map(|&size| size as usize).product();
        let size = |&size: &i64| usize::try_from(size).unwrap_or(count / known.max(1));
        let shape: Vec<usize> = given.iter().map(size).collect();
        if given.iter().filter(|&&size| size < 0).count() > 1 || element_count(&shape)? != count {
            return Err(Reason::Operand(format!("shape {:?} cannot be seen as {given:?}", lowering.shape(operand))));
        }
        operand = lowering.reshape(operand, &shape)?;
    }
    lowering.set_output(0, operand)
}

/// `TRANSPOSE`.
pub(super) fn transpose(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let permutation = sizes(lowering, 1)?;
    let result = lowering.transpose(operand, &permutation)?;
    lowering.set_output(0, result)
}

/// `CONCATENATION`.
pub(super) fn concatenation(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(10);
    let operands = lowering.inputs()?;
    let Some(&first) = operands.first() else { return Err(Reason::MissingOperand { index: 0 }) };
    let axis = lowering.axis(options.int(0, 0)?.into(), lowering.shape(first).len())?;
    let result = lowering.emit(Op::Concat(Concat { axis }), &operands)?;
    let result = lowering.activate(result, options.activation(1)?)?;
    lowering.set_output(0, result)
}

/// `PACK`: joins along a new axis.
pub(super) fn pack(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let axis = lowering.options(59).int(1, 0)?;
    let operands = lowering.inputs()?;
    let Some(&first) = operands.first() else { return Err(Reason::MissingOperand { index: 0 }) };
    let mut shape = lowering.shape(first);
    let axis = lowering.axis(axis.into(), shape.len() + 1)?;
    shape.insert(axis, 1);
    let parts = operands.iter().map(|&operand| lowering.reshape(operand, &shape)).collect::<Result<Vec<_>, _>>()?;
    let result = lowering.emit(Op::Concat(Concat { axis }), &parts)?;
    lowering.set_output(0, result)
}

/// Cuts along an axis into parts of these sizes, one per result.
fn cut(lowering: &mut Lowering<'_, '_>, operand: ValueId, axis: usize, parts: &[usize]) -> Result<(), Reason> {
    let shape = lowering.shape(operand);
    let total = parts.iter().try_fold(0usize, |total, &part| total.checked_add(part));
    if total != Some(shape[axis]) || parts.len() != lowering.output_count() {
        return Err(Reason::Operand(format!(
            "{} results of sizes {parts:?} do not make an axis of {}",
            lowering.output_count(),
            shape[axis]
        )));
    }
    let mut start = 0;
    for (index, &count) in parts.iter().enumerate() {
        let mut ranges = whole(&shape);
        ranges[axis] = SliceRange { start, count, step: 1 };
        start += count;
        let part = lowering.slice(operand, ranges)?;
        lowering.set_output(index, part)?;
    }
    Ok(())
}

/// `UNPACK`: every slice along an axis, without the axis.
pub(super) fn unpack(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let axis = lowering.options(64).int(1, 0)?;
    let operand = lowering.input(0)?;
    let axis = lowering.axis(axis.into(), lowering.shape(operand).len())?;
    let parts = vec![1; lowering.output_count()];
    cut(lowering, operand, axis, &parts)
}

/// `SPLIT`: evenly, the axis is the first operand.
pub(super) fn split(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let (axis, operand) = (lowering.integer(0)?, lowering.input(1)?);
    let shape = lowering.shape(operand);
    let axis = lowering.axis(axis, shape.len())?;
    let count = lowering.output_count().max(1);
    cut(lowering, operand, axis, &vec![shape[axis] / count; count])
}

/// `SPLIT_V`: into given sizes; one of them may be -1, what is left.
pub(super) fn split_v(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let (operand, given, axis) = (lowering.input(0)?, lowering.integers(1)?, lowering.integer(2)?);
    let shape = lowering.shape(operand);
    let axis = lowering.axis(axis, shape.len())?;
    let known: usize = given.iter().filter_map(|&size| usize::try_from(size).ok()).sum();
    let size = |&size: &i64| usize::try_from(size).unwrap_or(shape[axis].saturating_sub(known));
    cut(lowering, operand, axis, &given.iter().map(size).collect::<Vec<_>>())
}

/// Elements before and after along each axis: a constant operand of shape `[rank, 2]`.
fn sides(lowering: &mut Lowering<'_, '_>, rank: usize) -> Result<Vec<[usize; 2]>, Reason> {
    let pads = sizes(lowering, 1)?;
    let pairs: Vec<[usize; 2]> = pads.as_chunks().0.to_vec();
    if pads.len() != 2 * rank {
        return Err(Reason::Operand(format!("{} paddings are given for {rank} dimensions", pads.len())));
    }
    Ok(pairs)
}

/// `PAD`, `PADV2`: surrounds with zeros or a given number.
pub(super) fn pad(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let sides = sides(lowering, lowering.shape(operand).len())?;
    let value = if lowering.has_input(2) { padding_value(lowering)? } else { 0.0 };
    let (before, after) = sides.iter().map(|&[before, after]| (before, after)).unzip();
    let result = lowering.emit(Op::Pad(Pad { before, after, value }), &[operand])?;
    lowering.set_output(0, result)
}

/// The number that `PADV2` pads with.
fn padding_value(lowering: &mut Lowering<'_, '_>) -> Result<f32, Reason> {
    let value = lowering.input(2)?;
    let number = lowering.single(value);
    number.ok_or_else(|| Reason::Operand("its padding must be one constant number".to_owned()))
}

/// `MIRROR_PAD`: mirrored at the edge, which is not repeated (REFLECT) or is (SYMMETRIC).
pub(super) fn mirror_pad(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let repeated = match lowering.options(77).byte(0)? {
        0 => 0,
        1 => 1,
        other => return Err(refuse("mode", other.to_string(), "REFLECT (0) or SYMMETRIC (1) is expected")),
    };
    let mut result = lowering.input(0)?;
    let shape = lowering.shape(result);
    for (axis, (&size, [before, after])) in shape.iter().zip(sides(lowering, shape.len())?).enumerate() {
        let most = size - (1 - repeated).min(size);
        if before > most || after > most {
            return Err(Reason::Operand(format!("{before} and {after} elements cannot mirror an axis of {size}")));
        }
        let left = (0..before).rev().map(|at| at + 1 - repeated);
        let right = (0..after).map(|at| size - 2 + repeated - at);
        let positions: Vec<usize> = left.chain(0..size).chain(right).collect();
        if positions.len() != size {
            result = lowering.pick(result, axis, &positions)?;
        }
    }
    lowering.set_output(0, result)
}

/// `SLICE`: begins and sizes; a size of -1 is what is left.
pub(super) fn slice(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let shape = lowering.shape(operand);
    let (begins, counts) = (sizes(lowering, 1)?, lowering.integers(2)?);
    if begins.len() != shape.len() || counts.len() != shape.len() {
        return Err(Reason::Operand(format!("begin and size must have {} numbers", shape.len())));
    }
    let range = |((&start, &count), &size): ((&usize, &i64), &usize)| SliceRange {
        start,
        count: usize::try_from(count).unwrap_or(size.saturating_sub(start)),
        step: 1,
    };
    let ranges = begins.iter().zip(&counts).zip(&shape).map(range).collect();
    let result = lowering.slice(operand, ranges)?;
    lowering.set_output(0, result)
}

/// `STRIDED_SLICE`. The masks name axes whose begin or end does not count, that are dropped or added.
pub(super) fn strided_slice(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(32);
    let mask = |field| options.int(field, 0);
    let (begin_mask, end_mask, ellipsis, added, dropped) = (mask(0)?, mask(1)?, mask(2)?, mask(3)?, mask(4)?);
    let ends_count_from_begins = options.flag(5)?;
    if ellipsis != 0 || added != 0 {
        return Err(refuse("ellipsis_mask and new_axis_mask", format!("{ellipsis} and {added}"), "0 is supported"));
    }
    let operand = lowering.input(0)?;
    let shape = lowering.shape(operand);
    let (begins, ends, steps) = (lowering.integers(1)?, lowering.integers(2)?, lowering.integers(3)?);
    if begins.len() > shape.len() || ends.len() != begins.len() || steps.len() != begins.len() {
        return Err(Reason::Operand("begin, end and strides must have a number per axis".to_owned()));
    }
    let mut result = operand;
    for (axis, (&begin, (&end, &step))) in begins.iter().zip(ends.iter().zip(&steps)).enumerate() {
        let size = shape[axis] as i64;
        let counted = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let bit = 1i32.checked_shl(axis as u32).unwrap_or(0);
        if step == 0 {
            return Err(refuse("strides", "0", "another number is expected"));
        }
        let start = counted(begin);
        let end = if ends_count_from_begins { start.saturating_add(end) } else { counted(end) };
        let positions: Vec<usize> = if dropped & bit != 0 {
            if start < 0 || start >= size {
                return Err(Reason::Operand(format!("position {begin} is outside an axis of {size}")));
            }
            vec![start as usize]
        } else if step > 0 {
            let start = if begin_mask & bit != 0 { 0 } else { start.clamp(0, size) };
            let end = if end_mask & bit != 0 { size } else { end.clamp(0, size) };
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            (start..end.max(start)).step_by(step).map(|at| at as usize).collect()
        } else {
            let start = if begin_mask & bit != 0 { size - 1 } else { start.clamp(-1, size - 1) };
            let end = if end_mask & bit != 0 { -1 } else { end.clamp(-1, size - 1) };
            let step = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
            (end + 1..=start).rev().step_by(step).map(|at| at as usize).collect()
        };
        if positions.is_empty() {
            return Err(Reason::Operand(format!("nothing is left of axis {axis}")));
        }
        result = lowering.pick(result, axis, &positions)?;
    }
    lowering.set_output(0, result)
}

/// `REVERSE_V2`.
pub(super) fn reverse(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let mut result = lowering.input(0)?;
    let shape = lowering.shape(result);
    for axis in lowering.integers(1)? {
        let axis = lowering.axis(axis, shape.len())?;
        let backwards: Vec<usize> = (0..shape[axis]).rev().collect();
        result = lowering.pick(result, axis, &backwards)?;
    }
    lowering.set_output(0, result)
}

/// `GATHER`.
pub(super) fn gather(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(23);
    if options.int(1, 0)? != 0 {
        return Err(refuse("batch_dims", options.int(1, 0)?.to_string(), "0 is supported"));
    }
    let (operand, positions) = (lowering.input(0)?, lowering.input(1)?);
    let axis = lowering.axis(options.int(0, 0)?.into(), lowering.shape(operand).len())?;
    let positions = lowering.cast(positions, DataType::I64)?;
    let result = lowering.emit(Op::Gather(Gather { axis }), &[operand, positions])?;
    lowering.set_output(0, result)
}

/// `BROADCAST_TO`, `TILE`.
pub(super) fn repeat(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let mut result = lowering.input(0)?;
    let target = sizes(lowering, 1)?;
    let shape = lowering.shape(result);
    if lowering.operator() == "BROADCAST_TO" {
        let shape = crate::graph::ops::broadcast(&shape, &target)?;
        element_count(&shape)?;
        result = lowering.expand(result, &shape)?;
    } else {
        for (axis, (&size, &times)) in shape.iter().zip(&target).enumerate() {
            let positions = element_count(&[size, times])?;
            let positions: Vec<usize> = (0..positions).map(|index| index % size.max(1)).collect();
            result = lowering.pick(result, axis, &positions)?;
        }
    }
    lowering.set_output(0, result)
}

/// `SPACE_TO_DEPTH`, `DEPTH_TO_SPACE`: blocks of an image become channels, rows before columns before channels, or the
/// other way round.
pub(super) fn blocks(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let to_depth = lowering.operator() == "SPACE_TO_DEPTH";
    let block = lowering.options(if to_depth { 19 } else { 94 }).count(0, "block_size", 0)?;
    let operand = lowering.input(0)?;
    let &[batch, height, width, channels] = lowering.shape(operand).as_slice() else {
        return Err(Reason::Operand("an image of 4 dimensions is expected".to_owned()));
    };
    let fits = if to_depth {
        height.is_multiple_of(block) && width.is_multiple_of(block)
    } else {
        channels.is_multiple_of(block.saturating_mul(block))
    };
    if !fits {
        return Err(refuse("block_size", block.to_string(), "which must divide the image"));
    }
    let (split, order) = if to_depth {
        (vec![batch, height / block, block, width / block, block, channels], [0, 1, 3, 2, 4, 5])
    } else {
        (vec![batch, height, width, block, block, channels / (block * block)], [0, 1, 3, 2, 4, 5])
    };
    let split = lowering.reshape(operand, &split)?;
    let result = lowering.transpose(split, &order)?;
    lowering.set_output(0, result)
}

/// `SPACE_TO_BATCH_ND`, `BATCH_TO_SPACE_ND`: blocks of the middle axes become batches, or the other way round.
pub(super) fn batches(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let to_batch = lowering.operator() == "SPACE_TO_BATCH_ND";
    let mut operand = lowering.input(0)?;
    let (blocks, borders) = (sizes(lowering, 1)?, sizes(lowering, 2)?);
    let count = blocks.len();
    let mut shape = lowering.shape(operand);
    let borders: Vec<[usize; 2]> = borders.as_chunks().0.to_vec();
    if shape.len() < count + 1 || borders.len() != count || blocks.contains(&0) {
        return Err(Reason::Operand(format!("blocks of {blocks:?} do not fit shape {shape:?}")));
    }
    let rest = shape.split_off(count + 1);
    let product: usize = element_count(&blocks)?;
    if to_batch {
        let mut before = vec![0; count + 1 + rest.len()];
        let mut after = before.clone();
        for (axis, [first, last]) in borders.iter().enumerate() {
            (before[axis + 1], after[axis + 1]) = (*first, *last);
            shape[axis + 1] = shape[axis + 1].saturating_add(*first).saturating_add(*last);
        }
        if borders.iter().flatten().any(|&border| border > 0) {
            operand = lowering.emit(Op::Pad(Pad { before, after, value: 0.0 }), &[operand])?;
        }
        // [batch, n / b, b, m / c, c, ..] with the blocks before the batch.
        let mut split = vec![shape[0]];
        for (&size, &block) in shape[1..].iter().zip(&blocks) {
            if !size.is_multiple_of(block) {
                return Err(Reason::Operand(format!("blocks of {block} do not divide {size}")));
            }
            split.extend([size / block, block]);
        }
        split.extend(&rest);
        let inner = (0..count).map(|axis| 2 * axis + 2);
        let outer = (0..count).map(|axis| 2 * axis + 1);
        let order: Vec<usize> = inner.chain([0]).chain(outer).chain(2 * count + 1..split.len()).collect();
        operand = lowering.reshape(operand, &split)?;
        operand = lowering.transpose(operand, &order)?;
    } else {
        if !shape[0].is_multiple_of(product) {
            return Err(Reason::Operand(format!("blocks of {blocks:?} do not divide a batch of {}", shape[0])));
        }
        let split = [blocks.clone(), vec![shape[0] / product], shape[1..].to_vec(), rest.clone()].concat();
        let pairs = (0..count).flat_map(|axis| [count + 1 + axis, axis]);
        let order: Vec<usize> = [count].into_iter().chain(pairs).chain(2 * count + 1..split.len()).collect();
        operand = lowering.reshape(operand, &split)?;
        operand = lowering.transpose(operand, &order)?;
        let mut merged = vec![shape[0] / product];
        merged.extend(shape[1..].iter().zip(&blocks).map(|(size, block)| size * block));
        merged.extend(&rest);
        operand = lowering.reshape(operand, &merged)?;
        let mut ranges = whole(&merged);
        for (range, &[first, last]) in ranges[1..].iter_mut().zip(&borders) {
            range.start = first;
            range.count = range.count.saturating_sub(first).saturating_sub(last);
        }
        operand = lowering.slice(operand, ranges)?;
    }
    lowering.set_output(0, operand)
}
