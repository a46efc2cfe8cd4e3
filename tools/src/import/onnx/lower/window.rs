//! What convolution and pooling share: windows over one or two spatial axes.

use super::super::attributes::refuse;
use super::super::lowering::Lowering;
use crate::graph::ValueId;
use crate::graph::ops::{Padding, Transpose};
use crate::import::Reason;

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

/// The windows along one spatial axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    /// Before and after.
    pub(super) padding: [usize; 2],
    /// As [`Window::extended`].
    pub(super) extended: usize,
}

impl Span {
    /// An axis that no window moves along.
    pub(super) const NONE: Self = Self { kernel: 1, stride: 1, dilation: 1, padding: [0; 2], extended: 0 };

    /// The number of windows on an axis of this size, if one fits.
    pub(super) fn windows(&self, size: usize) -> Option<usize> {
        let padded = size.checked_add(self.padding[0])?.checked_add(self.padding[1])?;
        let extent = (self.kernel - 1).checked_mul(self.dilation)?.checked_add(1)?;
        Some(padded.checked_sub(extent)? / self.stride + 1)
    }
}

impl Window {
    /// Windows over rows and columns.
    pub(super) fn of([rows, columns]: [Span; 2]) -> Self {
        let ([top, bottom], [left, right]) = (rows.padding, columns.padding);
        Self {
            kernel: [rows.kernel, columns.kernel],
            stride: [rows.stride, columns.stride],
            dilation: [rows.dilation, columns.dilation],
            padding: Padding { top, left, bottom, right },
            extended: [rows.extended, columns.extended],
        }
    }
}

/// The windows of an image. `kernel` is what the weights say, where there are weights.
pub(super) fn window(lowering: &mut Lowering<'_>, image: &Image, kernel: Option<[usize; 2]>) -> Result<Window, Reason> {
    let first = 2 - image.axes;
    let kernel = kernel.as_ref().map(|kernel| &kernel[first..]);
    let found = spans(lowering, &image.extent[first..], kernel)?;
    Ok(Window::of(match *found.as_slice() {
        [rows, columns] => [rows, columns],
        [columns] => [Span::NONE, columns],
        _ => return Err(Reason::Operand("one or two spatial dimensions are expected".to_owned())),
    }))
}

/// Reads kernel, strides, dilations, padding and rounding of as many spatial axes as `extent` has.
pub(super) fn spans(
    lowering: &mut Lowering<'_>,
    extent: &[usize],
    kernel: Option<&[usize]>,
) -> Result<Vec<Span>, Reason> {
    let axes = extent.len();
    let given = sizes(lowering, "kernel_shape", axes)?;
    let kernel = match (given, kernel) {
        (Some(given), Some(kernel)) if given != kernel => {
            return Err(refuse("kernel_shape", format!("{given:?}"), format!("the weights have {kernel:?}")));
        }
        (_, Some(kernel)) => kernel.to_vec(),
        (Some(given), None) => given,
        (None, None) => return Err(refuse("kernel_shape", "missing", "it is required")),
    };
    let stride = sizes(lowering, "strides", axes)?.unwrap_or_else(|| vec![1; axes]);
    let dilation = sizes(lowering, "dilations", axes)?.unwrap_or_else(|| vec![1; axes]);
    for (name, sizes) in [("kernel_shape", &kernel), ("strides", &stride), ("dilations", &dilation)] {
        if sizes.contains(&0) {
            return Err(refuse(name, format!("{sizes:?}"), "positive numbers are expected"));
        }
    }
    let explicit = list_of_pads(lowering, axes)?;
    let ceil = lowering.attributes.flag("ceil_mode", false)?;
    let auto = lowering.attributes.string("auto_pad")?.unwrap_or("NOTSET");
    if auto != "NOTSET" && explicit.iter().any(|&pads| pads != [0; 2]) {
        return Err(refuse("auto_pad", auto, "it excludes explicit pads"));
    }
    if auto != "NOTSET" && ceil {
        return Err(refuse("auto_pad", auto, "it excludes ceil_mode"));
    }
    let span = |axis: usize| {
        let (kernel, stride, dilation) = (kernel[axis], stride[axis], dilation[axis]);
        let mut span = Span { kernel, stride, dilation, padding: explicit[axis], extended: 0 };
        let reach = (kernel - 1).saturating_mul(dilation).saturating_add(1);
        match auto {
            "NOTSET" if ceil => {
                span.extended = ceil_extension(extent[axis], explicit[axis], reach, stride);
                span.padding[1] = span.padding[1].saturating_add(span.extended);
            }
            "NOTSET" | "VALID" => {}
            "SAME_UPPER" | "SAME_LOWER" => {
                let windows = extent[axis].div_ceil(stride);
                let covered = windows.saturating_sub(1).saturating_mul(stride).saturating_add(reach);
                let total = covered.saturating_sub(extent[axis]);
                let (small, large) = (total / 2, total - total / 2);
                span.padding = if auto == "SAME_UPPER" { [small, large] } else { [large, small] };
            }
            other => {
                return Err(refuse("auto_pad", other, "NOTSET, VALID, SAME_UPPER or SAME_LOWER is expected"));
            }
        }
        Ok(span)
    };
    (0..axes).map(span).collect()
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

/// A list with one size per spatial axis.
fn sizes(lowering: &mut Lowering<'_>, name: &str, axes: usize) -> Result<Option<Vec<usize>>, Reason> {
    let Some(list) = lowering.attributes.ints(name)? else { return Ok(None) };
    let sizes: Option<Vec<usize>> = list.iter().map(|&number| usize::try_from(number).ok()).collect();
    let sizes = sizes.filter(|sizes| sizes.len() == axes);
    sizes.map(Some).ok_or_else(|| refuse(name, format!("{list:?}"), format!("{axes} sizes are expected")))
}

/// Explicit padding, before and after each axis.
fn list_of_pads(lowering: &mut Lowering<'_>, axes: usize) -> Result<Vec<[usize; 2]>, Reason> {
    let Some(list) = lowering.attributes.ints("pads")? else { return Ok(vec![[0; 2]; axes]) };
    let sizes: Option<Vec<usize>> = list.iter().map(|&number| usize::try_from(number).ok()).collect();
    match sizes.filter(|sizes| sizes.len() == 2 * axes) {
        Some(sizes) => Ok((0..axes).map(|axis| [sizes[axis], sizes[axes + axis]]).collect()),
        None => Err(refuse("pads", format!("{list:?}"), format!("{} sizes, none negative, are expected", 2 * axes))),
    }
}

/// A list with one number per spatial axis, as height and width.
pub(super) fn pair(lowering: &mut Lowering<'_>, name: &str, axes: usize) -> Result<Option<[usize; 2]>, Reason> {
    let sizes = sizes(lowering, name, axes)?;
    Ok(sizes.map(|sizes| [if axes == 2 { sizes[0] } else { 1 }, sizes[axes - 1]]))
}

/// Explicit padding: `[[top, bottom], [left, right]]`.
pub(super) fn pads(lowering: &mut Lowering<'_>, axes: usize) -> Result<[[usize; 2]; 2], Reason> {
    let pads = list_of_pads(lowering, axes)?;
    Ok([if axes == 2 { pads[0] } else { [0; 2] }, pads[axes - 1]])
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
