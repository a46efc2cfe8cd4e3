//! Operators on 8-bit integers: each is the operator on real numbers between `Dequantize` and `Quantize`.

use super::super::attributes::refuse;
use super::super::lowering::{Function, Lowering};
use super::quantization::{Given, scales_of};
use super::{convolution, elementwise, linear, pooling, reduce, shape};
use crate::graph::ops::{BinaryKind, Compare, Dequantize, Quantize, ReduceKind, Unary};
use crate::graph::{Activation, Op, ValueId};
use crate::import::Reason;
use crate::tensor::DataType;

/// Most products whose sum an f32 holds exactly: each is at most 255 * 255.
const EXACT_PRODUCTS: usize = (1 << 24) / (255 * 255);

impl Lowering<'_> {
    /// The real numbers of an operand whose scale and zero point are operands too. Several scales run along `axis`.
    fn real(&mut self, operand: usize, scale: usize, zero_point: usize, axis: i64) -> Result<ValueId, Reason> {
        let value = self.input(operand)?;
        let Given { scales, zero_points, data_type, axis } =
            scales_of(self, [scale, zero_point], &self.shape(value), axis)?;
        let own = self.data_type(value);
        if !matches!(own, DataType::I8 | DataType::U8) || data_type.is_some_and(|other| other != own) {
            return Err(Reason::Operand(format!(
                "operand {operand} has type {own}; 8-bit integers of the type of their zero point are expected"
            )));
        }
        self.dequantize(value, Dequantize { scales, zero_points, axis })
    }

    /// Quantises a result as the operands for its scale and zero point say, and makes it the node's. Without a zero
    /// point it has the type of operand `like`.
    fn quantized_output(&mut self, value: ValueId, scale: usize, zero_point: usize, like: usize) -> Result<(), Reason> {
        let Given { scales, zero_points, data_type, axis } = scales_of(self, [scale, zero_point], &[], 0)?;
        let (&[scale], &[zero_point], None) = (scales.as_slice(), zero_points.as_slice(), axis) else {
            return Err(Reason::Operand("one scale is expected for the result".to_owned()));
        };
        let to = match data_type {
            Some(to) => to,
            None => self.data_type(self.input(like)?),
        };
        let result = self.emit(Op::Quantize(Quantize { scale, zero_point, to }), &[value])?;
        self.set_output(0, result);
        Ok(())
    }

    /// The one scale of an operand.
    fn single_scale(&self, index: usize) -> Result<f32, Reason> {
        match self.constant_f32(index)? {
            &[scale] => Ok(scale),
            other => Err(Reason::Operand(format!("operand {index} must be one number, got {}", other.len()))),
        }
    }

    /// A bias of 32-bit integers at the scale of the products, `input scale * weight scale`.
    fn bias(&mut self, operand: usize, input_scale: usize, weight_scale: usize) -> Result<Option<ValueId>, Reason> {
        if self.optional_input(operand).is_none() {
            return Ok(None);
        }
        let input_scale = self.single_scale(input_scale)?;
        let scales: Vec<f32> = self.constant_f32(weight_scale)?.iter().map(|scale| input_scale * scale).collect();
        let value = self.input(operand)?;
        let shape = self.shape(value);
        let axis = if scales.len() == 1 { None } else { shape.len().checked_sub(1) };
        let zero_points = vec![0; scales.len()];
        self.dequantize(value, Dequantize { scales, zero_points, axis }).map(Some)
    }
}

/// `QLinearConv`.
pub(super) fn convolve(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    channels_first(lowering)?;
    let (x, weights) = (lowering.real(0, 1, 2, 0)?, lowering.real(3, 4, 5, 0)?);
    let bias = lowering.bias(8, 1, 4)?;
    let operands = [Some(x), Some(weights), bias];
    let result = lowering.with_operands(&operands, convolution::convolution)?;
    lowering.quantized_output(result, 6, 7, 0)
}

/// `QLinearMatMul`: several scales of the right operand are one per column.
pub(super) fn multiply_matrices(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (left, right) = (lowering.real(0, 1, 2, -2)?, lowering.real(3, 4, 5, -1)?);
    let result = lowering.with_operands(&[Some(left), Some(right)], linear::matmul)?;
    lowering.quantized_output(result, 6, 7, 0)
}

