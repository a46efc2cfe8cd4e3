//! Evaluation of [`Opcode::Table`](bantam_format::Opcode::Table).

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::ops;

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::Table::read(context.op.attributes());
    let table = context.constant::<i8>(attributes.table, ops::TABLE_ENTRIES)?.first_chunk()?;
    scalar::table(table, context.in_place(0)?);
    Some(())
}
