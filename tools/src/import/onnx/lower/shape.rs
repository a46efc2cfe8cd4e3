//! Operators that move elements, and constants.

use super::super::attributes::refuse;
use super::super::error::Reason;
use super::super::lowering::Lowering;
use crate::graph::Op;
use crate::graph::ops::{Concat, Gather, Pad, Slice, SliceRange};
use crate::tensor::{DataType, Tensor, element_count};

/// `Identity`.
pub(super) fn identity(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    lowering.set_output(0, operand);
    Ok(())
}

/// `Dropout`, which does nothing in inference. Its mask is not made.
pub(super) fn dropout(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    lowering.attributes.ignore(&["ratio", "seed"]);
    if lowering.optional_input(2).is_some() {
        let training = lowering.constant(2)?.to_i64();
        if training != [0] {
            return Err(Reason::Operand("it is exported for training; export the model for inference".to_owned()));
        }
    }
    identity(lowering)
}

/// `Constant`.
pub(super) fn constant(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let attributes = &mut lowering.attributes;
    let tensor = if let Some(tensor) = attributes.tensor("value")? {
        tensor
    } else if let Some(number) = attributes.float("value_float")? {
        Tensor::scalar(number)
    } else if let Some(number) = attributes.int("value_int")? {
        Tensor::scalar(number)
    } else if let Some(numbers) = attributes.floats("value_floats")? {
        Tensor::vector(numbers.to_vec())
    } else if let Some(numbers) = attributes.ints("value_ints")? {
        Tensor::vector(numbers.to_vec())
    } else {
        return Err(refuse("value", "missing", "a dense tensor of numbers is expected"));
    };
    let value = lowering.add_file_constant(tensor);
    lowering.set_output(0, value);
    Ok(())
}

/// `Shape`: always known.
pub(super) fn shape(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let dimensions = lowering.shape(operand);
    let rank = dimensions.len() as i64;
    let clamp = |number: i64| {
        let counted = if number < 0 { number.saturating_add(rank) } else { number };
        counted.clamp(0, rank) as usize
    };
    let start = clamp(lowering.attributes.int("start")?.unwrap_or(0));
    let end = clamp(lowering.attributes.int("end")?.unwrap_or(rank));
    let sizes = dimensions[start.min(end)..end].iter().map(|&size| size as i64).collect();
    let value = lowering.emit_constant(Tensor::vector(sizes))?;
    lowering.set_output(0, value);
    Ok(())
}

