//! Evaluation of [`Opcode::Reshape`](bantam_format::Opcode::Reshape): a copy, or nothing where the memory is shared.

use super::Context;

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    context.move_input(0)
}
