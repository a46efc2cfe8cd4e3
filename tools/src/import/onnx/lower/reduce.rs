//! Operators that combine the elements along axes.

use super::super::attributes::refuse;
use super::super::error::Reason;
use super::super::lowering::Lowering;
use crate::graph::ops::{ArgMax, Reduce, ReduceKind, Softmax, Unary};
use crate::graph::{Op, ValueId};

/// `ReduceMean`, `ReduceSum`, `ReduceMax`, `ReduceMin`: axes are an attribute in old operator sets
/// and an operand in new ones.
pub(super) fn reduce(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (kind, operand_since) = match lowering.operator() {
        "ReduceMean" => (ReduceKind::Mean, 18),
        "ReduceSum" => (ReduceKind::Sum, 13),
        "ReduceMax" => (ReduceKind::Max, 18),
        "ReduceMin" => (ReduceKind::Min, 18),
        _ => return Err(Reason::Operator),
    };
    let keep_dims = lowering.attributes.flag("keepdims", true)?;
    let nothing_for_empty = lowering.attributes.flag("noop_with_empty_axes", false)?;
    let axes = if lowering.opset < operand_since {
        lowering.attributes.ints("axes")?.map(<[i64]>::to_vec)
    } else {
        lowering.optional_integers(1)?
    };
    let operand = lowering.input(0)?;
    let rank = lowering.shape(operand).len();
    let axes = match axes.filter(|axes| !axes.is_empty()) {
        Some(axes) => lowering.axes(&axes, rank)?,
        None if nothing_for_empty => {
            lowering.set_output(0, operand);
            return Ok(());
        }
        None => (0..rank).collect(),
    };
    let result = lowering.emit(Op::Reduce(Reduce { kind, axes, keep_dims }), &[operand])?;
    lowering.set_output(0, result);
    Ok(())
}

/// `GlobalAveragePool`.
pub(super) fn global_average(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    global(lowering, ReduceKind::Mean)
}

/// `GlobalMaxPool`.
pub(super) fn global_max(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    global(lowering, ReduceKind::Max)
}

/// Over all axes but batch and channels. The transpose of a spatial operator before it passes
/// through, so the axes are left as they are.
fn global(lowering: &mut Lowering<'_>, kind: ReduceKind) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let rank = lowering.shape(operand).len();
    if rank < 3 {
        return Err(Reason::Operand(format!("spatial axes are expected, got shape {:?}", lowering.shape(operand))));
    }
    let reduce = Reduce { kind, axes: (2..rank).collect(), keep_dims: true };
    let result = lowering.emit(Op::Reduce(reduce), &[operand])?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Softmax`.
pub(super) fn softmax(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let result = lower_softmax(lowering)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `LogSoftmax`.
pub(super) fn log_softmax(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let result = lower_softmax(lowering)?;
    let result = lowering.emit(Op::Unary(Unary::Log), &[result])?;
    lowering.set_output(0, result);
    Ok(())
}

/// Since operator set 13 along one axis; before, over all axes from `axis` on together.
fn lower_softmax(lowering: &mut Lowering<'_>) -> Result<ValueId, Reason> {
    let operand = lowering.input(0)?;
    let shape = lowering.shape(operand);
    let given = lowering.attributes.int("axis")?;
    if lowering.opset >= 13 {
        let axis = lowering.axis(given.unwrap_or(-1), shape.len())?;
        return lowering.emit(Op::Softmax(Softmax { axis }), &[operand]);
    }
    let axis = lowering.axis(given.unwrap_or(1), shape.len())?;
    if axis + 1 == shape.len() {
        return lowering.emit(Op::Softmax(Softmax { axis }), &[operand]);
    }
    let rows = shape[..axis].iter().product();
    let columns = shape[axis..].iter().product();
    let flat = lowering.reshape(operand, &[rows, columns])?;
    let result = lowering.emit(Op::Softmax(Softmax { axis: 1 }), &[flat])?;
    lowering.reshape(result, &shape)
}

/// `ArgMax`.
pub(super) fn arg_max(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    if lowering.attributes.flag("select_last_index", false)? {
        return Err(refuse("select_last_index", "1", "only 0 is supported"));
    }
    let operand = lowering.input(0)?;
    let rank = lowering.shape(operand).len();
    let axis = lowering.attributes.int("axis")?.unwrap_or(0);
    let axis = lowering.axis(axis, rank)?;
    let keep_dims = lowering.attributes.flag("keepdims", true)?;
    let result = lowering.emit(Op::ArgMax(ArgMax { axis, keep_dims }), &[operand])?;
    lowering.set_output(0, result);
    Ok(())
}
