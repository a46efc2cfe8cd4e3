//! Evaluation of [`Opcode::Cast`](bantam_format::Opcode::Cast).

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::DataType;

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    if context.is(DataType::F32) {
        let (input, output) = context.operands::<f32, i32>(0)?;
        output.iter_mut().zip(input).for_each(|(out, &x)| *out = scalar::truncate(x));
    } else {
        let (input, output) = context.operands::<i32, f32>(0)?;
        output.iter_mut().zip(input).for_each(|(out, &x)| *out = x as f32);
    }
    Some(())
}
