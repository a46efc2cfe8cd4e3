//! Evaluation of [`Opcode::Unary`](bantam_format::Opcode::Unary).

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::ops::{self, UnaryKind};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::Unary::read(context.op.attributes());
    let kind = UnaryKind::from_code(attributes.kind)?;
    for value in context.in_place::<f32>(0)? {
        *value = scalar::unary(kind, attributes.p, attributes.q, *value);
    }
    Some(())
}
