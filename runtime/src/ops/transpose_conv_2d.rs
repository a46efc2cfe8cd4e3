//! Evaluation of [`Opcode::TransposeConv2d`](bantam_format::Opcode::TransposeConv2d).

use super::Context;
use super::conv_2d::geometry;
use crate::kernels::{ClampFloat, scalar};
use bantam_format::{DataType, ops};

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::TransposeConv2d::read(context.op.attributes());
    let (input, output) = (context.op.input(0), context.op.output(0));
    let geometry = geometry(&attributes.window, attributes.groups, &input, &output);
    let [_, _, channels] = geometry.output;
    let weights = channels.checked_mul(geometry.taps())?;
    if input.data_type == DataType::F32 {
        let (weights, bias) =
            (context.constant(attributes.weights, weights)?, context.bias(attributes.bias, channels)?);
        let epilogue = ClampFloat::new(&attributes.epilogue.float());
        let (input, output) = context.operands(0)?;
        scalar::transpose_conv_2d::<f32, _>(&geometry, input, 0, weights, bias, &epilogue, output);
    } else {
        let (weights, bias) =
            (context.constant(attributes.weights, weights)?, context.bias(attributes.bias, channels)?);
        let epilogue = attributes.epilogue.integer();
        let requantization = context.requantization(&epilogue, attributes.per_channel == 1, channels)?;
        let zero_point = i32::from(epilogue.input_zero_point);
        let (input, output) = context.operands(0)?;
        scalar::transpose_conv_2d::<i8, _>(&geometry, input, zero_point, weights, bias, &requantization, output);
    }
    Some(())
}
