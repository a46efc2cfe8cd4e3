//! Evaluation of [`Opcode::Reshape`](bantam_format::Opcode::Reshape): a copy, or nothing where the memory is shared.

use super::{Context, Source};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    context.move_input(0)
}
