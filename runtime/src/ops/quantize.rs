//! Evaluation of [`Opcode::Quantize`](bantam_format::Opcode::Quantize) and
//! [`Opcode::Dequantize`](bantam_format::Opcode::Dequantize).

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::overlap::RowWindow;
use bantam_format::{Arithmetic, DataType, ops};

fn rows<S: Source>(context: &Context<'_, S>) -> RowWindow {
    ops::QuantizeParameters::rows(&context.op.input(0), &context.op.output(0))
}

pub(super) fn eval_quantize<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::QuantizeParameters::read(context.op.attributes());
    let half_away = context.arithmetic() == Arithmetic::Tflite;
    if context.makes(DataType::I16) {
        return context.banded(&rows(context), |_, input, output| {
            for (to, &from) in output.iter_mut().zip(input) {
                *to = scalar::quantize_wide(from, attributes.scale, attributes.zero_point, half_away);
            }
        });
    }
    context.banded(&rows(context), |_, input, output| {
        for (to, &from) in output.iter_mut().zip(input) {
            *to = scalar::quantize(from, attributes.scale, attributes.zero_point, half_away);
        }
    })
}

pub(super) fn eval_dequantize<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::QuantizeParameters::read(context.op.attributes());
    if context.is(DataType::I16) {
        return context.banded(&rows(context), |_, input, output| {
            for (to, &from) in output.iter_mut().zip(input) {
                *to = scalar::dequantize_wide(from, attributes.scale, attributes.zero_point);
            }
        });
    }
    context.banded(&rows(context), |_, input, output| {
        for (to, &from) in output.iter_mut().zip(input) {
            *to = scalar::dequantize(from, attributes.scale, attributes.zero_point);
        }
    })
}
