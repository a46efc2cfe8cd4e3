//! Elementwise operators.

use super::super::attributes::refuse;
use super::super::constants::{element_type, type_name};
use super::super::error::Reason;
use super::super::lowering::Lowering;
use crate::graph::ops::{Binary, BinaryKind, Unary};
use crate::graph::{Activation, Op};
use crate::reference::pb::tensor_proto::DataType as ProtoType;
use crate::tensor::{DataType, Tensor};

/// Functions of one number.
pub(super) fn unary(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let operator = lowering.operator();
    let attributes = &mut lowering.attributes;
    let unary = match operator {
        "Abs" => Unary::Abs,
        "Ceil" => Unary::Ceil,
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
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "Sqrt" => Unary::Sqrt,
        "Tanh" => Unary::Tanh,
        _ => return Err(Reason::Operator),
    };
    let result = lowering.emit(Op::Unary(unary), &[operand])?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Relu`.
pub(super) fn relu(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let result = lowering.emit(Op::Clip(Activation::RELU), &[operand])?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Clip`: bounds are attributes before operator set 11, operands since.
pub(super) fn clip(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
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

/// Operations on two tensors.
pub(super) fn binary(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let kind = match lowering.operator() {
        "Add" => BinaryKind::Add,
        "Sub" => BinaryKind::Sub,
        "Mul" => BinaryKind::Mul,
        "Div" => BinaryKind::Div,
        _ => return Err(Reason::Operator),
    };
    let operands = [lowering.input(0)?, lowering.input(1)?];
    let result = lowering.emit(Op::Binary(Binary::new(kind)), &operands)?;
    lowering.set_output(0, result);
    Ok(())
}

/// Operations on any number of tensors, from the first to the last.
pub(super) fn variadic(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let kind = match lowering.operator() {
        "Max" => BinaryKind::Max,
        "Min" => BinaryKind::Min,
        "Sum" => BinaryKind::Add,
        _ => return Err(Reason::Operator),
    };
    let mut result = lowering.input(0)?;
    for index in 1..lowering.input_count() {
        let operand = lowering.input(index)?;
        result = lowering.emit(Op::Binary(Binary::new(kind)), &[result, operand])?;
    }
    lowering.set_output(0, result);
    Ok(())
}

/// `Pow`; a square is a product.
pub(super) fn power(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (base, exponent) = (lowering.input(0)?, lowering.input(1)?);
    let known = lowering.known(exponent);
    let result = match known.filter(|tensor| tensor.len() == 1).map(|tensor| tensor.cast(DataType::F32)) {
        Some(exponent) if exponent.rank() <= lowering.shape(base).len() => match exponent.single_f32() {
            Some(2.0) => lowering.emit(Op::Binary(Binary::new(BinaryKind::Mul)), &[base, base])?,
            Some(1.0) => base,
            Some(0.5) => lowering.emit(Op::Unary(Unary::Sqrt), &[base])?,
            _ => {
                let exponent = lowering.emit_constant(exponent)?;
                lowering.emit(Op::Binary(Binary::new(BinaryKind::Pow)), &[base, exponent])?
            }
        },
        _ => lowering.emit(Op::Binary(Binary::new(BinaryKind::Pow)), &[base, exponent])?,
    };
    lowering.set_output(0, result);
    Ok(())
}

/// `PRelu`: x where x >= 0, else slope * x. One slope is a leaky rectifier; several are written as
/// max(x, 0) + slope * min(x, 0).
pub(super) fn parametric_relu(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (operand, slope) = (lowering.input(0)?, lowering.input(1)?);
    let single = lowering.known(slope).and_then(Tensor::single_f32);
    let result = if let Some(alpha) = single {
        lowering.emit(Op::Unary(Unary::LeakyRelu { alpha }), &[operand])?
    } else {
        let positive = lowering.emit(Op::Clip(Activation::RELU), &[operand])?;
        let below = Activation { min: f32::NEG_INFINITY, max: 0.0 };
        let negative = lowering.emit(Op::Clip(below), &[operand])?;
        let scaled = lowering.emit(Op::Binary(Binary::new(BinaryKind::Mul)), &[negative, slope])?;
        lowering.emit(Op::Binary(Binary::new(BinaryKind::Add)), &[positive, scaled])?
    };
    lowering.set_output(0, result);
    Ok(())
}

/// `Cast`. A double is computed as f32 throughout, so a cast to it is one to f32.
pub(super) fn cast(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    lowering.attributes.ignore(&["saturate"]);
    let code = lowering.attributes.int("to")?.unwrap_or_default();
    let code = i32::try_from(code).unwrap_or_default();
    let to = match ProtoType::try_from(code) {
        Ok(ProtoType::Float | ProtoType::Double | ProtoType::Int64 | ProtoType::Int32 | ProtoType::Bool) => {
            element_type(code)?
        }
        _ => {
            return Err(refuse("to", type_name(code), "FLOAT, DOUBLE, INT64, INT32 or BOOL is expected"));
        }
    };
    let result = if lowering.data_type(operand) == to { operand } else { lowering.emit(Op::Cast(to), &[operand])? };
    lowering.set_output(0, result);
    Ok(())
}
