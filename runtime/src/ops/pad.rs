//! Evaluation of [`Opcode::Pad`](bantam_format::Opcode::Pad).

use super::{Context, Source};
use crate::kernels::scalar;
use crate::views::Element;
use bantam_format::ops::{self, PadMode};
use bantam_format::{DataType, MAX_RANK};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::Pad::read(context.op.attributes());
    let (from, to) = (context.op.input(0), context.op.output(0));
    // Shapes are padded with ones in front, so the record's numbers move back by as many axes.
    let mut before = [0; MAX_RANK];
    let axes = before.iter_mut().skip(MAX_RANK.checked_sub(from.shape.rank())?);
    for (to, count) in axes.zip(attributes.before) {
        *to = count as usize;
    }
    let pad = scalar::Pad {
        mode: PadMode::from_code(attributes.mode)?,
        input: from.shape.padded(),
        output: to.shape.padded(),
        before,
    };
    let value = attributes.value.cast_signed();
    if context.is(DataType::I8) {
        eval_as(context, &attributes, &pad, value as i8)
    } else if context.is(DataType::I16) {
        eval_as(context, &attributes, &pad, value as i16)
    } else {
        eval_as(context, &attributes, &pad, value)
    }
}

fn eval_as<T: Element, S: Source>(
    context: &mut Context<'_, S>,
    attributes: &ops::Pad,
    pad: &scalar::Pad,
    value: T,
) -> Option<()> {
    let (from, to) = (context.op.input(0), context.op.output(0));
    let Some(rows) = attributes.rows(&from, &to) else {
        let (input, output) = context.operands(0)?;
        scalar::pad(pad, value, input, output);
        return Some(());
    };
    let axis = ops::Pad::row_axis(&from, &to).checked_add(MAX_RANK.checked_sub(from.shape.rank())?)?;
    context.banded(&rows, |band, input, output| scalar::pad(&pad.band(axis, band), value, input, output))
}
