//! Attributes and rules of [`Opcode::Quantize`](crate::Opcode::Quantize) and
//! [`Opcode::Dequantize`](crate::Opcode::Dequantize).

use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{DataType, LoadError, Op};

record! {
    /// 8 bytes.
    pub struct QuantizeParameters {
        /// Real value of one integer step.
        pub scale: f32,
        /// The integer that stands for real zero, -128 to 127.
        pub zero_point: i32,
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