/// `Reshape`: 0 keeps a dimension (unless `allowzero`), -1 is what is left.
pub(super) fn reshape(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let source = lowering.shape(operand);
    let allow_zero = lowering.attributes.flag("allowzero", false)?;
    let Some(target) = lowering.optional_integers(1)? else {
        return Err(Reason::MissingOperand { index: 1 });
    };
    let refuse_shape = || Reason::Operand(format!("shape {source:?} cannot become {target:?}"));
    let mut left_over = None;
    let mut shape = Vec::with_capacity(target.len());
    for (axis, &size) in target.iter().enumerate() {
        shape.push(match size {
            0 if !allow_zero => *source.get(axis).ok_or_else(refuse_shape)?,
            -1 if left_over.is_none() => {
                left_over = Some(axis);
                1
            }
            size => usize::try_from(size).map_err(|_| refuse_shape())?,
        });
    }
    if let Some(axis) = left_over {
        let (count, rest) = (element_count(&source)?, element_count(&shape)?);
        if rest == 0 || !count.is_multiple_of(rest) {
            return Err(refuse_shape());
        }
        shape[axis] = count / rest;
    }
    let result = lowering.reshape(operand, &shape)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Flatten` to two dimensions.
pub(super) fn flatten(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let source = lowering.shape(operand);
    let axis = lowering.attributes.int("axis")?.unwrap_or(1);
    // The rank itself is allowed: everything goes to the first dimension.
    let axis = match usize::try_from(axis) {
        Ok(axis) if axis == source.len() => axis,
        _ => lowering.axis(axis, source.len())?,
    };
    let rows = element_count(&source[..axis])?;
    let columns = element_count(&source[axis..])?;
    let result = lowering.reshape(operand, &[rows, columns])?;
    lowering.set_output(0, result);
    Ok(())
}

/// Axes of `Squeeze` and `Unsqueeze`: an attribute before operator set 13, an operand since.
fn axes_of(lowering: &mut Lowering<'_>) -> Result<Option<Vec<i64>>, Reason> {
    if lowering.opset < 13 {
        Ok(lowering.attributes.ints("axes")?.map(<[i64]>::to_vec))
    } else {
        lowering.optional_integers(1)
    }
}

/// `Squeeze`.
pub(super) fn squeeze(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let source = lowering.shape(operand);
    let dropped = match axes_of(lowering)? {
        Some(axes) => lowering.axes(&axes, source.len())?,
        None => (0..source.len()).filter(|&axis| source[axis] == 1).collect(),
    };
    if let Some(axis) = dropped.iter().find(|&&axis| source[axis] != 1) {
        return Err(refuse("axes", format!("{dropped:?}"), format!("axis {axis} is not 1")));
    }
    let shape: Vec<usize> =
        (0..source.len()).filter(|axis| dropped.binary_search(axis).is_err()).map(|axis| source[axis]).collect();
    let result = lowering.reshape(operand, &shape)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Unsqueeze`.
pub(super) fn unsqueeze(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let source = lowering.shape(operand);
    let Some(axes) = axes_of(lowering)? else {
        return Err(refuse("axes", "missing", "it is required"));
    };
    // Each axis is one element of the file, so the rank stays a small multiple of it.
    let rank = source.len() + axes.len();
    let added = lowering.axes(&axes, rank)?;
    let mut sizes = source.iter();
    let shape: Vec<usize> = (0..rank)
        .map(|axis| match added.binary_search(&axis) {
            Ok(_) => 1,
            Err(_) => sizes.next().copied().unwrap_or(1),
        })
        .collect();
    let result = lowering.reshape(operand, &shape)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Transpose`; without a permutation the axes are reversed.
pub(super) fn transpose(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let rank = lowering.shape(operand).len();
    let permutation = match lowering.attributes.ints("perm")? {
        Some(list) => list.iter().map(|&axis| lowering.axis(axis, rank)).collect::<Result<Vec<usize>, _>>()?,
        None => (0..rank).rev().collect(),
    };
    if !crate::tensor::is_permutation(&permutation, rank) {
        return Err(refuse("perm", format!("{permutation:?}"), format!("each of the {rank} axes once")));
    }
    let result = lowering.transpose(operand, &permutation)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Concat`.
pub(super) fn concat(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operands = (0..lowering.input_count()).map(|index| lowering.input(index)).collect::<Result<Vec<_>, _>>()?;
    let rank = lowering.shape(lowering.input(0)?).len();
    let axis = lowering.attributes.int("axis")?;
    let axis = axis.ok_or_else(|| refuse("axis", "missing", "it is required"))?;
    let axis = lowering.axis(axis, rank)?;
    let result = match operands.as_slice() {
        &[only] => only,
        _ => lowering.emit(Op::Concat(Concat { axis }), &operands)?,
    };
    lowering.set_output(0, result);
    Ok(())
}

/// `Gather`.
pub(super) fn gather(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (data, mut positions) = (lowering.input(0)?, lowering.input(1)?);
    let axis = lowering.attributes.int("axis")?.unwrap_or(0);
    let axis = lowering.axis(axis, lowering.shape(data).len())?;
    if lowering.data_type(positions) == DataType::I32 {
        positions = lowering.emit(Op::Cast(DataType::I64), &[positions])?;
    }
    let result = lowering.emit(Op::Gather(Gather { axis }), &[data, positions])?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Slice`: attributes before operator set 10, constant operands since. Negative steps are not
/// supported.
pub(super) fn slice(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let source = lowering.shape(operand);
    let (starts, ends, axes, steps) = if lowering.opset < 10 {
        let list = |list: Option<&[i64]>| list.map(<[i64]>::to_vec);
        let starts = list(lowering.attributes.ints("starts")?);
        let ends = list(lowering.attributes.ints("ends")?);
        (starts, ends, list(lowering.attributes.ints("axes")?), None)
    } else {
        let read = |index| lowering.optional_integers(index);
        (read(1)?, read(2)?, read(3)?, read(4)?)
    };
    let (Some(starts), Some(ends)) = (starts, ends) else {
        return Err(refuse("starts and ends", "missing", "they are required"));
    };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(Reason::Operand("starts, ends, axes and steps differ in length".to_owned()));
    }
    lowering.axes(&axes, source.len())?;
    let mut ranges: Vec<SliceRange> = source.iter().map(|&count| SliceRange { start: 0, count, step: 1 }).collect();
    for (index, &axis) in axes.iter().enumerate() {
        let axis = lowering.axis(axis, source.len())?;
        let size = source[axis] as i64;
        let step = usize::try_from(steps[index])
            .ok()
            .filter(|&step| step > 0)
            .ok_or_else(|| refuse("steps", steps[index].to_string(), "positive steps are supported"))?;
        let clamp = |number: i64| {
            let counted = if number < 0 { number.saturating_add(size) } else { number };
            counted.clamp(0, size) as usize
        };
        let (start, end) = (clamp(starts[index]), clamp(ends[index]));
        let count = end.saturating_sub(start).div_ceil(step);
        ranges[axis] = SliceRange { start, count, step };
    }
    let whole = ranges.iter().zip(&source).all(|(range, &size)| range.count == size);
    let result = if whole { operand } else { lowering.emit(Op::Slice(Slice { ranges }), &[operand])? };
    lowering.set_output(0, result);
    Ok(())
}

/// `Pad` with a constant.
pub(super) fn pad(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let rank = lowering.shape(operand).len();
    let mode = lowering.attributes.string("mode")?.unwrap_or("constant");
    if mode != "constant" {
        return Err(refuse("mode", mode, "only constant is supported"));
    }
    let (pads, value, axes) = if lowering.opset < 11 {
        let pads = lowering.attributes.ints("pads")?.map(<[i64]>::to_vec);
        (pads, lowering.attributes.float("value")?, None)
    } else {
        let axes = lowering.optional_integers(3)?;
        (lowering.optional_integers(1)?, lowering.optional_scalar(2)?, axes)
    };
    let pads = pads.ok_or_else(|| refuse("pads", "missing", "they are required"))?;
    let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
    lowering.axes(&axes, rank)?;
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    if pads.len() != 2 * axes.len() {
        return Err(refuse("pads", format!("{} numbers", pads.len()), "two per axis"));
    }
    for (index, &axis) in axes.iter().enumerate() {
        let axis = lowering.axis(axis, rank)?;
        let size = |number: i64| {
            usize::try_from(number).map_err(|_| refuse("pads", number.to_string(), "negative pads are not supported"))
        };
        before[axis] = size(pads[index])?;
        after[axis] = size(pads[index + axes.len()])?;
    }
    let result = if before.iter().chain(&after).all(|&size| size == 0) {
        operand
    } else {
        let op = Op::Pad(Pad { before, after, value: value.unwrap_or(0.0) });
        lowering.emit(op, &[operand])?
    };
    lowering.set_output(0, result);
    Ok(())
}
