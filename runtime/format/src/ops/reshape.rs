//! Rules of [`Opcode::Reshape`](crate::Opcode::Reshape), which has no attributes.

use crate::check::{Cost, ensure};
use crate::{LoadError, Op};

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    op.check_operands(1, 1)?;
    let (input, output) = (op.input(0), op.output(0));
    op.check_type(&output, &[input.data_type])?;
    ensure(input.shape.elements() == output.shape.elements(), op.shape_error())?;
    Ok(Cost::work(&[output.shape.elements()]))
}
