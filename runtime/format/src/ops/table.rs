//! Attributes and rules of [`Opcode::Table`](crate::Opcode::Table).

use crate::bytes::{coded, record};
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

/// Entries of the sigmoid's table.
pub const SIGMOID_ENTRIES: usize = 256;

coded! {
    /// What is computed of 16-bit numbers by interpolation in the sigmoid's table.
    pub enum WideFunction: u8 {
        /// The sigmoid.
        Logistic = 0,
        /// The hyperbolic tangent.
        Tanh = 1,
    }
}

record! {
    /// 12 bytes, for 16-bit tensors: a function of the input times `multiplier / 2^shift`.
    pub struct WideTable {
        /// Factor on the input, at most 2^15 - 1.
        pub multiplier: u32,
        /// Bits by which the product is shifted to the right, at most 30.
        pub shift: u8,
        /// Code of [`WideFunction`].
        pub function: u8,
        /// Zero.
        pub reserved: [u8; 2],
        /// Byte offset of [`SIGMOID_ENTRIES`] `u16` in the constants section.
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

fn check_wide(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: WideTable = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    let unknown = LoadError::OperatorKind { op: op.index, code: u32::from(attributes.function) };
    ensure(WideFunction::from_code(attributes.function).is_some(), unknown)?;
    ensure(attributes.multiplier >> 15 == 0, LoadError::Multiplier { op: op.index, channel: 0 })?;
    ensure(attributes.shift <= 30, LoadError::Shift { op: op.index, channel: 0 })?;
    op.check_constant(attributes.table, SIGMOID_ENTRIES.checked_mul(2))?;
    check_elementwise(op, DataType::I16)
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    if op.input(0).data_type.is_wide() {
        op.check_operands(1, 1)?;
        return check_wide(op);
    }
    let attributes: Table = op.read_attributes()?;
    op.check_operands(1, 1)?;
    op.check_constant(attributes.table, Some(TABLE_ENTRIES))?;
    check_elementwise(op, DataType::I8)
}
