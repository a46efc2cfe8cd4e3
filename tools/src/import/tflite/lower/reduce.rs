//! Operators that combine elements along axes.

use super::super::lowering::{Lowering, refuse};
use crate::graph::ops::{ArgMax, L2Normalize, LogSoftmax, Reduce, ReduceKind, Softmax};
use crate::graph::{Op, ValueId};
use crate::import::Reason;
use crate::tensor::DataType;

/// Axes as a constant operand gives them: negative ones count from the end, and each counts once.
fn axes(lowering: &mut Lowering<'_, '_>, index: usize, rank: usize) -> Result<Vec<usize>, Reason> {
    let given = lowering.integers(index)?;
    let mut axes = given.iter().map(|&axis| lowering.axis(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

/// `MEAN`, `SUM`, `REDUCE_MAX`, `REDUCE_MIN`, `REDUCE_PROD`, `REDUCE_ALL`, `REDUCE_ANY`.
pub(super) fn reduce(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let kind = match lowering.operator() {
        "MEAN" => ReduceKind::Mean,
        "SUM" => ReduceKind::Sum,
        "REDUCE_MAX" | "REDUCE_ANY" => ReduceKind::Max,
        "REDUCE_MIN" | "REDUCE_ALL" => ReduceKind::Min,
        "REDUCE_PROD" => ReduceKind::Product,
        _ => return Err(Reason::Operator),
    };
    let keep_dims = lowering.options(27).flag(0)?;
    let operand = lowering.input(0)?;
    let rank = lowering.shape(operand).len();
    let axes = axes(lowering, 1, rank)?;
    let result = if axes.is_empty() {
        operand
    } else {
        lowering.emit(Op::Reduce(Reduce { kind, axes, keep_dims }), &[operand])?
    };
    lowering.set_output(0, result)
}

/// `SOFTMAX` over the last axis.
pub(super) fn softmax(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let beta = lowering.options(9).float(0)?;
    let operand = lowering.input(0)?;
    let axis = last(lowering, operand)?;
    let result = lowering.emit(Op::Softmax(Softmax { axis, beta }), &[operand])?;
    lowering.set_output(0, result)
}

/// `LOG_SOFTMAX` over the last axis.
pub(super) fn log_softmax(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let axis = last(lowering, operand)?;
    let result = lowering.emit(Op::LogSoftmax(LogSoftmax { axis }), &[operand])?;
    lowering.set_output(0, result)
}

/// `L2_NORMALIZATION` over the last axis.
pub(super) fn l2_normalization(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let activation = lowering.options(12).activation(0)?;
    let operand = lowering.input(0)?;
    let axis = last(lowering, operand)?;
    let result = lowering.emit(Op::L2Normalize(L2Normalize { axis }), &[operand])?;
    let result = lowering.activate(result, activation)?;
    lowering.set_output(0, result)
}

/// `ARG_MAX`, `ARG_MIN`.
pub(super) fn arg_max(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let mut operand = lowering.input(0)?;
    let axis = lowering.integer(1)?;
    let axis = lowering.axis(axis, lowering.shape(operand).len())?;
    if lowering.operator() == "ARG_MIN" {
        let minus = lowering.number(-1.0, operand)?;
        operand = lowering.multiply(operand, minus)?;
    }
    let result = lowering.emit(Op::ArgMax(ArgMax { axis, keep_dims: false }), &[operand])?;
    let result = match lowering.result_type(0)? {
        to @ (DataType::I32 | DataType::I64) => lowering.cast(result, to)?,
        to => return Err(refuse("output_type", to.to_string(), "integers are expected")),
    };
    lowering.set_output(0, result)
}

fn last(lowering: &Lowering<'_, '_>, operand: ValueId) -> Result<usize, Reason> {
    let rank = lowering.shape(operand).len();
    rank.checked_sub(1).ok_or_else(|| Reason::Operand("its operand has no dimension".to_owned()))
}
