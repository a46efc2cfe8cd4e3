//! Operators between real numbers and 8-bit integers.

use super::super::attributes::refuse;
use super::super::constants::{element_type, type_name};
use super::super::lowering::Lowering;
use crate::graph::ops::{Dequantize, Quantize};
use crate::graph::{Op, ValueId};
use crate::import::Reason;
use crate::reference::pb::tensor_proto::DataType as ProtoType;
use crate::tensor::DataType;

/// Scales and zero points as constant operands give them.
pub(super) struct Given {
    pub(super) scales: Vec<f32>,
    pub(super) zero_points: Vec<i32>,
    /// The type of the zero point, where it is given.
    pub(super) data_type: Option<DataType>,
    pub(super) axis: Option<usize>,
}

/// `QuantizeLinear` with one scale and zero point. The type of the zero point is that of the result.
pub(super) fn quantize(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    lowering.attributes.ignore(&["saturate"]);
    precision(lowering)?;
    let named = match lowering.attributes.int("output_dtype")?.unwrap_or(0) {
        0 => None,
        code => {
            let code = i32::try_from(code).unwrap_or_default();
            match ProtoType::try_from(code) {
                Ok(ProtoType::Int8 | ProtoType::Uint8) => Some(element_type(code)?),
                _ => return Err(refuse("output_dtype", type_name(code), "INT8 or UINT8 is expected")),
            }
        }
    };
    let Given { scales, zero_points, data_type, axis } = given(lowering, operand)?;
    let (&[scale], &[zero_point], None) = (scales.as_slice(), zero_points.as_slice(), axis) else {
        return Err(Reason::Operand("activations with a scale per channel are not supported".to_owned()));
    };
    let to = data_type.or(named).unwrap_or(DataType::U8);
    if !matches!(to, DataType::I8 | DataType::U8) {
        return Err(Reason::Operand(format!("integers of type {to} are not supported; 8-bit ones are expected")));
    }
    let operand = lowering.cast(operand, DataType::F32)?;
    let result = lowering.emit(Op::Quantize(Quantize { scale, zero_point, to }), &[operand])?;
    lowering.set_output(0, result);
    Ok(())
}

/// `DequantizeLinear`: one scale and zero point, or one per position of an axis.
pub(super) fn dequantize(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    lowering.attributes.int("output_dtype")?;
    let Given { scales, zero_points, data_type, axis } = given(lowering, operand)?;
    let own = lowering.data_type(operand);
    if !matches!(own, DataType::I8 | DataType::U8 | DataType::I32) {
        return Err(Reason::Operand(format!(
            "integers of type {own} are not supported; 8-bit ones, or 32-bit ones as biases, are expected"
        )));
    }
    if let Some(other) = data_type.filter(|&other| other != own) {
        return Err(Reason::Operand(format!("the zero point has type {other}, the operand {own}")));
    }
    let result = lowering.dequantize(operand, Dequantize { scales, zero_points, axis })?;
    lowering.set_output(0, result);
    Ok(())
}

/// In what the division is done; f32 is the default.
fn precision(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    match lowering.attributes.int("precision")?.unwrap_or(0) {
        0 => Ok(()),
        code if code == ProtoType::Float as i64 => Ok(()),
        code => Err(refuse("precision", type_name(i32::try_from(code).unwrap_or_default()), "FLOAT is expected")),
    }
}

/// Reads the operands 1, the scale, and 2, the zero point, of `operand`.
fn given(lowering: &mut Lowering<'_>, operand: ValueId) -> Result<Given, Reason> {
    let shape = lowering.shape(operand);
    let axis = lowering.attributes.int("axis")?.unwrap_or(1);
    if lowering.attributes.int("block_size")?.unwrap_or(0) != 0 {
        return Err(Reason::Operand("blocks with scales of their own are not supported".to_owned()));
    }
    scales_of(lowering, [1, 2], &shape, axis)
}

/// Reads the operands that hold the scale and the zero point of a tensor. Several scales run along `axis`.
pub(super) fn scales_of(
    lowering: &Lowering<'_>,
    [scale, zero_point]: [usize; 2],
    shape: &[usize],
    axis: i64,
) -> Result<Given, Reason> {
    let scale = lowering.constant(scale)?;
    let scales = scale.as_f32()?.to_vec();
    let (scale_shape, count) = (scale.shape(), scales.len());
    if let Some(bad) = scales.iter().find(|&&scale| !(scale > 0.0 && scale.is_finite())) {
        return Err(Reason::Operand(format!("scale {bad} is not a positive number")));
    }
    let (zero_points, data_type) = match lowering.optional_input(zero_point) {
        None => (vec![0; count], None),
        Some(_) => {
            let tensor = lowering.constant(zero_point)?;
            let mut zero_points: Vec<i32> = tensor.to_i64().into_iter().map(|zero_point| zero_point as i32).collect();
            if zero_points.len() == 1 {
                zero_points.resize(count, zero_points[0]);
            }
            if zero_points.len() != count {
                return Err(Reason::Operand(format!(
                    "the scale has shape {scale_shape:?}, the zero point {:?}",
                    tensor.shape()
                )));
            }
            (zero_points, Some(tensor.data_type()))
        }
    };
    let axis = match (scale_shape, count) {
        ([] | [1], 1) => None,
        (&[positions], _) => {
            let axis = lowering.axis(axis, shape.len())?;
            if shape[axis] != positions {
                return Err(Reason::Operand(format!("{positions} scales are given for an axis of {}", shape[axis])));
            }
            Some(axis)
        }
        _ => {
            return Err(Reason::Operand(format!(
                "scales of shape {scale_shape:?} are not supported: one number, or one per position of an axis"
            )));
        }
    };
    Ok(Given { scales, zero_points, data_type, axis })
}
