//! Attributes and rules of [`Opcode::Gather`](crate::Opcode::Gather).

use crate::bytes::{narrow, record, size};
use crate::check::{Cost, ensure};
use crate::{ABSENT, DataType, LoadError, Op};

record! {
    /// 12 bytes. One slice of the first input along `axis` per position. The positions are constants, or the second
    /// input, whose elements are brought into range.
    pub struct Gather {
        /// The axis along which slices are taken.
        pub axis: u8,
        /// Zero.
        pub reserved: [u8; 3],
        /// Number of constant positions; zero where they are an input.
        pub count: u32,
        /// Byte offset of the positions, `u32` each, in the constants section; absent where they are an input.
        pub positions: u32,
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Gather = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    op.check_any_operands(1..=2)?;
    let (input, output) = (op.input(0), op.output(0));
    op.check_type(&output, &[input.data_type])?;
    op.check_axis(attributes.axis, input.shape.rank())?;
    let taken = input.shape.dimension(usize::from(attributes.axis));
    let (count, scanned) = if op.input_count == 2 {
        op.check_type(&op.input(1), &[DataType::I32])?;
        op.check_reserved(&attributes.count.to_le_bytes())?;
        op.check_reserved(&(attributes.positions ^ ABSENT).to_le_bytes())?;
        (op.input(1).shape.elements(), 0)
    } else {
        let count = size(attributes.count);
        let bytes = op.check_constant(attributes.positions, count.checked_mul(4))?;
        for (index, position) in bytes.as_chunks::<4>().0.iter().enumerate() {
            let inside = size(u32::from_le_bytes(*position)) < taken;
            ensure(inside, LoadError::GatherPosition { op: op.index, position: narrow(index) })?;
        }
        (count, bytes.len())
    };
    // `elements / taken` slices, each `count` times.
    let others = input.shape.elements().checked_div(taken).unwrap_or(0);
    ensure(others.checked_mul(count) == Some(output.shape.elements()), op.shape_error())?;
    Ok(Cost::work(&[output.shape.elements()]).looking_at(scanned))
}
