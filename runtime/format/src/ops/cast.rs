//! Rules of [`Opcode::Cast`](crate::Opcode::Cast), which has no attributes.

use crate::check::{Cost, ensure};
use crate::{DataType, LoadError, Op};

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    op.check_operands(1, 1)?;
    let (input, output) = (op.input(0), op.output(0));
    let from = op.check_type(&input, &[DataType::I32, DataType::F32])?;
    op.check_type(&output, &[if from == DataType::I32 { DataType::F32 } else { DataType::I32 }])?;
    ensure(input.shape == output.shape, op.shape_error())?;
    Ok(Cost::work(&[output.shape.elements()]))
}
