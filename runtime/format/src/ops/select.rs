//! Rules of [`Opcode::Select`](crate::Opcode::Select), which has no attributes.

use crate::check::{Cost, ensure};
use crate::{DataType, LoadError, Op};

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    op.check_any_operands(3..=3)?;
    let output = op.output(0);
    op.check_type(&op.input(0), &[DataType::I32])?;
    for position in 0..3 {
        if position > 0 {
            op.check_type(&op.input(position), &[output.data_type])?;
        }
        ensure(op.input(position).shape.broadcast(&output.shape).is_some(), op.shape_error())?;
    }
    Ok(Cost::work(&[output.shape.elements()]))
}
