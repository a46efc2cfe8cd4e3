//! Evaluation of [`Opcode::Table`](bantam_format::Opcode::Table).

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::DataType;
use bantam_format::ops::{self, WideFunction};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    if context.is(DataType::I16) {
        let attributes = ops::WideTable::read(context.op.attributes());
        let function = WideFunction::from_code(attributes.function)?;
        let table = context.constant::<i16>(attributes.table, ops::SIGMOID_ENTRIES)?;
        scalar::sigmoid_table(function, attributes.multiplier, attributes.shift, table, context.in_place(0)?);
        return Some(());
    }
    let attributes = ops::Table::read(context.op.attributes());
    let table = context.constant::<i8>(attributes.table, ops::TABLE_ENTRIES)?.first_chunk()?;
    scalar::table(table, context.in_place(0)?);
    Some(())
}
