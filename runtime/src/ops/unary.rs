//! Evaluation of [`Opcode::Unary`](bantam_format::Opcode::Unary).

use super::Context;
use crate::kernels::scalar;
use bantam_format::ops::{self, UnaryKind};

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::Unary::read(context.op.attributes());
    let kind = UnaryKind::from_code(attributes.kind)?;
    for value in context.in_place::<f32>(0)? {
        *value = scalar::unary(kind, attributes.p, attributes.q, *value);
    }
    Some(())
}
