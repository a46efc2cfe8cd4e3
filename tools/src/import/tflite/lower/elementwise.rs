//! Elementwise operators, comparisons and choices.

use super::super::lowering::{Lowering, refuse};
use super::super::schema::kind;
use crate::graph::ops::{Binary, BinaryKind, Compare, Unary};
use crate::graph::{Activation, Op, ValueId};
use crate::import::Reason;
use crate::tensor::{DataType, Tensor};

/// Arithmetic on two broadcast tensors. `ADD`, `SUB`, `MUL` and `DIV` may fuse an activation.
pub(super) fn binary(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let (kind, options) = match lowering.operator() {
        "ADD" => (BinaryKind::Add, Some(11)),
        "SUB" => (BinaryKind::Sub, Some(28)),
        "MUL" => (BinaryKind::Mul, Some(21)),
        "DIV" => (BinaryKind::Div, Some(29)),
        "MINIMUM" => (BinaryKind::Min, None),
        "MAXIMUM" => (BinaryKind::Max, None),
        "POW" => (BinaryKind::Pow, None),
        "PRELU" => (BinaryKind::PRelu, None),
        "SQUARED_DIFFERENCE" => (BinaryKind::SquaredDifference, None),
        _ => return Err(Reason::Operator),
    };
    let activation = options.map_or(Ok(Activation::NONE), |options| lowering.options(options).activation(0))?;
    let operands = [lowering.input(0)?, lowering.input(1)?];
    if kind == BinaryKind::SquaredDifference && lowering.quantization(0)?.is_none() {
        let difference = lowering.binary(BinaryKind::Sub, operands[0], operands[1])?;
        let result = lowering.multiply(difference, difference)?;
        return lowering.set_output(0, result);
    }
    if lowering.data_type(operands[0]) != DataType::F32 {
        let result = lowering.emit(Op::Binary(Binary::new(kind)), &operands)?;
        let result = clamp_integers(lowering, result, activation)?;
        return lowering.set_output(0, result);
    }
    let result = lowering.emit(Op::Binary(Binary { kind, activation }), &operands)?;
    lowering.set_output(0, result)
}

/// An activation on integers that stand for themselves.
fn clamp_integers(lowering: &mut Lowering<'_, '_>, value: ValueId, activation: Activation) -> Result<ValueId, Reason> {
    let mut value = value;
    for (kind, bound) in [(BinaryKind::Max, activation.min), (BinaryKind::Min, activation.max)] {
        if bound.is_finite() {
            let bound = lowering.number(bound, value)?;
            value = lowering.binary(kind, value, bound)?;
        }
    }
    Ok(value)
}

/// Sum of any number of tensors.
pub(super) fn add_n(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let operands = lowering.inputs()?;
    let Some((&first, rest)) = operands.split_first() else { return Err(Reason::MissingOperand { index: 0 }) };
    let mut sum = first;
    for &operand in rest {
        sum = lowering.binary(BinaryKind::Add, sum, operand)?;
    }
    lowering.set_output(0, sum)
}

/// A function of every element.
pub(super) fn unary(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let quantized = lowering.quantization(0)?.is_some();
    let function = match lowering.operator() {
        "LOGISTIC" => Unary::Sigmoid,
        "TANH" => Unary::Tanh,
        "ELU" => Unary::Elu { alpha: 1.0 },
        "HARD_SWISH" => Unary::HardSwish,
        "LEAKY_RELU" => Unary::LeakyRelu { alpha: lowering.options(75).float(0)? },
        "GELU" if lowering.options(116).flag(0)? => Unary::GeluTanh,
        "GELU" => Unary::Gelu,
        "ABS" => Unary::Abs,
        "NEG" => Unary::Neg,
        "SQRT" => Unary::Sqrt,
        "RSQRT" if quantized => Unary::Rsqrt,
        "RSQRT" => {
            let root = lowering.unary(Unary::Sqrt, operand)?;
            let result = lowering.unary(Unary::Reciprocal, root)?;
            return lowering.set_output(0, result);
        }
        "EXP" => Unary::Exp,
        "LOG" => Unary::Log,
        "SIN" => Unary::Sin,
        "COS" => Unary::Cos,
        "FLOOR" => Unary::Floor,
        "CEIL" => Unary::Ceil,
        "ROUND" => Unary::Round,
        "SIGN" => Unary::Sign,
        _ => return Err(Reason::Operator),
    };
    let result = lowering.unary(function, operand)?;
    lowering.set_output(0, result)
}

/// `SQUARE`.
pub(super) fn square(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let result = lowering.multiply(operand, operand)?;
    lowering.set_output(0, result)
}

