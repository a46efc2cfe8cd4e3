//! Operators that move elements, and constants.

use super::super::attributes::refuse;
use super::super::lowering::Lowering;
use crate::graph::Op;
use crate::graph::ops::Concat;
use crate::import::Reason;
use crate::tensor::{DataType, Tensor, element_count};

/// `Identity`.
pub(super) fn identity(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    lowering.set_output(0, operand);
    Ok(())
}

/// `Dropout`, which does nothing in inference: its mask is all true.
pub(super) fn dropout(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    lowering.attributes.ignore(&["ratio", "seed"]);
    if lowering.optional_input(2).is_some() {
        let training = lowering.constant(2)?.to_i64();
        if training != [0] {
            return Err(Reason::Operand("it is exported for training; export the model for inference".to_owned()));
        }
    }
    if lowering.opset < 7 && !lowering.attributes.flag("is_test", false)? {
        return Err(refuse("is_test", "0", "export the model for inference"));
    }
    let shape = lowering.shape(lowering.input(0)?);
    if lowering.has_output(1) {
        let keep = lowering.emit_constant(Tensor::scalar(true))?;
        let mask = lowering.expand(keep, &shape)?;
        let mask = if lowering.opset < 10 { lowering.cast(mask, DataType::F32)? } else { mask };
        lowering.set_output(1, mask);
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

/// `Size`: always known.
pub(super) fn size(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let count = element_count(&lowering.shape(lowering.input(0)?))?;
    let value = lowering.emit_constant(Tensor::scalar(count as i64))?;
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
