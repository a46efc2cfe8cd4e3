//! Elementwise operators.

use super::super::attributes::refuse;
use super::super::lowering::Lowering;
use crate::graph::ops::{BinaryKind, Compare, Unary};
use crate::graph::{Activation, Op, ValueId};
use crate::import::Reason;
use crate::tensor::DataType;

/// Functions of one number.
pub(super) fn unary(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let operator = lowering.operator();
    let attributes = &mut lowering.attributes;
    // Those on 8-bit integers have the same names behind `QLinear`.
    let unary = match operator.trim_start_matches("QLinear") {
        "Abs" => Unary::Abs,
        "Acos" => Unary::Acos,
        "Acosh" => Unary::Acosh,
        "Asin" => Unary::Asin,
        "Asinh" => Unary::Asinh,
        "Atan" => Unary::Atan,
        "Atanh" => Unary::Atanh,
        "Ceil" => Unary::Ceil,
        "Cos" => Unary::Cos,
        "Cosh" => Unary::Cosh,
        "Elu" => Unary::Elu { alpha: attributes.float("alpha")?.unwrap_or(1.0) },
        "Erf" => Unary::Erf,
        "Exp" => Unary::Exp,
        "Floor" => Unary::Floor,
        "Gelu" => match attributes.string("approximate")?.unwrap_or("none") {
            "none" => Unary::Gelu,
            "tanh" => Unary::GeluTanh,
            other => return Err(refuse("approximate", other, "none or tanh is expected")),
        },
        "HardSigmoid" => Unary::HardSigmoid {
            alpha: attributes.float("alpha")?.unwrap_or(0.2),
            beta: attributes.float("beta")?.unwrap_or(0.5),
        },
        "HardSwish" => Unary::HardSwish,
        "LeakyRelu" => Unary::LeakyRelu { alpha: attributes.float("alpha")?.unwrap_or(0.01) },
        "Log" => Unary::Log,
        "Mish" => Unary::Mish,
        "Neg" => Unary::Neg,
        "Reciprocal" => Unary::Reciprocal,
        "Round" => Unary::Round,
        "Sigmoid" => Unary::Sigmoid,
        "Sign" => Unary::Sign,
        "Sin" => Unary::Sin,
        "Sinh" => Unary::Sinh,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "Sqrt" => Unary::Sqrt,
        "Tan" => Unary::Tan,
        "Tanh" => Unary::Tanh,
        _ => return Err(Reason::Operator),
    };
    let result = match (unary, lowering.data_type(operand)) {
        (_, DataType::F32) => lowering.unary(unary, operand)?,
        (_, DataType::Bool) => return Err(Reason::Operand("truth values are not numbers".to_owned())),
        (Unary::Neg, _) => {
            let zero = lowering.number(0.0, operand)?;
            lowering.binary(BinaryKind::Sub, zero, operand)?
        }
        (Unary::Abs, _) => {
            let zero = lowering.number(0.0, operand)?;
            let opposite = lowering.binary(BinaryKind::Sub, zero, operand)?;
            let negative = lowering.compare(Compare::Less, operand, zero)?;
            lowering.select(negative, opposite, operand)?
        }
        (Unary::Sign, _) => {
            let zero = lowering.number(0.0, operand)?;
            let (to, above) = (lowering.data_type(operand), lowering.compare(Compare::Less, zero, operand)?);
            let below = lowering.compare(Compare::Less, operand, zero)?;
            let (above, below) = (lowering.cast(above, to)?, lowering.cast(below, to)?);
            lowering.binary(BinaryKind::Sub, above, below)?
        }
        _ => lowering.unary(unary, operand)?,
    };
    lowering.set_output(0, result);
    Ok(())
}

/// `Clip`: bounds are attributes before operator set 11, operands since.
pub(super) fn clip(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    if lowering.data_type(operand) != DataType::F32 || !bounds_are_numbers(lowering) {
        return clip_by_operands(lowering, operand);
    }
    let (min, max) = if lowering.opset < 11 {
        (lowering.attributes.float("min")?, lowering.attributes.float("max")?)
    } else {
        (lowering.optional_scalar(1)?, lowering.optional_scalar(2)?)
    };
    // The largest finite numbers are how files write "no bound".
    let min = min.filter(|&min| min > f32::MIN).unwrap_or(f32::NEG_INFINITY);
    let max = max.filter(|&max| max < f32::MAX).unwrap_or(f32::INFINITY);
    if min.is_nan() || max.is_nan() {
        return Err(Reason::Operand("a bound is not a number".to_owned()));
    }
    let result = lowering.emit(Op::Clip(Activation { min, max }), &[operand])?;
    lowering.set_output(0, result);
    Ok(())
}

