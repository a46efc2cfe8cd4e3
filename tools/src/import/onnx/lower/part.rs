//! Operators that take, repeat or surround parts of a tensor.

use super::super::attributes::refuse;
use super::super::lowering::Lowering;
use crate::graph::ops::{Concat, Gather, Pad, SliceRange};
use crate::graph::{Op, ValueId};
use crate::import::Reason;
use crate::tensor::{DataType, Tensor, element_count};

/// `Slice`: attributes before operator set 10, constant operands since. A negative step picks positions one by one.
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
    let mut backwards = Vec::new();
    for (index, &axis) in axes.iter().enumerate() {
        let axis = lowering.axis(axis, source.len())?;
        let (size, step) = (source[axis] as i64, steps[index]);
        let counted = |number: i64| if number < 0 { number.saturating_add(size) } else { number };
        if step > 0 {
            let clamp = |number: i64| counted(number).clamp(0, size) as usize;
            let (start, end) = (clamp(starts[index]), clamp(ends[index]));
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            ranges[axis] = SliceRange { start, count: end.saturating_sub(start).div_ceil(step), step };
        } else if step < 0 {
            let start = counted(starts[index]).clamp(-1, size - 1);
            let end = counted(ends[index]).clamp(-1, size - 1);
            let stride = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
            let positions: Vec<usize> = (end + 1..=start).rev().step_by(stride).map(|at| at as usize).collect();
            backwards.push((axis, positions));
        } else {
            return Err(refuse("steps", "0", "another number is expected"));
        }
    }
    let mut result = lowering.slice(operand, ranges)?;
    for (axis, positions) in backwards {
        result = lowering.pick(result, axis, &positions)?;
    }
    lowering.set_output(0, result);
    Ok(())
}

/// `Split` into given sizes, or evenly.
pub(super) fn split(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let source = lowering.shape(operand);
    let axis = lowering.attributes.int("axis")?.unwrap_or(0);
    let axis = lowering.axis(axis, source.len())?;
    let sizes = if lowering.opset < 13 {
        lowering.attributes.ints("split")?.map(<[i64]>::to_vec)
    } else {
        lowering.optional_integers(1)?
    };
    let parts = lowering.output_count();
    if let Some(given) = lowering.attributes.int("num_outputs")?
        && usize::try_from(given) != Ok(parts)
    {
        return Err(refuse("num_outputs", given.to_string(), format!("the node has {parts} results")));
    }
    let sizes: Vec<usize> = match sizes {
        Some(sizes) => sizes.iter().map(|&size| usize::try_from(size).unwrap_or(usize::MAX)).collect(),
        None => {
            // The last part is smaller where the axis does not divide evenly.
            let size = source[axis].div_ceil(parts.max(1));
            (0..parts).map(|part| source[axis].saturating_sub(part * size).min(size)).collect()
        }
    };
    let total = sizes.iter().try_fold(0usize, |total, &size| total.checked_add(size));
    if sizes.len() != parts || total != Some(source[axis]) {
        return Err(refuse("split", format!("{sizes:?}"), format!("{parts} sizes that make {}", source[axis])));
    }
    let mut start = 0;
    for (part, count) in sizes.into_iter().enumerate() {
        let mut ranges: Vec<SliceRange> = source.iter().map(|&count| SliceRange { start: 0, count, step: 1 }).collect();
        ranges[axis] = SliceRange { start, count, step: 1 };
        start += count;
        if lowering.has_output(part) {
            let value = lowering.slice(operand, ranges)?;
            lowering.set_output(part, value);
        }
    }
    Ok(())
}

