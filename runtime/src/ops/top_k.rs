//! Evaluation of [`Opcode::TopK`](bantam_format::Opcode::TopK).

use super::Context;
use crate::kernels::scalar;
use crate::views::Element;
use bantam_format::{DataType, ops};

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    match context.op.input(0).data_type {
        DataType::F32 => top_k::<f32>(context),
        DataType::I32 => top_k::<i32>(context),
        _ => top_k::<i8>(context),
    }
}

fn top_k<T: Element + PartialOrd>(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::TopK::read(context.op.attributes());
    let classes = context.op.input(0).shape.innermost();
    let (input, output) = context.operands::<T, i32>(0)?;
    scalar::top_k(classes, attributes.count as usize, attributes.select_least == 1, input, output);
    Some(())
}
