//! Windows over three spatial axes, made of windows over two: volumes are stacks of images.

use super::super::lowering::Lowering;
use super::pooling::mean;
use super::window::{Span, Window, spans};
use crate::graph::ops::{Concat, Conv2d, Pad, SliceRange};
use crate::graph::{Activation, Op, ValueId};
use crate::import::Reason;
use crate::tensor::element_count;

/// Images that one convolution joins.
const MAX_KERNEL_DEPTH: usize = 255;

/// The channels-first operand with its channels last.
struct Volume {
    /// `[n, d, h, w, c]`.
    value: ValueId,
    shape: [usize; 5],
}

/// Whether the node's operand has three spatial axes.
pub(super) fn is_volume(lowering: &Lowering<'_>) -> bool {
    lowering.input(0).is_ok_and(|operand| lowering.shape(operand).len() == 5)
}

fn volume(lowering: &mut Lowering<'_>) -> Result<Volume, Reason> {
    let operand = lowering.input(0)?;
    let value = lowering.transpose(operand, &[0, 2, 3, 4, 1])?;
    let shape = lowering.shape(value);
    let shape = <[usize; 5]>::try_from(shape.as_slice())
        .map_err(|_| Reason::Operand(format!("three spatial dimensions are expected, got shape {shape:?}")))?;
    Ok(Volume { value, shape })
}

fn three(spans: &[Span]) -> Result<[Span; 3], Reason> {
    <[Span; 3]>::try_from(spans).map_err(|_| Reason::Operand("three spatial dimensions are expected".to_owned()))
}

/// The images `[n d, h, w, c]` as the node's result.
fn finish(lowering: &mut Lowering<'_>, images: ValueId, batch: usize, depth: usize) -> Result<(), Reason> {
    let mut shape = lowering.shape(images);
    shape.splice(0..1, [batch, depth]);
    let value = lowering.reshape(images, &shape)?;
    let value = lowering.transpose(value, &[0, 4, 1, 2, 3])?;
    lowering.set_output(0, value);
    Ok(())
}

/// A pooling: over height and width of each image, then over depth, where the images are the rows.
pub(super) fn pool(
    lowering: &mut Lowering<'_>,
    pool: impl Fn(&mut Lowering<'_>, ValueId, &Window) -> Result<ValueId, Reason>,
) -> Result<(), Reason> {
    let Volume { value, shape: [batch, depth, height, width, channels] } = volume(lowering)?;
    let found = spans(lowering, &[depth, height, width], None)?;
    let [along, rows, columns] = three(&found)?;
    let images = lowering.reshape(value, &[batch * depth, height, width, channels])?;
    let images = pool(lowering, images, &Window::of([rows, columns]))?;
    let [height, width] = [lowering.shape(images)[1], lowering.shape(images)[2]];
    let stack = lowering.reshape(images, &[batch, depth, height * width, channels])?;
    let stack = pool(lowering, stack, &Window::of([along, Span::NONE]))?;
    let depth = lowering.shape(stack)[1];
    let images = lowering.reshape(stack, &[batch * depth, height, width, channels])?;
    finish(lowering, images, batch, depth)
}

/// `AveragePool`: a mean of means, as every window is a box.
pub(super) fn average(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let include = lowering.attributes.flag("count_include_pad", false)?;
    pool(lowering, |lowering, value, window| mean(lowering, value, window, include))
}

/// `Conv`: the images under a window along the depth become channels of one image, and the weights likewise.
pub(super) fn convolution(lowering: &mut Lowering<'_>, groups: usize) -> Result<(), Reason> {
    let weights = lowering.input(1)?;
    let shape = lowering.shape(weights);
    let &[out, group_channels, tall, high, wide] = shape.as_slice() else {
        return Err(Reason::Operand(format!("the weights have shape {shape:?}, expected 5 dimensions")));
    };
    let kernel = [tall, high, wide];
    if tall > MAX_KERNEL_DEPTH || element_count(&shape)? == 0 {
        return Err(Reason::Operand(format!("weights of shape {shape:?} are not supported in three dimensions")));
    }
    let Volume { value, shape: [batch, depth, height, width, channels] } = volume(lowering)?;
    let found = spans(lowering, &[depth, height, width], Some(&kernel))?;
    let [along, rows, columns] = three(&found)?;
    let made =
        along.windows(depth).ok_or_else(|| Reason::Operand("the kernel is deeper than the operand".to_owned()))?;
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(super::super::attributes::refuse("group", groups.to_string(), "it must divide the channels"));
    }
    let [before, after] = along.padding;
    let mut padded = value;
    if along.padding != [0; 2] {
        let pad = Pad { before: vec![0, before, 0, 0, 0], after: vec![0, after, 0, 0, 0], value: 0.0 };
        padded = lowering.emit(Op::Pad(pad), &[value])?;
    }
    let grouped = [batch * made, height * width, groups, 1, channels / groups];
    let mut taps = Vec::with_capacity(along.kernel);
    for tap in 0..along.kernel {
        let whole = |count| SliceRange { start: 0, count, step: 1 };
        let images = SliceRange { start: tap * along.dilation, count: made, step: along.stride };
        let ranges = vec![whole(batch), images, whole(height), whole(width), whole(channels)];
        let images = lowering.slice(padded, ranges)?;
        taps.push(lowering.reshape(images, &grouped)?);
    }
    let images = lowering.emit(Op::Concat(Concat { axis: 3 }), &taps)?;
    let images = lowering.reshape(images, &[batch * made, height, width, channels * along.kernel])?;
    let weights = lowering.transpose(weights, &[0, 3, 4, 2, 1])?;
    let weights = lowering.reshape(weights, &[out, kernel[1], kernel[2], along.kernel * group_channels])?;
    let mut operands = vec![images, weights];
    operands.extend(lowering.optional_input(2));
    let Window { stride, dilation, padding, .. } = Window::of([rows, columns]);
    let conv = Conv2d { stride, dilation, padding, groups, activation: Activation::NONE };
    let images = lowering.emit(Op::Conv2d(conv), &operands)?;
    finish(lowering, images, batch, made)
}
