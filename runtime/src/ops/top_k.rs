//! Evaluation of [`Opcode::TopK`](bantam_format::Opcode::TopK).

use super::{Context, Source};
use crate::kernels::scalar;
use crate::views::Element;
use bantam_format::{DataType, ops};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let integer = |value: i32, least: bool| if least { !value } else { value };
    if context.is(DataType::F32) {
        top_k(context, scalar::float_key)
    } else if context.is(DataType::I32) {
        top_k(context, integer)
    } else if context.is(DataType::I16) {
        top_k(context, |value: i16, least| integer(value.into(), least))
    } else {
        top_k(context, |value: i8, least| integer(value.into(), least))
    }
}

/// `key` orders elements; its second argument is whether the least come first.
fn top_k<T: Element, S: Source>(context: &mut Context<'_, S>, key: impl Fn(T, bool) -> i32) -> Option<()> {
    let attributes = ops::TopK::read(context.op.attributes());
    let classes = context.op.input(0).shape.innermost();
    let (input, output) = context.operands::<T, i32>(0)?;
    let key = |index: usize| input.get(index).map_or(i32::MIN, |&value| key(value, attributes.select_least == 1));
    scalar::top_k(classes, attributes.count as usize, &key, output);
    Some(())
}