/// `QGemm`: without a scale of the result, that is made of real numbers.
pub(super) fn gemm(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let alpha = lowering.attributes.float("alpha")?.unwrap_or(1.0);
    if alpha != 1.0 {
        return Err(refuse("alpha", alpha.to_string(), "1 is expected beside quantised matrices"));
    }
    let columns = if lowering.attributes.flag("transB", false)? { 0 } else { 1 };
    let (left, right) = (lowering.real(0, 1, 2, 0)?, lowering.real(3, 4, 5, columns)?);
    let bias = lowering.bias(6, 1, 4)?;
    let result = lowering.with_operands(&[Some(left), Some(right), bias], linear::gemm)?;
    if lowering.optional_input(7).is_none() {
        lowering.set_output(0, result);
        return Ok(());
    }
    lowering.quantized_output(result, 7, 8, 0)
}

/// `ConvInteger`: sums of products as 32-bit integers.
pub(super) fn convolve_integers(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (x, weights) = (centred(lowering, 0, 2, 1)?, centred(lowering, 1, 3, 0)?);
    let products = lowering.shape(weights).iter().skip(1).fold(1usize, |all, &size| all.saturating_mul(size));
    let result = lowering.with_operands(&[Some(x), Some(weights)], convolution::convolution)?;
    whole(lowering, result, products)
}

/// `MatMulInteger`: sums of products as 32-bit integers.
pub(super) fn multiply_integers(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (left, right) = (centred(lowering, 0, 2, -2)?, centred(lowering, 1, 3, -1)?);
    let products = lowering.shape(left).last().copied().unwrap_or(1);
    let result = lowering.with_operands(&[Some(left), Some(right)], linear::matmul)?;
    whole(lowering, result, products)
}

/// Integers as real numbers, the zero point taken off, which may be computed. Several zero points run along `axis`.
fn centred(lowering: &mut Lowering<'_>, operand: usize, zero_point: usize, axis: i64) -> Result<ValueId, Reason> {
    let value = lowering.input(operand)?;
    let shape = lowering.shape(value);
    let zero_point = lowering.optional_input(zero_point);
    let known = zero_point.map(|zero_point| lowering.known(zero_point).cloned());
    let zero_points: Vec<i32> = match known {
        None => vec![0],
        Some(Some(tensor)) => tensor.to_i64().into_iter().map(|zero_point| zero_point as i32).collect(),
        Some(None) => {
            let real = lowering.cast(value, DataType::F32)?;
            let zero_point = zero_point.ok_or(Reason::MissingOperand { index: operand })?;
            let zero_point = lowering.cast(zero_point, DataType::F32)?;
            return lowering.binary(BinaryKind::Sub, real, zero_point);
        }
    };
    let axis = if zero_points.len() == 1 { None } else { Some(lowering.axis(axis, shape.len())?) };
    let scales = vec![1.0; zero_points.len()];
    lowering.dequantize(value, Dequantize { scales, zero_points, axis })
}

