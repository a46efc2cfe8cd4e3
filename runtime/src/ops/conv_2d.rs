//! Evaluation of [`Opcode::Conv2d`](bantam_format::Opcode::Conv2d).

use super::Context;
use crate::kernels::{ClampFloat, Convolution, scalar};
use bantam_format::{DataType, Tensor, ops};

/// The geometry that both convolutions hand to their kernels.
pub(super) fn geometry(window: &ops::Window, groups: u16, input: &Tensor, output: &Tensor) -> Convolution {
    Convolution {
        kernel: [usize::from(window.kernel_height), usize::from(window.kernel_width)],
        stride: [usize::from(window.stride_height), usize::from(window.stride_width)],
        dilation: [usize::from(window.dilation_height), usize::from(window.dilation_width)],
        pad: [usize::from(window.pad_top), usize::from(window.pad_left)],
        input: [input.shape.dimension(1), input.shape.dimension(2), input.shape.dimension(3)],
        output: [output.shape.dimension(1), output.shape.dimension(2), output.shape.dimension(3)],
        groups: usize::from(groups),
    }
}

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::Conv2d::read(context.op.attributes());
    let (input, output) = (context.op.input(0), context.op.output(0));
    let geometry = geometry(&attributes.window, attributes.groups, &input, &output);
    let [_, _, channels] = geometry.output;
    let weights = channels.checked_mul(geometry.taps())?;
    if input.data_type == DataType::F32 {
        let (weights, bias) =
            (context.constant(attributes.weights, weights)?, context.bias(attributes.bias, channels)?);
        let epilogue = ClampFloat::new(&attributes.epilogue.float());
        context.banded(&attributes.window, |band, input, output| {
            scalar::conv_2d::<f32, _>(&geometry, band, input, 0, weights, bias, &epilogue, output);
        })
    } else {
        let (weights, bias) =
            (context.constant(attributes.weights, weights)?, context.bias(attributes.bias, channels)?);
        let epilogue = attributes.epilogue.integer();
        let requantization = context.requantization(&epilogue, attributes.per_channel == 1, channels)?;
        let zero_point = i32::from(epilogue.input_zero_point);
        context.banded(&attributes.window, |band, input, output| {
            scalar::conv_2d::<i8, _>(&geometry, band, input, zero_point, weights, bias, &requantization, output);
        })
    }
}
