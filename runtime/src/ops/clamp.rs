//! Evaluation of [`Opcode::Clamp`](bantam_format::Opcode::Clamp).

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::{DataType, ops};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    if context.is(DataType::F32) {
        let attributes = ops::FloatClamp::read(context.op.attributes());
        scalar::clamp::<f32>([attributes.clamp_min, attributes.clamp_max], context.in_place(0)?);
    } else if context.is(DataType::I16) {
        let attributes = ops::WideClamp::read(context.op.attributes());
        scalar::clamp::<i16>([attributes.clamp_min, attributes.clamp_max], context.in_place(0)?);
    } else {
        let attributes = ops::IntegerClamp::read(context.op.attributes());
        scalar::clamp::<i8>([attributes.clamp_min, attributes.clamp_max], context.in_place(0)?);
    }
    Some(())
}