/// Sums of so many products of 8-bit integers, as integers.
fn whole(lowering: &mut Lowering<'_>, sums: ValueId, products: usize) -> Result<(), Reason> {
    if products > EXACT_PRODUCTS {
        return Err(Reason::Operand(format!(
            "sums of {products} products as integers are not supported; at most {EXACT_PRODUCTS} are exact"
        )));
    }
    let result = lowering.cast(sums, DataType::I32)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `DynamicQuantizeLinear`: scale and zero point from the range of the operand.
pub(super) fn quantize_dynamically(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let x = lowering.input(0)?;
    let axes: Vec<usize> = (0..lowering.shape(x).len()).collect();
    let (zero, steps) = (lowering.number(0.0, x)?, lowering.number(255.0, x)?);
    let bounds = [(ReduceKind::Min, BinaryKind::Min), (ReduceKind::Max, BinaryKind::Max)];
    let mut range = Vec::with_capacity(2);
    for (reduce, with_zero) in bounds {
        let bound = lowering.reduce(reduce, &axes, x)?;
        let bound = lowering.reshape(bound, &[])?;
        range.push(lowering.binary(with_zero, bound, zero)?);
    }
    let extent = lowering.binary(BinaryKind::Sub, range[1], range[0])?;
    let scale = lowering.binary(BinaryKind::Div, extent, steps)?;
    // Of zeros alone the scale is 1.
    let one = lowering.number(1.0, x)?;
    let empty = lowering.compare(Compare::Equal, scale, zero)?;
    let scale = lowering.select(empty, one, scale)?;
    let bytes = Activation { min: 0.0, max: 255.0 };
    let offset = lowering.binary(BinaryKind::Div, range[0], scale)?;
    let offset = lowering.binary(BinaryKind::Sub, zero, offset)?;
    let offset = lowering.emit(Op::Clip(bytes), &[offset])?;
    let offset = lowering.unary(Unary::Round, offset)?;
    let scaled = lowering.binary(BinaryKind::Div, x, scale)?;
    let rounded = lowering.unary(Unary::Round, scaled)?;
    let shifted = lowering.add(rounded, offset)?;
    let shifted = lowering.emit(Op::Clip(bytes), &[shifted])?;
    let integers = lowering.emit(Op::Cast(DataType::U8), &[shifted])?;
    let offset = lowering.emit(Op::Cast(DataType::U8), &[offset])?;
    for (index, value) in [integers, scale, offset].into_iter().enumerate() {
        lowering.set_output(index, value);
    }
    Ok(())
}

/// `QLinearAdd`, `QLinearMul`.
pub(super) fn binary(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let kind = if lowering.operator() == "QLinearMul" { BinaryKind::Mul } else { BinaryKind::Add };
    let (left, right) = (lowering.real(0, 1, 2, 0)?, lowering.real(3, 4, 5, 0)?);
    let result = lowering.binary(kind, left, right)?;
    lowering.quantized_output(result, 6, 7, 0)
}

/// What an operator on real numbers makes of the 8-bit integers that operand 0 holds, as integers again: for
/// operators whose results are among their operand's elements.
pub(super) fn on_integers(lowering: &mut Lowering<'_>, function: Function) -> Result<(), Reason> {
    let integers = lowering.input(0)?;
    let to = lowering.data_type(integers);
    let real = lowering.dequantize(integers, Dequantize::per_tensor(1.0, 0))?;
    let result = lowering.with_operands(&[Some(real)], function)?;
    let result = lowering.emit(Op::Quantize(Quantize { scale: 1.0, zero_point: 0, to }), &[result])?;
    lowering.set_output(0, result);
    Ok(())
}

/// Operators with one operand, its scale and zero point, and those of the result.
fn one(lowering: &mut Lowering<'_>, function: Function) -> Result<(), Reason> {
    let x = lowering.real(0, 1, 2, 0)?;
    let result = lowering.with_operands(&[Some(x)], function)?;
    lowering.quantized_output(result, 3, 4, 0)
}

/// `QLinearAveragePool`.
pub(super) fn average(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    channels_first(lowering)?;
    one(lowering, pooling::average)
}

/// `QLinearGlobalAveragePool`.
pub(super) fn global_average(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    channels_first(lowering)?;
    one(lowering, reduce::global_average)
}

/// `QLinearSoftmax`: what its axis means depends on an operator set of its own.
pub(super) fn softmax(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    if let Some(version) = lowering.attributes.int("opset")? {
        lowering.opset = version;
    }
    one(lowering, reduce::softmax)
}

/// `QLinearSigmoid`, `QLinearLeakyRelu`.
pub(super) fn unary(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    one(lowering, elementwise::unary)
}

/// `QLinearConcat`: scale and zero point of the result, then three operands per part.
pub(super) fn concat(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let mut parts = Vec::new();
    for first in (2..lowering.input_count()).step_by(3) {
        parts.push(Some(lowering.real(first, first + 1, first + 2, 0)?));
    }
    let result = lowering.with_operands(&parts, shape::concat)?;
    lowering.quantized_output(result, 0, 1, 2)
}

/// Most of these operators can also run channels last, which no exporter of whole models writes.
fn channels_first(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    match lowering.attributes.int("channels_last")?.unwrap_or(0) {
        0 => Ok(()),
        _ => Err(refuse("channels_last", "1", "the layout of a model's own file, 0, is expected")),
    }
}
