//! Evaluation of [`Opcode::ArgMax`](bantam_format::Opcode::ArgMax).

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::{DataType, ops};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::ArgMax::read(context.op.attributes());
    let classes = context.op.input(0).shape.innermost();
    let rows = ops::ArgMax::rows(&context.op.input(0));
    let selected = [attributes.select_last == 1, attributes.select_least == 1];
    if context.is(DataType::F32) {
        context.banded(&rows, |_, input, output| scalar::arg_max::<f32>(classes, selected, input, output))
    } else if context.is(DataType::I16) {
        context.banded(&rows, |_, input, output| scalar::arg_max::<i16>(classes, selected, input, output))
    } else {
        context.banded(&rows, |_, input, output| scalar::arg_max::<i8>(classes, selected, input, output))
    }
}
