//! Evaluation of [`Opcode::FullyConnected`](bantam_format::Opcode::FullyConnected).

use super::Context;
use crate::kernels::{ClampFloat, scalar};
use bantam_format::{DataType, ops};

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::FullyConnected::read(context.op.attributes());
    let (depth, channels) = (context.op.input(0).shape.innermost(), context.op.output(0).shape.innermost());
    let weights = channels.checked_mul(depth)?;
    if context.op.input(0).data_type == DataType::F32 {
        let (weights, bias) =
            (context.constant(attributes.weights, weights)?, context.bias(attributes.bias, channels)?);
        let epilogue = ClampFloat::new(&attributes.epilogue.float());
        let (input, output) = context.operands(0)?;
        scalar::fully_connected::<f32, _>(depth, channels, input, 0, weights, bias, &epilogue, output);
    } else {
        let (weights, bias) =
            (context.constant(attributes.weights, weights)?, context.bias(attributes.bias, channels)?);
        let epilogue = attributes.epilogue.integer();
        let requantization = context.requantization(&epilogue, attributes.per_channel == 1, channels)?;
        let zero_point = i32::from(epilogue.input_zero_point);
        let (input, output) = context.operands(0)?;
        scalar::fully_connected::<i8, _>(depth, channels, input, zero_point, weights, bias, &requantization, output);
    }
    Some(())
}
