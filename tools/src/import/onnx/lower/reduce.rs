//! Operators that combine the elements along axes.

use super::super::attributes::refuse;
use super::super::lowering::Lowering;
use crate::graph::ops::{
    ArgMax, BinaryKind, GatherElements, LogSoftmax, Reduce, ReduceKind, Softmax, TopPositions, Unary,
};
use crate::graph::{Activation, Op, ValueId};
use crate::import::Reason;
use crate::tensor::{DataType, Tensor, element_count};

/// The longest axis whose running sums are written as a matrix.
const MAX_CUMULATED: usize = 1 << 11;

/// The reductions: axes are an attribute in old operator sets and an operand in new ones. Those that the graph does not
/// have are compositions: `ReduceL1` sums sizes, `ReduceL2` is the root of a sum of squares, and so on.
pub(super) fn reduce(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operator = lowering.operator();
    let operand_since = if operator == "ReduceSum" { 13 } else { 18 };
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
        None if nothing_for_empty => Vec::new(),
        None => (0..rank).collect(),
    };
    let kind = match operator {
        "ReduceMean" => ReduceKind::Mean,
        "ReduceMax" => ReduceKind::Max,
        "ReduceMin" => ReduceKind::Min,
        "ReduceProd" => ReduceKind::Product,
        "ReduceSum" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare" | "ReduceLogSum" | "ReduceLogSumExp" => {
            ReduceKind::Sum
        }
        _ => return Err(Reason::Operator),
    };
    let (mut value, mut largest) = (operand, None);
    match operator {
        "ReduceL1" => value = lowering.unary(Unary::Abs, operand)?,
        "ReduceL2" | "ReduceSumSquare" => value = lowering.multiply(operand, operand)?,
        "ReduceLogSumExp" => {
            // The largest is taken off before and added after, so that no exponential overflows; infinite ones are
            // left for the exponential.
            let found = lowering.reduce(ReduceKind::Max, &axes, operand)?;
            let found = lowering.emit(Op::Clip(Activation { min: f32::MIN, max: f32::MAX }), &[found])?;
            let centred = lowering.binary(BinaryKind::Sub, operand, found)?;
            value = lowering.unary(Unary::Exp, centred)?;
            largest = Some(found);
        }
        _ => {}
    }
    if !axes.is_empty() {
        value = lowering.emit(Op::Reduce(Reduce { kind, axes, keep_dims }), &[value])?;
    }
    match operator {
        "ReduceL2" => value = lowering.unary(Unary::Sqrt, value)?,
        "ReduceLogSum" | "ReduceLogSumExp" => value = lowering.unary(Unary::Log, value)?,
        _ => {}
    }
    if let Some(largest) = largest {
        let shape = lowering.shape(value);
        let largest = lowering.reshape(largest, &shape)?;
        value = lowering.add(value, largest)?;
    }
    lowering.set_output(0, value);
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
    let result = lower_softmax(lowering, |axis| Op::Softmax(Softmax { axis, beta: 1.0 }))?;
    lowering.set_output(0, result);
    Ok(())
}

/// `LogSoftmax`.
pub(super) fn log_softmax(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let result = lower_softmax(lowering, |axis| Op::LogSoftmax(LogSoftmax { axis }))?;
    lowering.set_output(0, result);
    Ok(())
}

fn lower_softmax(lowering: &mut Lowering<'_>, op: impl Fn(usize) -> Op) -> Result<ValueId, Reason> {
    let operand = lowering.input(0)?;
    let source = lowering.shape(operand);
    let given = lowering.attributes.int("axis")?;
    let (value, axis) = softmax_axis(lowering, operand, given)?;
    let result = lowering.emit(op(axis), &[value])?;
    lowering.reshape(result, &source)
}

/// The operand, reshaped if need be, and the one axis that a softmax runs along: since operator set 13 the axis
/// itself; before, all axes from it on together.
pub(super) fn softmax_axis(
    lowering: &mut Lowering<'_>,
    operand: ValueId,
    given: Option<i64>,
) -> Result<(ValueId, usize), Reason> {
    let shape = lowering.shape(operand);
    if lowering.opset >= 13 {
        return Ok((operand, lowering.axis(given.unwrap_or(-1), shape.len())?));
    }
    let axis = lowering.axis(given.unwrap_or(1), shape.len())?;
    if axis + 1 == shape.len() {
        return Ok((operand, axis));
    }
    let (rows, columns) = (element_count(&shape[..axis])?, element_count(&shape[axis..])?);
    Ok((lowering.reshape(operand, &[rows, columns])?, 1))
}

