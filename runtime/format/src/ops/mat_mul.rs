//! Attributes and rules of [`Opcode::MatMul`](crate::Opcode::MatMul).

use super::Epilogue;
use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{DataType, LoadError, Op, Shape};

record! {
    /// 12 bytes. Inputs `[.., m, k]` and `[.., k, n]`, output `[.., m, n]`; the leading dimensions broadcast.
    pub struct MatMul {
        /// 8-bit: zero point of the second input. Else zero.
        pub second_zero_point: i8,
        /// Zero.
        pub reserved: [u8; 3],
        /// What the sums become; a table has one entry.
        pub epilogue: Epilogue,
    }
}

impl MatMul {
    /// `[m, k, n]` of two matrices and their product; `None` where they do not fit.
    pub fn sizes(first: &Shape, second: &Shape, output: &Shape) -> Option<[usize; 3]> {
        let last = |shape: &Shape| match shape.dimensions() {
            [.., rows, columns] => Some((crate::bytes::size(*rows), crate::bytes::size(*columns))),
            _ => None,
        };
        let ((m, k), (depth, n)) = (last(first)?, last(second)?);
        (k == depth && last(output) == Some((m, n))).then_some([m, k, n])
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: MatMul = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    op.check_any_operands(2..=2)?;
    let (first, second, output) = (op.input(0), op.input(1), op.output(0));
    let data_type = op.check_type(&first, &[DataType::I8, DataType::I16, DataType::F32])?;
    op.check_type(&second, &[data_type])?;
    op.check_type(&output, &[data_type])?;
    let [m, k, n] = MatMul::sizes(&first.shape, &second.shape, &output.shape).ok_or(op.shape_error())?;
    let batch = output.shape.without_last(2).ok_or(op.shape_error())?;
    for operand in [&first, &second] {
        let leading = operand.shape.without_last(2);
        ensure(leading.is_some_and(|leading| leading.broadcast(&batch).is_some()), op.shape_error())?;
    }
    if data_type.is_real() {
        op.check_reserved(&attributes.second_zero_point.to_le_bytes())?;
        attributes.epilogue.check_float(op)?;
    } else if data_type.is_wide() {
        op.check_reserved(&attributes.second_zero_point.to_le_bytes())?;
        // |element| <= 2^15, and sums stay below 2^47.
        ensure(k < 1 << 17, LoadError::Accumulator { op: op.index })?;
        attributes.epilogue.check_wide(op, 1, false)?;
    } else {
        let sum = k.checked_mul(255 * 255).and_then(|s| i32::try_from(s).ok());
        ensure(sum.is_some(), LoadError::Accumulator { op: op.index })?;
        attributes.epilogue.check_integer(op, 1)?;
    }
    Ok(Cost::macs(&[batch.elements(), m, k, n]))
}
