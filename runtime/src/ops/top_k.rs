//! Evaluation of [`Opcode::TopK`](bantam_format::Opcode::TopK).

use super::{Context, Source};
use crate::kernels::scalar;
use crate::views::Element;
use bantam_format::{DataType, ops};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    if context.is(DataType::F32) {
        top_k::<f32, S>(context)
    } else if context.is(DataType::I32) {
        top_k::<i32, S>(context)
    } else if context.is(DataType::I16) {
        top_k::<i16, S>(context)
    } else {
        top_k::<i8, S>(context)
    }
}

fn top_k<T: Element + PartialOrd, S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::TopK::read(context.op.attributes());
    let classes = context.op.input(0).shape.innermost();
    let (input, output) = context.operands::<T, i32>(0)?;
    scalar::top_k(classes, attributes.count as usize, attributes.select_least == 1, input, output);
    Some(())
}