/// `Expand`: the shape broadcasts with the operand's.
pub(super) fn expand(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let target = sizes(lowering, 1)?;
    let shape = crate::graph::ops::broadcast(&lowering.shape(operand), &target)?;
    element_count(&shape)?;
    let result = lowering.expand(operand, &shape)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Tile`: repeats along each axis.
pub(super) fn tile(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let mut value = lowering.input(0)?;
    let source = lowering.shape(value);
    let repeats = sizes(lowering, 1)?;
    if repeats.len() != source.len() {
        return Err(Reason::Operand(format!("{} repeats are given for shape {source:?}", repeats.len())));
    }
    let shape: Vec<usize> = source.iter().zip(&repeats).map(|(size, times)| size.saturating_mul(*times)).collect();
    element_count(&shape)?;
    for (axis, (&size, &times)) in source.iter().zip(&repeats).enumerate() {
        if times != 1 {
            let positions: Vec<i64> = (0..shape[axis]).map(|index| (index % size) as i64).collect();
            let positions = lowering.emit_constant(Tensor::vector(positions))?;
            value = lowering.emit(Op::Gather(Gather { axis }), &[value, positions])?;
        }
    }
    lowering.set_output(0, value);
    Ok(())
}

/// A constant operand of sizes, none negative.
pub(super) fn sizes(lowering: &Lowering<'_>, index: usize) -> Result<Vec<usize>, Reason> {
    let list = lowering.optional_integers(index)?.ok_or(Reason::MissingOperand { index })?;
    list.iter()
        .map(|&size| {
            usize::try_from(size)
                .map_err(|_| Reason::Operand(format!("operand {index} is {list:?}; no negative number is expected")))
        })
        .collect()
}

/// `Pad`: negative pads cut; modes other than `constant` pick positions again.
pub(super) fn pad(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let source = lowering.shape(operand);
    let rank = source.len();
    let mode = lowering.attributes.string("mode")?.unwrap_or("constant");
    let (pads, value, axes) = if lowering.opset < 11 {
        let pads = lowering.attributes.ints("pads")?.map(<[i64]>::to_vec);
        (pads, Tensor::scalar(lowering.attributes.float("value")?.unwrap_or(0.0)), None)
    } else {
        let value = match lowering.optional_input(2) {
            Some(_) => lowering.constant(2)?.clone().reshape(Vec::new())?,
            None => Tensor::scalar(0.0f32).cast(lowering.data_type(operand)),
        };
        let axes = lowering.optional_integers(3)?;
        (lowering.optional_integers(1)?, value, axes)
    };
    let pads = pads.ok_or_else(|| refuse("pads", "missing", "they are required"))?;
    let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
    lowering.axes(&axes, rank)?;
    if pads.len() != 2 * axes.len() {
        return Err(refuse("pads", format!("{} numbers", pads.len()), "two per axis"));
    }
    let mut sides = vec![[0i64; 2]; rank];
    for (index, &axis) in axes.iter().enumerate() {
        sides[lowering.axis(axis, rank)?] = [pads[index], pads[index + axes.len()]];
    }
    let padded: Option<Vec<usize>> = source
        .iter()
        .zip(&sides)
        .map(|(&size, [before, after])| {
            let size = i64::try_from(size).ok()?;
            usize::try_from(size.checked_add(*before)?.checked_add(*after)?).ok()
        })
        .collect();
    let padded = padded.ok_or_else(|| refuse("pads", format!("{pads:?}"), "no dimension may become negative"))?;
    element_count(&padded)?;
    let result = if mode == "constant" {
        constant_pad(lowering, operand, &sides, &value)?
    } else {
        picked_pad(lowering, operand, &sides, mode)?
    };
    lowering.set_output(0, result);
    Ok(())
}

fn constant_pad(
    lowering: &mut Lowering<'_>,
    operand: ValueId,
    sides: &[[i64; 2]],
    value: &Tensor,
) -> Result<ValueId, Reason> {
    let source = lowering.shape(operand);
    let mut cut = Vec::with_capacity(source.len());
    for (&size, &[before, after]) in source.iter().zip(sides) {
        let less = |side: i64| usize::try_from(side.min(0).unsigned_abs()).unwrap_or(usize::MAX);
        let count = size.checked_sub(less(before)).and_then(|size| size.checked_sub(less(after)));
        let count = count.ok_or_else(|| refuse("pads", format!("{sides:?}"), "more is cut off than there is"))?;
        cut.push(SliceRange { start: less(before), count, step: 1 });
    }
    let mut result = lowering.slice(operand, cut)?;
    let more = |side: i64| usize::try_from(side.max(0)).unwrap_or(usize::MAX);
    let before: Vec<usize> = sides.iter().map(|side| more(side[0])).collect();
    let after: Vec<usize> = sides.iter().map(|side| more(side[1])).collect();
    if before.iter().chain(&after).all(|&size| size == 0) {
        return Ok(result);
    }
    if let Some(value) = value.single_f32() {
        return lowering.emit(Op::Pad(Pad { before, after, value }), &[result]);
    }
    // Other types are joined with constants.
    let value = lowering.emit_constant(value.clone())?;
    for (axis, (before, after)) in before.into_iter().zip(after).enumerate() {
        let mut parts = Vec::with_capacity(3);
        let mut shape = lowering.shape(result);
        for (count, is_operand) in [(before, false), (1, true), (after, false)] {
            if is_operand {
                parts.push(result);
            } else if count > 0 {
                shape[axis] = count;
                parts.push(lowering.expand(value, &shape)?);
            }
        }
        if parts.len() > 1 {
            result = lowering.emit(Op::Concat(Concat { axis }), &parts)?;
        }
    }
    Ok(result)
}

fn picked_pad(
    lowering: &mut Lowering<'_>,
    operand: ValueId,
    sides: &[[i64; 2]],
    mode: &str,
) -> Result<ValueId, Reason> {
    let source = lowering.shape(operand);
    let mut result = operand;
    for (axis, &[before, after]) in sides.iter().enumerate() {
        let size = source[axis] as i64;
        if (before, after) == (0, 0) {
            continue;
        }
        let position = |at: i64| match mode {
            _ if size == 0 => None,
            "edge" => Some(at.clamp(0, size - 1)),
            "wrap" => Some(at.rem_euclid(size)),
            "reflect" if size == 1 => Some(0),
            "reflect" => {
                let at = at.rem_euclid(2 * (size - 1));
                Some(if at < size { at } else { 2 * (size - 1) - at })
            }
            _ => None,
        };
        let positions: Option<Vec<usize>> =
            (-before..size + after).map(|at| position(at).map(|at| at as usize)).collect();
        let positions = positions.ok_or_else(|| refuse("mode", mode, "constant, reflect, edge or wrap is expected"))?;
        result = lowering.pick(result, axis, &positions)?;
    }
    Ok(result)
}

/// `Trilu` with a known diagonal: keeps one side of it and clears the other.
pub(super) fn triangle(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let upper = lowering.attributes.flag("upper", true)?;
    let operand = lowering.input(0)?;
    let shift = lowering.optional_integers(1)?.and_then(|list| list.first().copied()).unwrap_or(0);
    let shape = lowering.shape(operand);
    let &[.., rows, columns] = shape.as_slice() else {
        return Err(Reason::Operand(format!("a matrix is expected, got shape {shape:?}")));
    };
    let keep = |index: usize| {
        let (row, column) = ((index / columns.max(1)) as i64, (index % columns.max(1)) as i64);
        let offset = column - row;
        if upper { offset >= shift } else { offset <= shift }
    };
    let mask = (0..element_count(&[rows, columns])?).map(keep).collect();
    let mask = lowering.emit_constant(Tensor::from_vec::<bool>(vec![rows, columns], mask)?)?;
    let zero = Tensor::scalar(0i64).cast(lowering.data_type(operand));
    let zero = lowering.emit_constant(zero)?;
    let result = lowering.select(mask, operand, zero)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `ConstantOfShape`: folded.
pub(super) fn constant_of_shape(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let shape = sizes(lowering, 0)?;
    element_count(&shape)?;
    let value = lowering.attributes.tensor("value")?.unwrap_or_else(|| Tensor::scalar(0.0f32));
    let value = lowering.emit_constant(value.reshape(Vec::new())?)?;
    let result = lowering.filled(value, &shape)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `EyeLike`: folded; one where the column is the row plus k.
pub(super) fn eye_like(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let &[rows, columns] = lowering.shape(operand).as_slice() else {
        return Err(Reason::Operand("a matrix is expected".to_owned()));
    };
    let shift = lowering.attributes.int("k")?.unwrap_or(0);
    let to = match lowering.attributes.int("dtype")? {
        Some(code) => super::super::constants::element_type(i32::try_from(code).unwrap_or_default())?,
        None => lowering.data_type(operand),
    };
    let one = |index: usize| (index % columns) as i64 == ((index / columns) as i64).saturating_add(shift);
    let items = (0..element_count(&[rows, columns])?).map(one).collect();
    let result = lowering.emit_constant(Tensor::from_vec::<bool>(vec![rows, columns], items)?.cast(to))?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Range` between known numbers: folded.
pub(super) fn range(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (start, limit, step) = (lowering.constant(0)?, lowering.constant(1)?, lowering.constant(2)?);
    let to = start.data_type();
    let too_long = |count: f64| !count.is_finite() || count > f64::from(1 << 24);
    let result = if to == DataType::F32 {
        let number = |tensor: &Tensor| tensor.single_f32().map(f64::from).unwrap_or(f64::NAN);
        let (start, limit, step) = (number(start), number(limit), number(step));
        let count = ((limit - start) / step).ceil().max(0.0);
        if too_long(count) {
            return Err(Reason::TooLarge);
        }
        Tensor::vector::<f32>((0..count as usize).map(|index| (start + index as f64 * step) as f32).collect())
    } else {
        let (&[start], &[limit], &[step]) =
            (start.to_i64().as_slice(), limit.to_i64().as_slice(), step.to_i64().as_slice())
        else {
            return Err(Reason::Operand("three numbers are expected".to_owned()));
        };
        let (start, limit, step) = (i128::from(start), i128::from(limit), i128::from(step));
        let span = limit - start;
        if step == 0 || span.unsigned_abs() / step.unsigned_abs() > 1 << 24 {
            return Err(Reason::TooLarge);
        }
        let count = if (span > 0) == (step > 0) { span.unsigned_abs().div_ceil(step.unsigned_abs()) } else { 0 };
        let items = (0..count as i128).map(|index| (start + index * step) as i64).collect();
        Tensor::vector::<i64>(items).cast(to)
    };
    let result = lowering.emit_constant(result)?;
    lowering.set_output(0, result);
    Ok(())
}
