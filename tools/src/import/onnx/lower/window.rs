//! What convolution and pooling share: windows over one or two spatial axes.

use super::super::attributes::refuse;
use super::super::error::Reason;
use super::super::lowering::Lowering;
use crate::graph::ValueId;
use crate::graph::ops::{Padding, Transpose};

/// The windows of a convolution or pooling over height and width. One-dimensional operators have a
/// height of 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) padding: Padding,
    /// What the end was padded further so that the last window, which `ceil_mode` asks for, fits.
    pub(super) extended: [usize; 2],
}

/// The channels-first operand of a spatial operator, as NHWC.
pub(super) struct Image {
    /// `[n, h, w, c]`.
    pub(super) value: ValueId,
    /// Height and width.
    pub(super) extent: [usize; 2],
    /// The number of spatial axes of the operand: 1 or 2.
    pub(super) axes: usize,
}

/// Operand 0 with its axes in NHWC order.
pub(super) fn image(lowering: &mut Lowering<'_>) -> Result<Image, Reason> {
    let value = lowering.input(0)?;
    let (value, extent, axes) = match *lowering.shape(value) {
        [_, _, height, width] => (value, [height, width], 2),
        [batch, channels, width] => (lowering.reshape(value, &[batch, channels, 1, width])?, [1, width], 1),
        ref other => {
            return Err(Reason::Operand(format!("one or two spatial dimensions are supported, got shape {other:?}")));
        }
    };
    let value = lowering.transpose(value, &Transpose::TO_CHANNELS_LAST)?;
    Ok(Image { value, extent, axes })
}

/// Makes an NHWC value the node's result, with the axes that the file expects.
pub(super) fn finish(lowering: &mut Lowering<'_>, value: ValueId, axes: usize) -> Result<(), Reason> {
    let mut value = lowering.transpose(value, &Transpose::TO_CHANNELS_FIRST)?;
    if let (1, &[batch, channels, 1, width]) = (axes, lowering.shape(value).as_slice()) {
        value = lowering.reshape(value, &[batch, channels, width])?;
    }
    lowering.set_output(0, value);
    Ok(())
}

/// Reads kernel, strides, dilations, padding and rounding. `kernel` is what the weights say, where
/// there are weights.
pub(super) fn window(lowering: &mut Lowering<'_>, image: &Image, kernel: Option<[usize; 2]>) -> Result<Window, Reason> {
    let axes = image.axes;
    let given = pair(lowering, "kernel_shape", axes)?;
    let kernel = match (given, kernel) {
        (Some(given), Some(kernel)) if given != kernel => {
            return Err(refuse("kernel_shape", format!("{given:?}"), format!("the weights have {kernel:?}")));
        }
        (_, Some(kernel)) | (Some(kernel), None) => kernel,
        (None, None) => return Err(refuse("kernel_shape", "missing", "it is required")),
    };
    let stride = pair(lowering, "strides", axes)?.unwrap_or([1, 1]);
    let dilation = pair(lowering, "dilations", axes)?.unwrap_or([1, 1]);
    for (name, sizes) in [("kernel_shape", kernel), ("strides", stride), ("dilations", dilation)] {
        if sizes.contains(&0) {
            return Err(refuse(name, format!("{sizes:?}"), "positive numbers are expected"));
        }
    }
    let explicit = pads(lowering, axes)?;
    let ceil = lowering.attributes.flag("ceil_mode", false)?;
    let auto = lowering.attributes.string("auto_pad")?.unwrap_or("NOTSET");
    if auto != "NOTSET" && explicit != [[0; 2]; 2] {
        return Err(refuse("auto_pad", auto, "it excludes explicit pads"));
    }
    if auto != "NOTSET" && ceil {
        return Err(refuse("auto_pad", auto, "it excludes ceil_mode"));
    }
    let mut padding = explicit;
    let mut extended = [0; 2];
    for axis in 0..2 {
        let extent = (kernel[axis] - 1).saturating_mul(dilation[axis]).saturating_add(1);
        match auto {
            "NOTSET" if ceil => {
                let extra = ceil_extension(image.extent[axis], explicit[axis], extent, stride[axis]);
                padding[axis][1] = padding[axis][1].saturating_add(extra);
                extended[axis] = extra;
            }
            "NOTSET" | "VALID" => {}
            "SAME_UPPER" | "SAME_LOWER" => {
                let windows = image.extent[axis].div_ceil(stride[axis]);
                let covered = windows.saturating_sub(1).saturating_mul(stride[axis]).saturating_add(extent);
                let total = covered.saturating_sub(image.extent[axis]);
                let (small, large) = (total / 2, total - total / 2);
                padding[axis] = if auto == "SAME_UPPER" { [small, large] } else { [large, small] };
            }
            other => {
                return Err(refuse("auto_pad", other, "NOTSET, VALID, SAME_UPPER or SAME_LOWER is expected"));
            }
        }
    }
    let [[top, bottom], [left, right]] = padding;
    let padding = Padding { top, left, bottom, right };
    Ok(Window { kernel, stride, dilation, padding, extended })
}

