//! Evaluation of [`Opcode::Reshape`](bantam_format::Opcode::Reshape): a copy, or nothing where the memory is shared.

use super::Context;

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let (input, output) = (context.op.input(0), context.op.output(0));
    context.copy(&input, &output)
}
