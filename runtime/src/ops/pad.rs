//! Evaluation of [`Opcode::Pad`](bantam_format::Opcode::Pad).

use super::Context;
use crate::kernels::scalar;
use bantam_format::ops::{self, PadMode};
use bantam_format::{DataType, MAX_RANK};

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::Pad::read(context.op.attributes());
    let (from, to) = (context.op.input(0), context.op.output(0));
    // Shapes are padded with ones in front, so the record's numbers move back by as many axes.
    let mut before = [0; MAX_RANK];
    let axes = before.iter_mut().skip(MAX_RANK.checked_sub(from.shape.rank())?);
    for (to, count) in axes.zip(attributes.before) {
        *to = count as usize;
    }
    let pad = scalar::Pad {
        mode: PadMode::from_code(attributes.mode)?,
        input: from.shape.padded(),
        output: to.shape.padded(),
        before,
    };
    let value = attributes.value.cast_signed();
    if from.data_type == DataType::I8 {
        let (input, output) = context.operands::<i8, i8>(0)?;
        scalar::pad(&pad, value as i8, input, output);
    } else {
        let (input, output) = context.operands::<i32, i32>(0)?;
        scalar::pad(&pad, value, input, output);
    }
    Some(())
}
