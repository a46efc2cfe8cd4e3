//! Convolution.

use super::super::attributes::refuse;
use super::super::lowering::Lowering;
use super::{volume, window};
use crate::graph::ops::{Conv2d, ConvTranspose2d, Padding};
use crate::graph::{Activation, Op};
use crate::import::Reason;

/// `Conv`: weights OI(H)W become OHWI, the operand NHWC. With three spatial axes see [`volume`].
pub(super) fn convolution(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let weights = lowering.weights(1)?;
    let bias = lowering.optional_input(2).map(|_| lowering.weights(2)).transpose()?;
    let groups = lowering.attributes.int("group")?.unwrap_or(1);
    let groups =
        usize::try_from(groups).map_err(|_| refuse("group", groups.to_string(), "a positive number is expected"))?;
    if volume::is_volume(lowering) {
        return volume::convolution(lowering, groups);
    }
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
    let mut operands = vec![image.value, weights];
    operands.extend(bias);
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

/// `ConvTranspose`: weights I(O / groups)(H)W become OHW(I / groups), the operand NHWC.
pub(super) fn transposed(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let weights = lowering.weights(1)?;
    let image = window::image(lowering)?;
    let axes = image.axes;
    let (channels, group_out, kernel) = match (axes, lowering.shape(weights).as_slice()) {
        (2, &[channels, out, height, width]) => (channels, out, [height, width]),
        (1, &[channels, out, width]) => (channels, out, [1, width]),
        (axes, other) => {
            return Err(Reason::Operand(format!("the weights have shape {other:?}, expected {} dimensions", axes + 2)));
        }
    };
    let groups = lowering.attributes.int("group")?.unwrap_or(1);
    let groups = usize::try_from(groups)
        .ok()
        .filter(|&groups| groups > 0 && channels.is_multiple_of(groups))
        .ok_or_else(|| refuse("group", groups.to_string(), "it must divide the channels"))?;
    let group_channels = channels / groups;
    let weights = lowering.reshape(weights, &[groups, group_channels, group_out, kernel[0], kernel[1]])?;
    let weights = lowering.transpose(weights, &[0, 2, 3, 4, 1])?;
    let out = groups.saturating_mul(group_out);
    let weights = lowering.reshape(weights, &[out, kernel[0], kernel[1], group_channels])?;
    let mut conv = transposed_window(lowering, &image, kernel)?;
    conv.groups = groups;
    let mut operands = vec![image.value, weights];
    if lowering.optional_input(2).is_some() {
        operands.push(lowering.weights(2)?);
    }
    let result = lowering.emit(Op::ConvTranspose2d(conv), &operands)?;
    window::finish(lowering, result, axes)
}

/// Stride, dilation and padding; the padding follows from the result's size where that is given.
fn transposed_window(
    lowering: &mut Lowering<'_>,
    image: &window::Image,
    kernel: [usize; 2],
) -> Result<ConvTranspose2d, Reason> {
    let axes = image.axes;
    if let Some(given) = window::pair(lowering, "kernel_shape", axes)?
        && given != kernel
    {
        // One-dimensional kernels have a height of 1.
        return Err(refuse("kernel_shape", format!("{given:?}"), format!("the weights have {kernel:?}")));
    }
    let stride = window::pair(lowering, "strides", axes)?.unwrap_or([1, 1]);
    let dilation = window::pair(lowering, "dilations", axes)?.unwrap_or([1, 1]);
    let mut output_padding = window::pair(lowering, "output_padding", axes)?.unwrap_or([0, 0]);
    let output_shape = window::pair(lowering, "output_shape", axes)?;
    if axes == 1 {
        output_padding[0] = 0;
    }
    let mut padding = window::pads(lowering, axes)?;
    let auto = lowering.attributes.string("auto_pad")?.unwrap_or("NOTSET");
    let known = ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"];
    if !known.contains(&auto) {
        return Err(refuse("auto_pad", auto, "NOTSET, VALID, SAME_UPPER or SAME_LOWER is expected"));
    }
    for axis in (2 - axes)..2 {
        let wanted = match (output_shape, auto) {
            (Some(shape), _) => shape[axis],
            (None, "SAME_UPPER" | "SAME_LOWER") => image.extent[axis].saturating_mul(stride[axis]),
            (None, _) => continue,
        };
        let window = kernel[axis].saturating_sub(1).saturating_mul(dilation[axis]).saturating_add(1);
        let steps = image.extent[axis].saturating_sub(1).saturating_mul(stride[axis]);
        let whole = steps.saturating_add(window).saturating_add(output_padding[axis]);
        let total = match whole.checked_sub(wanted) {
            Some(total) => total,
            None => {
                // A result larger than the windows reach ends in positions that only have the bias.
                output_padding[axis] = output_padding[axis].saturating_add(wanted - whole);
                0
            }
        };
        let (small, large) = (total / 2, total - total / 2);
        padding[axis] = if auto == "SAME_UPPER" { [small, large] } else { [large, small] };
    }
    let [[top, bottom], [left, right]] = padding;
    Ok(ConvTranspose2d {
        stride,
        dilation,
        padding: Padding { top, left, bottom, right },
        output_padding,
        groups: 1,
        activation: Activation::NONE,
    })
}
