//! Evaluation of [`Opcode::Quantize`](bantam_format::Opcode::Quantize) and
//! [`Opcode::Dequantize`](bantam_format::Opcode::Dequantize).

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::overlap::RowWindow;
use bantam_format::{Arithmetic, ops};

fn rows<S: Source>(context: &Context<'_, S>) -> RowWindow {
    ops::QuantizeParameters::rows(&context.op.input(0), &context.op.output(0))
}

pub(super) fn eval_quantize<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::QuantizeParameters::read(context.op.attributes());
    let half_away = context.arithmetic() == Arithmetic::Tflite;
    context.banded(&rows(context), |_, input, output| {
        for (to, &from) in output.iter_mut().zip(input) {
            *to = scalar::quantize(from, attributes.scale, attributes.zero_point, half_away);
        }
    })
}

pub(super) fn eval_dequantize<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::QuantizeParameters::read(context.op.attributes());
    context.banded(&rows(context), |_, input, output| {
        for (to, &from) in output.iter_mut().zip(input) {
            *to = scalar::dequantize(from, attributes.scale, attributes.zero_point);
        }
    })
}
