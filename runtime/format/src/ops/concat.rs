//! Attributes and rules of [`Opcode::Concat`](crate::Opcode::Concat).

use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{LoadError, Op};

record! {
    /// 4 bytes. Inputs of one type that differ in no dimension but `axis`; the output has the sum of theirs.
    pub struct Concat {
        /// The axis along which they are joined.
        pub axis: u8,
        /// Zero.
        pub reserved: [u8; 3],
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Concat = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    op.check_any_operands(1..=usize::from(u8::MAX))?;
    let output = op.output(0);
    let wanted = output.shape.dimensions();
    op.check_axis(attributes.axis, wanted.len())?;
    let axis = usize::from(attributes.axis);
    let mut sum = 0usize;
    for position in 0..op.input_count {
        let input = op.input(position);
        op.check_type(&input, &[output.data_type])?;
        let given = input.shape.dimensions();
        let mut pairs = given.iter().zip(wanted).enumerate();
        let fits = given.len() == wanted.len() && pairs.all(|(at, (given, wanted))| at == axis || given == wanted);
        ensure(fits, op.shape_error())?;
        sum = sum.saturating_add(input.shape.dimension(axis));
    }
    ensure(sum == output.shape.dimension(axis), op.shape_error())?;
    Ok(Cost::work(&[output.shape.elements()]))
}
