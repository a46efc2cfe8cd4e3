//! Attributes and rules of [`Opcode::TopK`](crate::Opcode::TopK).

use crate::bytes::{record, size};
use crate::check::{Cost, ensure};
use crate::{DataType, LoadError, Op};

record! {
    /// 8 bytes. Input `[..., n]`, output 32-bit with `count` elements per row: the positions of the best, best first.
    pub struct TopK {
        /// How many, 1 to n.
        pub count: u32,
        /// 1 where the smallest are the best, 0 where the largest are.
        pub select_least: u8,
        /// Zero.
        pub reserved: [u8; 3],
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: TopK = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    ensure(attributes.select_least <= 1, LoadError::AttributeReserved { op: op.index })?;
    op.check_operands(1, 1)?;
    op.check_type(&op.output(0), &[DataType::I32])?;
    let shape = op.input(0).shape;
    ensure(shape.rank() > 0, LoadError::OperandRank { op: op.index })?;
    let count = size(attributes.count);
    ensure((1..=shape.innermost()).contains(&count), op.shape_error())?;
    let rows = shape.elements().checked_div(shape.innermost());
    ensure(rows.and_then(|rows| rows.checked_mul(count)) == Some(op.output(0).shape.elements()), op.shape_error())?;
    Ok(Cost::work(&[shape.elements(), count]))
}
