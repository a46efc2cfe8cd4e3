//! Evaluation of [`Opcode::Normalize`](bantam_format::Opcode::Normalize).

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::ops;

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::Normalize::read(context.op.attributes());
    let inner = attributes.inner(context.op.input(0).shape.dimensions())?;
    let (scale, offset) = (context.bias(attributes.scale, inner)?, context.bias(attributes.offset, inner)?);
    let root_mean_square = attributes.root_mean_square == 1;
    scalar::normalize(inner, root_mean_square, attributes.epsilon, scale, offset, context.in_place(0)?);
    Some(())
}
