//! Evaluation of [`Opcode::Softmax`](bantam_format::Opcode::Softmax) and
//! [`Opcode::LogSoftmax`](bantam_format::Opcode::LogSoftmax).

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::{DataType, ops};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let classes = context.op.input(0).shape.innermost();
    if context.is(DataType::F32) {
        let attributes = ops::FloatSoftmax::read(context.op.attributes());
        scalar::softmax_f32(classes, attributes.beta, context.in_place(0)?);
    } else if context.is(DataType::I16) {
        let attributes = ops::WideSoftmax::read(context.op.attributes());
        let table = |offset: u32| context.constant::<i16>(offset, ops::WIDE_TABLE_ENTRIES);
        let tables = [table(attributes.exponentials)?, table(attributes.reciprocals)?];
        scalar::softmax_i16(classes, (attributes.multiplier, attributes.shift), tables, context.in_place(0)?);
    } else {
        let attributes = ops::IntegerSoftmax::read(context.op.attributes());
        scalar::softmax_i8(classes, attributes.multiplier, attributes.shift, context.in_place(0)?);
    }
    Some(())
}

pub(super) fn eval_logarithm<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let classes = context.op.input(0).shape.innermost();
    if context.is(DataType::F32) {
        let attributes = ops::FloatSoftmax::read(context.op.attributes());
        scalar::log_softmax_f32(classes, attributes.beta, context.in_place(0)?);
    } else {
        let attributes = ops::IntegerSoftmax::read(context.op.attributes());
        scalar::log_softmax_i8(classes, attributes.multiplier, attributes.shift, context.in_place(0)?);
    }
    Some(())
}