/// `ArgMax` and `ArgMin`; of equals the first, or the last if `select_last_index` says so.
pub(super) fn arg_best(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let last = lowering.attributes.flag("select_last_index", false)?;
    let mut operand = lowering.input(0)?;
    let shape = lowering.shape(operand);
    let axis = lowering.attributes.int("axis")?.unwrap_or(0);
    let axis = lowering.axis(axis, shape.len())?;
    let keep_dims = lowering.attributes.flag("keepdims", true)?;
    if lowering.operator() == "ArgMin" {
        if lowering.data_type(operand) != DataType::F32 {
            operand = lowering.cast(operand, DataType::I64)?;
        }
        // A product is exact for floats; for integers all but the smallest of all have an opposite.
        let minus = lowering.number(-1.0, operand)?;
        operand = lowering.multiply(operand, minus)?;
    }
    if last {
        let backwards: Vec<usize> = (0..shape[axis]).rev().collect();
        operand = lowering.pick(operand, axis, &backwards)?;
    }
    let mut result = lowering.emit(Op::ArgMax(ArgMax { axis, keep_dims }), &[operand])?;
    if last {
        let end = lowering.emit_constant(Tensor::scalar(shape[axis] as i64 - 1))?;
        result = lowering.binary(BinaryKind::Sub, end, result)?;
    }
    lowering.set_output(0, result);
    Ok(())
}

/// `TopK`: positions of the best, then the elements there.
pub(super) fn top(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let count = if lowering.opset < 10 {
        lowering.attributes.int("k")?
    } else {
        lowering.optional_integers(1)?.and_then(|counts| counts.first().copied())
    };
    let largest = lowering.attributes.flag("largest", true)?;
    // Sorted is one of the orders that are allowed when no order is asked for.
    lowering.attributes.ignore(&["sorted"]);
    let operand = lowering.input(0)?;
    let shape = lowering.shape(operand);
    let axis = lowering.attributes.int("axis")?.unwrap_or(-1);
    let axis = lowering.axis(axis, shape.len())?;
    let count = count.and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or_else(|| refuse("k", "missing or negative", "a number is expected"))?;
    let positions = lowering.emit(Op::TopPositions(TopPositions { axis, count, largest }), &[operand])?;
    let values = lowering.emit(Op::GatherElements(GatherElements { axis }), &[operand, positions])?;
    lowering.set_output(0, values);
    lowering.set_output(1, positions);
    Ok(())
}

/// `CumSum` along a known axis: a product with a matrix of ones on one side of the diagonal.
pub(super) fn cumulative_sum(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let exclusive = lowering.attributes.flag("exclusive", false)?;
    let reverse = lowering.attributes.flag("reverse", false)?;
    let operand = lowering.input(0)?;
    if lowering.data_type(operand) != DataType::F32 {
        return Err(Reason::Operand("only floating-point operands are supported".to_owned()));
    }
    let shape = lowering.shape(operand);
    let axis = match lowering.constant(1)?.to_i64().as_slice() {
        &[axis] => lowering.axis(axis, shape.len())?,
        other => return Err(refuse("axis", format!("{other:?}"), "one number is expected")),
    };
    let size = shape[axis];
    element_count(&[size, size])?;
    if size > MAX_CUMULATED {
        return Err(refuse("axis", format!("of size {size}"), format!("at most {MAX_CUMULATED} is supported")));
    }
    let weight = |out: usize, of: usize| {
        let (early, late) = if reverse { (out, of) } else { (of, out) };
        f32::from(u8::from(early < late || (early == late && !exclusive)))
    };
    let matrix = (0..size * size).map(|index| weight(index / size, index % size)).collect();
    let matrix = lowering.emit_constant(Tensor::from_vec(vec![size, size], matrix)?)?;
    let result = lowering.along(operand, axis, matrix)?;
    lowering.set_output(0, result);
    Ok(())
}
