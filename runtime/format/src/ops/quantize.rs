//! Attributes and rules of [`Opcode::Quantize`](crate::Opcode::Quantize) and
//! [`Opcode::Dequantize`](crate::Opcode::Dequantize).

use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::overlap::RowWindow;
use crate::{DataType, LoadError, Op, Tensor};

record! {
    /// 8 bytes.
    pub struct QuantizeParameters {
        /// Real value of one integer step.
        pub scale: f32,
        /// The integer that stands for real zero, one of the type.
        pub zero_point: i32,
    }
}

impl QuantizeParameters {
    /// Bands: each element of the output needs that of the input.
    pub fn rows(input: &Tensor, output: &Tensor) -> RowWindow {
        RowWindow::alike(output.shape.elements(), input.data_type.bytes(), output.data_type.bytes())
    }
}

fn check(op: &Op<'_>, real: &Tensor, integers: &Tensor) -> Result<Cost, LoadError> {
    let attributes: QuantizeParameters = op.read_attributes()?;
    op.check_operands(1, 1)?;
    op.check_scale(attributes.scale)?;
    op.check_type(real, &[DataType::F32])?;
    let zero_point = attributes.zero_point;
    let is_value = match op.check_type(integers, &[DataType::I8, DataType::I16])? {
        DataType::I16 => i16::try_from(zero_point).is_ok(),
        _ => i8::try_from(zero_point).is_ok(),
    };
    ensure(is_value, LoadError::ZeroPoint { op: op.index })?;
    ensure(op.input(0).shape == op.output(0).shape, op.shape_error())?;
    Ok(Cost::work(&[op.output(0).shape.elements()]))
}

pub(crate) fn check_quantize(op: &Op<'_>) -> Result<Cost, LoadError> {
    check(op, &op.input(0), &op.output(0))
}

pub(crate) fn check_dequantize(op: &Op<'_>) -> Result<Cost, LoadError> {
    check(op, &op.output(0), &op.input(0))
}
