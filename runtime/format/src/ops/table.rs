//! Attributes and rules of [`Opcode::Table`](crate::Opcode::Table).

use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{DataType, LoadError, Op};

/// Entries of a lookup table: one for each 8-bit value, that of -128 first.
pub const TABLE_ENTRIES: usize = 256;

record! {
    /// 4 bytes.
    pub struct Table {
        /// Byte offset of the table in the constants section.
        pub table: u32,
    }
}

/// The rules of every elementwise op with one input: equal shapes, in place or disjoint.
pub(crate) fn check_elementwise(op: &Op<'_>, data_type: DataType) -> Result<Cost, LoadError> {
    op.check_type(&op.input(0), &[data_type])?;
    op.check_type(&op.output(0), &[data_type])?;
    ensure(op.input(0).shape == op.output(0).shape, op.shape_error())?;
    Ok(Cost::work(&[op.output(0).shape.elements()]))
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Table = op.read_attributes()?;
    op.check_operands(1, 1)?;
    op.check_constant(attributes.table, Some(TABLE_ENTRIES))?;
    check_elementwise(op, DataType::I8)
}
