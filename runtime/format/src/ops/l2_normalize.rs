//! Attributes and rules of [`Opcode::L2Normalize`](crate::Opcode::L2Normalize).

use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{DataType, LoadError, Op};

record! {
    /// 4 bytes. The output of 8-bit tensors has scale 1/128 and zero point 0.
    pub struct L2Normalize {
        /// Zero point of 8-bit inputs; zero for floats.
        pub zero_point: i8,
        /// Zero.
        pub reserved: [u8; 3],
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: L2Normalize = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    op.check_operands(1, 1)?;
    let data_type = op.check_type(&op.input(0), &[DataType::I8, DataType::F32])?;
    op.check_type(&op.output(0), &[data_type])?;
    let shape = op.input(0).shape;
    ensure(shape.rank() > 0, LoadError::OperandRank { op: op.index })?;
    ensure(shape == op.output(0).shape, op.shape_error())?;
    if data_type.is_real() {
        op.check_reserved(&attributes.zero_point.to_le_bytes())?;
    } else {
        let squares = shape.innermost().checked_mul(255 * 255).and_then(|sum| i32::try_from(sum).ok());
        ensure(squares.is_some(), LoadError::Accumulator { op: op.index })?;
    }
    Ok(Cost::work(&[shape.elements(), 3]))
}
