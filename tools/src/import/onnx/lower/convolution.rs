//! Convolution.

use super::super::attributes::refuse;
use super::super::error::Reason;
use super::super::lowering::Lowering;
use super::window;
use crate::graph::ops::Conv2d;
use crate::graph::{Activation, Op};

/// `Conv`: weights OI(H)W become OHWI, the operand NHWC.
pub(super) fn convolution(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let weights = lowering.input(1)?;
    lowering.constant_f32(1)?;
    let image = window::image(lowering)?;
    let (kernel, weights) = match (image.axes, lowering.shape(weights).as_slice()) {
        (2, &[_, _, height, width]) => ([height, width], weights),
        (1, &[out, channels, width]) => ([1, width], lowering.reshape(weights, &[out, channels, 1, width])?),
        (axes, other) => {
            return Err(Reason::Operand(format!("the weights have shape {other:?}, expected {} dimensions", axes + 2)));
        }
    };
    let weights = lowering.transpose(weights, &[0, 2, 3, 1])?;
    let window = window::window(lowering, &image, Some(kernel))?;
    let groups = lowering.attributes.int("group")?.unwrap_or(1);
    let groups =
        usize::try_from(groups).map_err(|_| refuse("group", groups.to_string(), "a positive number is expected"))?;
    let mut operands = vec![image.value, weights];
    if let Some(bias) = lowering.optional_input(2) {
        lowering.constant_f32(2)?;
        operands.push(bias);
    }
    let conv = Conv2d {
        stride: window.stride,
        dilation: window.dilation,
        padding: window.padding,
        groups,
        activation: Activation::NONE,
    };
    let result = lowering.emit(Op::Conv2d(conv), &operands)?;
    window::finish(lowering, result, image.axes)
}
