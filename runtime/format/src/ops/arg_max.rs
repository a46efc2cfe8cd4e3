//! Attributes and rules of [`Opcode::ArgMax`](crate::Opcode::ArgMax).

use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::overlap::RowWindow;
use crate::{DataType, LoadError, Op, Tensor};

record! {
    /// 4 bytes. Input `[..., n]` of 8-bit or float values, output 32-bit with one element per row.
    pub struct ArgMax {
        /// 1 where the last of equal elements wins, 0 where the first does.
        pub select_last: u8,
        /// 1 for the smallest element, 0 for the largest.
        pub select_least: u8,
        /// Zero.
        pub reserved: [u8; 2],
    }
}

impl ArgMax {
    /// Bands: each element of the output needs one row of the input.
    pub fn rows(input: &Tensor) -> RowWindow {
        let depth = input.shape.innermost();
        let rows = input.shape.elements().checked_div(depth).unwrap_or(0);
        RowWindow::alike(rows, depth.saturating_mul(input.data_type.bytes()), DataType::I32.bytes())
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: ArgMax = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    let flags = attributes.select_last <= 1 && attributes.select_least <= 1;
    ensure(flags, LoadError::AttributeReserved { op: op.index })?;
    op.check_operands(1, 1)?;
    op.check_type(&op.input(0), &[DataType::I8, DataType::I16, DataType::F32])?;
    op.check_type(&op.output(0), &[DataType::I32])?;
    let shape = op.input(0).shape;
    ensure(shape.rank() > 0, LoadError::OperandRank { op: op.index })?;
    let rows = shape.elements().checked_div(shape.innermost());
    ensure(rows == Some(op.output(0).shape.elements()), op.shape_error())?;
    Ok(Cost::work(&[shape.elements()]))
}