/// Whether the bounds are absent or known: then a clip is a clamp.
fn bounds_are_numbers(lowering: &Lowering<'_>) -> bool {
    [1, 2].into_iter().filter_map(|index| lowering.optional_input(index)).all(|bound| lowering.known(bound).is_some())
}

/// `Clip` of integers, or with computed bounds.
fn clip_by_operands(lowering: &mut Lowering<'_>, operand: ValueId) -> Result<(), Reason> {
    let mut result = operand;
    for (index, kind) in [(1, BinaryKind::Max), (2, BinaryKind::Min)] {
        if let Some(bound) = lowering.optional_input(index) {
            result = lowering.binary(kind, result, bound)?;
        }
    }
    lowering.set_output(0, result);
    Ok(())
}

/// Operations on two tensors.
pub(super) fn binary(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let kind = match lowering.operator() {
        "Add" => BinaryKind::Add,
        "Sub" => BinaryKind::Sub,
        "Mul" => BinaryKind::Mul,
        "Div" => BinaryKind::Div,
        "Mod" => match lowering.attributes.flag("fmod", false)? {
            true => BinaryKind::Remainder,
            false => BinaryKind::Modulo,
        },
        _ => return Err(Reason::Operator),
    };
    let (left, right) = (lowering.input(0)?, aligned(lowering)?);
    let result = lowering.binary(kind, left, right)?;
    lowering.set_output(0, result);
    Ok(())
}

/// The right operand. Before operator set 7 an attribute tells at which axis of the left one it starts.
fn aligned(lowering: &mut Lowering<'_>) -> Result<ValueId, Reason> {
    let right = lowering.input(1)?;
    if lowering.opset >= 7 {
        return Ok(right);
    }
    lowering.attributes.ignore(&["consumed_inputs"]);
    let axis = lowering.attributes.int("axis")?;
    if let (true, Some(axis)) = (lowering.attributes.flag("broadcast", false)?, axis) {
        let rank = lowering.shape(lowering.input(0)?).len();
        let mut shape = lowering.shape(right);
        let end = lowering.axis(axis, rank)? + shape.len();
        if end > rank {
            return Err(Reason::Operand("the right operand ends beyond the left one".to_owned()));
        }
        shape.resize(shape.len() + rank - end, 1);
        return lowering.reshape(right, &shape);
    }
    Ok(right)
}

/// Operations on any number of tensors, from the first to the last.
pub(super) fn variadic(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let kind = match lowering.operator() {
        "Max" => BinaryKind::Max,
        "Min" => BinaryKind::Min,
        "Sum" | "Mean" => BinaryKind::Add,
        _ => return Err(Reason::Operator),
    };
    let mut result = lowering.input(0)?;
    for index in 1..lowering.input_count() {
        let operand = lowering.input(index)?;
        result = lowering.binary(kind, result, operand)?;
    }
    if lowering.operator() == "Mean" {
        let count = lowering.input_count() as f32;
        let count = lowering.number(count, result)?;
        result = lowering.binary(BinaryKind::Div, result, count)?;
    }
    lowering.set_output(0, result);
    Ok(())
}

/// `Pow`; a square is a product. The exponent may have another type than the base, whose type the result has.
pub(super) fn power(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (base, mut exponent) = (lowering.input(0)?, lowering.input(1)?);
    let to = lowering.data_type(base);
    if lowering.data_type(exponent) == DataType::F32 && to != DataType::F32 {
        return Err(Reason::Operand("an integer to the power of a floating-point number is not supported".to_owned()));
    }
    let known = lowering.known(exponent).filter(|tensor| tensor.len() == 1).map(|tensor| tensor.cast(DataType::F32));
    let single =
        known.filter(|exponent| exponent.rank() <= lowering.shape(base).len()).and_then(|one| one.single_f32());
    let result = match single {
        Some(2.0) => lowering.multiply(base, base)?,
        Some(1.0) => base,
        Some(0.5) if to == DataType::F32 => lowering.unary(Unary::Sqrt, base)?,
        _ => {
            exponent = lowering.cast(exponent, to)?;
            lowering.binary(BinaryKind::Pow, base, exponent)?
        }
    };
    lowering.set_output(0, result);
    Ok(())
}
