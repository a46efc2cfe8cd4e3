//! Evaluation of [`Opcode::Rescale`](bantam_format::Opcode::Rescale).

use super::{Context, Source};
use crate::kernels::scalar::Rescaling;
use crate::views::Element;
use bantam_format::DataType;
use bantam_format::ops::{self, Negation, QuantizeParameters};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    if context.is(DataType::I8) {
        from::<i8, S>(context)
    } else if context.is(DataType::I16) {
        from::<i16, S>(context)
    } else {
        from::<i32, S>(context)
    }
}

fn from<I: Element + Into<i32>, S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    if context.makes(DataType::I8) {
        rescale::<I, i8, S>(context, |value| value as i8)
    } else if context.makes(DataType::I16) {
        rescale::<I, i16, S>(context, |value| value as i16)
    } else {
        rescale::<I, i32, S>(context, |value| value)
    }
}

fn rescale<I: Element + Into<i32>, O: Element, S: Source>(
    context: &mut Context<'_, S>,
    narrow: impl Fn(i32) -> O,
) -> Option<()> {
    let attributes = ops::Rescale::read(context.op.attributes());
    let rescaling = Rescaling {
        zero_points: [attributes.input_zero_point, attributes.output_zero_point],
        clamp: [attributes.clamp_min, attributes.clamp_max],
        multipliers: [
            (attributes.first_multiplier, attributes.first_shift),
            (attributes.second_multiplier, attributes.second_shift),
        ],
        negation: Negation::from_code(attributes.negation)?,
    };
    let rows = QuantizeParameters::rows(&context.op.input(0), &context.op.output(0));
    context.banded::<I, O>(&rows, |_, input, output| {
        for (to, &from) in output.iter_mut().zip(input) {
            *to = narrow(rescaling.apply(from.into()));
        }
    })
}