/// What the end needs so that rounding the number of windows up is rounding it down. A last window
/// that would start in the padding after the input is dropped.
fn ceil_extension(input: usize, padding: [usize; 2], extent: usize, stride: usize) -> usize {
    let padded = input.saturating_add(padding[0]).saturating_add(padding[1]);
    let Some(range) = padded.checked_sub(extent) else { return 0 };
    let mut steps = range.div_ceil(stride);
    if steps.saturating_mul(stride) >= input.saturating_add(padding[0]) {
        steps = steps.saturating_sub(1);
    }
    steps.saturating_mul(stride).saturating_sub(range)
}

/// A list with one number per spatial axis, as height and width.
pub(super) fn pair(lowering: &mut Lowering<'_>, name: &str, axes: usize) -> Result<Option<[usize; 2]>, Reason> {
    let Some(list) = lowering.attributes.ints(name)? else { return Ok(None) };
    let size = |number: i64| usize::try_from(number).ok();
    let found = match (axes, list) {
        (1, &[width]) => size(width).map(|width| [1, width]),
        (2, &[height, width]) => size(height).zip(size(width)).map(|(h, w)| [h, w]),
        _ => None,
    };
    found.map(Some).ok_or_else(|| refuse(name, format!("{list:?}"), format!("{axes} sizes are expected")))
}

/// Explicit padding: `[[top, bottom], [left, right]]`.
pub(super) fn pads(lowering: &mut Lowering<'_>, axes: usize) -> Result<[[usize; 2]; 2], Reason> {
    let Some(list) = lowering.attributes.ints("pads")? else { return Ok([[0; 2]; 2]) };
    let sizes: Option<Vec<usize>> = list.iter().map(|&number| usize::try_from(number).ok()).collect();
    match (axes, sizes.as_deref()) {
        (1, Some(&[left, right])) => Ok([[0, 0], [left, right]]),
        (2, Some(&[top, left, bottom, right])) => Ok([[top, bottom], [left, right]]),
        _ => Err(refuse("pads", format!("{list:?}"), format!("{} sizes, none negative, are expected", 2 * axes))),
    }
}

#[cfg(test)]
mod tests {
    use super::ceil_extension;

    #[test]
    fn rounding_up_adds_what_the_last_window_lacks() {
        assert_eq!(ceil_extension(5, [0, 0], 2, 2), 1);
        assert_eq!(ceil_extension(6, [0, 0], 2, 2), 0);
        // The third window would start behind the input and its padding.
        assert_eq!(ceil_extension(4, [0, 1], 1, 4), 0);
        assert_eq!(ceil_extension(1, [0, 0], 2, 1), 0);
    }
}
