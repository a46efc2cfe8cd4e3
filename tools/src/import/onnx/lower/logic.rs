//! Comparisons, truth values and choices.

use super::super::lowering::Lowering;
use crate::graph::ops::{BinaryKind, Compare, Unary};
use crate::graph::{Op, ValueId};
use crate::import::Reason;
use crate::tensor::{DataType, Tensor};

/// `Equal`, `Less`, `LessOrEqual`, `Greater`, `GreaterOrEqual`.
pub(super) fn compare(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (left, right) = (lowering.input(0)?, lowering.input(1)?);
    let result = match lowering.operator() {
        "Equal" => lowering.compare(Compare::Equal, left, right)?,
        "Less" => lowering.compare(Compare::Less, left, right)?,
        "LessOrEqual" => lowering.compare(Compare::LessOrEqual, left, right)?,
        "Greater" => lowering.compare(Compare::Less, right, left)?,
        "GreaterOrEqual" => lowering.compare(Compare::LessOrEqual, right, left)?,
        _ => return Err(Reason::Operator),
    };
    lowering.set_output(0, result);
    Ok(())
}

/// `And`, `Or`, `Xor`.
pub(super) fn logic(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (left, right) = (truth(lowering, 0)?, truth(lowering, 1)?);
    let result = match lowering.operator() {
        "And" => lowering.binary(BinaryKind::Min, left, right)?,
        "Or" => lowering.binary(BinaryKind::Max, left, right)?,
        "Xor" => {
            let equal = lowering.compare(Compare::Equal, left, right)?;
            lowering.negate(equal)?
        }
        _ => return Err(Reason::Operator),
    };
    lowering.set_output(0, result);
    Ok(())
}

/// `Not`.
pub(super) fn not(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = truth(lowering, 0)?;
    let result = lowering.negate(operand)?;
    lowering.set_output(0, result);
    Ok(())
}

fn truth(lowering: &Lowering<'_>, index: usize) -> Result<ValueId, Reason> {
    let operand = lowering.input(index)?;
    match lowering.data_type(operand) {
        DataType::Bool => Ok(operand),
        got => Err(Reason::Operand(format!("operand {index} must hold truth values, got {got}"))),
    }
}

/// `Where`.
pub(super) fn choose(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (condition, yes, no) = (lowering.input(0)?, lowering.input(1)?, lowering.input(2)?);
    let result = lowering.select(condition, yes, no)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `IsNaN`: what differs from itself.
pub(super) fn is_nan(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let same = lowering.compare(Compare::Equal, operand, operand)?;
    let result = lowering.negate(same)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `IsInf`, of both signs or one.
pub(super) fn is_infinite(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let negative = lowering.attributes.flag("detect_negative", true)?;
    let positive = lowering.attributes.flag("detect_positive", true)?;
    let operand = lowering.input(0)?;
    let size = if negative && positive { lowering.unary(Unary::Abs, operand)? } else { operand };
    let limit = match (negative, positive) {
        (_, true) => f32::INFINITY,
        (true, false) => f32::NEG_INFINITY,
        (false, false) => f32::NAN,
    };
    let limit = lowering.number(limit, operand)?;
    let result = lowering.compare(Compare::Equal, size, limit)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `OneHot` with a known depth: compares with counting numbers, where negative ones count from the end.
pub(super) fn one_hot(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let positions = lowering.input(0)?;
    let depth = match lowering.constant(1)?.to_i64().as_slice() {
        &[depth] if (0..=i64::from(u16::MAX)).contains(&depth) => depth,
        other => return Err(Reason::Operand(format!("the depth is {other:?}; one number up to 65535 is expected"))),
    };
    let values = lowering.input(2)?;
    if lowering.shape(values) != [2] {
        return Err(Reason::Operand("the values must be two numbers".to_owned()));
    }
    let off = lowering.pick(values, 0, &[0])?;
    let on = lowering.pick(values, 0, &[1])?;
    let mut shape = lowering.shape(positions);
    let rank = shape.len() + 1;
    let axis = lowering.attributes.int("axis")?.unwrap_or(-1);
    let axis = lowering.axis(axis, rank)?;
    shape.insert(axis, 1);
    let positions = lowering.cast(positions, DataType::I64)?;
    let positions = lowering.reshape(positions, &shape)?;
    let mut counting = vec![1; rank];
    counting[axis] = depth as usize;
    let mut is = Vec::with_capacity(2);
    for start in [0, -depth] {
        let numbers = Tensor::from_vec::<i64>(counting.clone(), (start..start + depth).collect())?;
        let numbers = lowering.emit_constant(numbers)?;
        is.push(lowering.emit(Op::Compare(Compare::Equal), &[positions, numbers])?);
    }
    let hot = lowering.binary(BinaryKind::Max, is[0], is[1])?;
    let result = lowering.select(hot, on, off)?;
    lowering.set_output(0, result);
    Ok(())
}