/// Rectifiers that are mere clamps.
pub(super) fn clip(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let activation = match lowering.operator() {
        "RELU" => Activation::RELU,
        "RELU6" => Activation::RELU6,
        "RELU_N1_TO_1" => Activation { min: -1.0, max: 1.0 },
        "RELU_0_TO_1" => Activation { min: 0.0, max: 1.0 },
        _ => return Err(Reason::Operator),
    };
    let operand = lowering.input(0)?;
    let result = lowering.activate(operand, activation)?;
    lowering.set_output(0, result)
}

/// Questions about two broadcast tensors.
pub(super) fn compare(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let (left, right) = (lowering.input(0)?, lowering.input(1)?);
    let result = match lowering.operator() {
        "EQUAL" => lowering.compare(Compare::Equal, left, right)?,
        "NOT_EQUAL" => {
            let equal = lowering.compare(Compare::Equal, left, right)?;
            lowering.negate(equal)?
        }
        "LESS" => lowering.compare(Compare::Less, left, right)?,
        "LESS_EQUAL" => lowering.compare(Compare::LessOrEqual, left, right)?,
        "GREATER" => lowering.compare(Compare::Less, right, left)?,
        "GREATER_EQUAL" => lowering.compare(Compare::LessOrEqual, right, left)?,
        _ => return Err(Reason::Operator),
    };
    lowering.set_output(0, result)
}

/// `LOGICAL_AND`, `LOGICAL_OR`.
pub(super) fn logic(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let kind = if lowering.operator() == "LOGICAL_AND" { BinaryKind::Min } else { BinaryKind::Max };
    let (left, right) = (truth(lowering, 0)?, truth(lowering, 1)?);
    let result = lowering.binary(kind, left, right)?;
    lowering.set_output(0, result)
}

/// `LOGICAL_NOT`.
pub(super) fn not(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let operand = truth(lowering, 0)?;
    let result = lowering.negate(operand)?;
    lowering.set_output(0, result)
}

fn truth(lowering: &mut Lowering<'_, '_>, index: usize) -> Result<ValueId, Reason> {
    let operand = lowering.input(index)?;
    match lowering.data_type(operand) {
        DataType::Bool => Ok(operand),
        got => Err(Reason::Operand(format!("operand {index} must hold truth values, got {got}"))),
    }
}

/// `SELECT`, `SELECT_V2`. The condition of the old one may be a vector that chooses whole slices.
pub(super) fn select(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let (mut condition, yes, no) = (truth(lowering, 0)?, lowering.input(1)?, lowering.input(2)?);
    let (shape, rank) = (lowering.shape(condition), lowering.shape(yes).len());
    if lowering.operator() == "SELECT" && shape.len() == 1 && rank > 1 {
        let slices = [shape, vec![1; rank - 1]].concat();
        condition = lowering.reshape(condition, &slices)?;
    }
    let result = lowering.select(condition, yes, no)?;
    lowering.set_output(0, result)
}

/// `CAST`: of integers as they are stored, whatever they stand for.
pub(super) fn cast(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let mut operand = lowering.stored(0)?;
    if lowering.info(0)?.kind == kind::U8 && lowering.data_type(operand) == DataType::I8 {
        let words = lowering.cast(operand, DataType::I32)?;
        let shift = lowering.number(128.0, words)?;
        operand = lowering.add(words, shift)?;
    }
    let to = lowering.result_type(0)?;
    let result = lowering.cast(operand, to)?;
    lowering.set_output(0, result)
}

/// `QUANTIZE`, `DEQUANTIZE`: the types of operand and result say what is done.
pub(super) fn convert(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let mut operand = lowering.input(0)?;
    if let (DataType::I32, Some(own)) = (lowering.data_type(operand), lowering.quantization(0)?) {
        operand = lowering.dequantize(operand, own)?;
    }
    if lowering.data_type(operand) != DataType::F32 {
        return Err(Reason::Operand("its operand has no quantisation".to_owned()));
    }
    lowering.set_output(0, operand)
}

/// `ZEROS_LIKE`.
pub(super) fn zeros_like(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let zero = lowering.number(0.0, operand)?;
    let shape = lowering.shape(operand);
    let result = lowering.filled(zero, &shape)?;
    lowering.set_output(0, result)
}

/// `FILL` of a known shape.
pub(super) fn fill(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let shape = super::movement::sizes(lowering, 0)?;
    let value = lowering.input(1)?;
    let result = lowering.filled(value, &shape)?;
    lowering.set_output(0, result)
}

/// `SHAPE`: known.
pub(super) fn shape(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let sizes: Vec<i64> = lowering.shape(operand).into_iter().map(|size| size as i64).collect();
    let to = lowering.result_type(0)?;
    if !matches!(to, DataType::I32 | DataType::I64) {
        return Err(refuse("out_type", to.to_string(), "integers are expected"));
    }
    let result = lowering.emit_constant(Tensor::vector(sizes).cast(to))?;
    lowering.set_output(0, result)
}
