//! Activation functions that are compositions of others.

use super::super::lowering::Lowering;
use crate::graph::ops::{ArgMax, BinaryKind, Compare, Unary};
use crate::graph::{Activation, Op};
use crate::import::Reason;
use crate::tensor::{DataType, Tensor};

/// `Relu`; of integers, the larger of x and 0.
pub(super) fn relu(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let result = if lowering.data_type(operand) == DataType::F32 {
        lowering.emit(Op::Clip(Activation::RELU), &[operand])?
    } else {
        let zero = lowering.number(0.0, operand)?;
        lowering.binary(BinaryKind::Max, operand, zero)?
    };
    lowering.set_output(0, result);
    Ok(())
}

/// `Selu`: gamma times an Elu.
pub(super) fn selu(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let alpha = lowering.attributes.float("alpha")?.unwrap_or(1.673_263_2);
    let gamma = lowering.attributes.float("gamma")?.unwrap_or(1.050_701);
    let operand = lowering.input(0)?;
    let elu = lowering.unary(Unary::Elu { alpha }, operand)?;
    let gamma = lowering.number(gamma, elu)?;
    let result = lowering.multiply(elu, gamma)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Celu`: alpha times the Elu of x / alpha.
pub(super) fn celu(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let alpha = lowering.attributes.float("alpha")?.unwrap_or(1.0);
    let operand = lowering.input(0)?;
    let alpha = lowering.number(alpha, operand)?;
    let scaled = lowering.binary(BinaryKind::Div, operand, alpha)?;
    let elu = lowering.unary(Unary::Elu { alpha: 1.0 }, scaled)?;
    let result = lowering.multiply(elu, alpha)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `ThresholdedRelu`: x above alpha, else 0.
pub(super) fn thresholded_relu(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let alpha = lowering.attributes.float("alpha")?.unwrap_or(1.0);
    let operand = lowering.input(0)?;
    let (alpha, zero) = (lowering.number(alpha, operand)?, lowering.number(0.0, operand)?);
    let above = lowering.compare(Compare::Less, alpha, operand)?;
    let result = lowering.select(above, operand, zero)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Shrink`: x + bias below -lambd, x - bias above lambd, else 0.
pub(super) fn shrink(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let lambda = lowering.attributes.float("lambd")?.unwrap_or(0.5);
    let bias = lowering.attributes.float("bias")?.unwrap_or(0.0);
    let operand = lowering.input(0)?;
    if lowering.data_type(operand) != DataType::F32 {
        return Err(Reason::Operand("only floating-point operands are supported".to_owned()));
    }
    let zero = lowering.number(0.0, operand)?;
    let (low, high) = (lowering.number(-lambda, operand)?, lowering.number(lambda, operand)?);
    let bias = lowering.number(bias, operand)?;
    let raised = lowering.add(operand, bias)?;
    let lowered = lowering.binary(BinaryKind::Sub, operand, bias)?;
    let below = lowering.compare(Compare::Less, operand, low)?;
    let above = lowering.compare(Compare::Less, high, operand)?;
    let outer = lowering.select(above, lowered, zero)?;
    let result = lowering.select(below, raised, outer)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `Swish`: x * sigmoid(alpha * x).
pub(super) fn swish(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let alpha = lowering.attributes.float("alpha")?.unwrap_or(1.0);
    let operand = lowering.input(0)?;
    let result = if alpha == 1.0 {
        lowering.unary(Unary::Silu, operand)?
    } else {
        let alpha = lowering.number(alpha, operand)?;
        let scaled = lowering.multiply(operand, alpha)?;
        let gate = lowering.unary(Unary::Sigmoid, scaled)?;
        lowering.multiply(operand, gate)?
    };
    lowering.set_output(0, result);
    Ok(())
}

/// `PRelu`: x where x >= 0, else slope * x. One slope is a leaky rectifier.
pub(super) fn parametric_relu(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (operand, mut slope) = (lowering.input(0)?, lowering.input(1)?);
    if let (true, &[channels]) = (lowering.opset < 7, lowering.shape(slope).as_slice()) {
        // One number per channel, which is the second axis.
        let trailing = lowering.shape(operand).len().saturating_sub(2);
        slope = lowering.reshape(slope, &[vec![channels], vec![1; trailing]].concat())?;
    }
    let single = lowering.known(slope).and_then(Tensor::single_f32);
    let result = if let Some(alpha) = single {
        lowering.unary(Unary::LeakyRelu { alpha }, operand)?
    } else {
        lowering.binary(BinaryKind::PRelu, operand, slope)?
    };
    lowering.set_output(0, result);
    Ok(())
}

/// `Hardmax`: 1 at the first maximum along the axis, 0 elsewhere.
pub(super) fn hardmax(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let source = lowering.shape(operand);
    let given = lowering.attributes.int("axis")?;
    let (value, axis) = super::reduce::softmax_axis(lowering, operand, given)?;
    let shape = lowering.shape(value);
    let best = lowering.emit(Op::ArgMax(ArgMax { axis, keep_dims: true }), &[value])?;
    let mut counting = vec![1; shape.len()];
    counting[axis] = shape[axis];
    let positions = (0..shape[axis] as i64).collect();
    let positions = lowering.emit_constant(Tensor::from_vec::<i64>(counting, positions)?)?;
    let is_best = lowering.compare(Compare::Equal, positions, best)?;
    let result = lowering.cast(is_best, DataType::F32)?;
    let result = lowering.reshape(result, &source)?;
    lowering.set_output(0, result);
    Ok(())
}
