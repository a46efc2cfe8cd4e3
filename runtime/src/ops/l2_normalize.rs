//! Evaluation of [`Opcode::L2Normalize`](bantam_format::Opcode::L2Normalize).

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::{DataType, ops};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let length = context.op.input(0).shape.innermost();
    if context.is(DataType::F32) {
        scalar::l2_normalize_f32(length, context.in_place(0)?);
    } else {
        let zero_point = ops::L2Normalize::read(context.op.attributes()).zero_point;
        scalar::l2_normalize_i8(length, zero_point, context.in_place(0)?);
    }
    Some(())
}
