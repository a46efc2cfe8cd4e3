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
        /// The integer that stands for real zero, -128 to 127.
        pub zero_point: i32,
    }
}

impl QuantizeParameters {
    /// Bands: each element of the output needs that of the input.
    pub fn rows(input: &Tensor, output: &Tensor) -> RowWindow {
        RowWindow::alike(output.shape.elements(), input.data_type.bytes(), output.data_type.bytes())
    }
}

fn check(op: &Op<'_>, from: DataType, to: DataType) -> Result<Cost, LoadError> {
    let attributes: QuantizeParameters = op.read_attributes()?;
    op.check_operands(1, 1)?;
    op.check_scale(attributes.scale)?;
    ensure(i8::try_from(attributes.zero_point).is_ok(), LoadError::ZeroPoint { op: op.index })?;
    op.check_type(&op.input(0), &[from])?;
    op.check_type(&op.output(0), &[to])?;
    ensure(op.input(0).shape == op.output(0).shape, op.shape_error())?;
    Ok(Cost::work(&[op.output(0).shape.elements()]))
}

pub(crate) fn check_quantize(op: &Op<'_>) -> Result<Cost, LoadError> {
    check(op, DataType::F32, DataType::I8)
}

pub(crate) fn check_dequantize(op: &Op<'_>) -> Result<Cost, LoadError> {
    check(op, DataType::I8, DataType::F32)
}
