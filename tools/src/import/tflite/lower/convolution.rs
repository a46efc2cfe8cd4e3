//! Convolutions and pooling. Weights lie in the order output channel, row, column, input channel.

use super::super::lowering::{Lowering, Options, Sums, refuse};
use crate::graph::Op;
use crate::graph::ops::{AveragePool2d, Conv2d, ConvTranspose2d, Padding, Pool2d};
use crate::import::Reason;

/// Whether windows may reach over the edge.
fn pads(options: Options<'_>) -> Result<bool, Reason> {
    match options.byte(0)? {
        0 => Ok(true),
        1 => Ok(false),
        other => Err(refuse("padding", other.to_string(), "SAME (0) or VALID (1) is expected")),
    }
}

/// Padding of `SAME`: as many windows as strides fit, the odd element at the end.
fn same(size: usize, kernel: usize, stride: usize, dilation: usize) -> [usize; 2] {
    let windows = size.div_ceil(stride);
    let window = kernel.saturating_sub(1).saturating_mul(dilation).saturating_add(1);
    let total = windows.saturating_sub(1).saturating_mul(stride).saturating_add(window).saturating_sub(size);
    [total / 2, total - total / 2]
}

/// Padding of windows over a `[height, width]` image.
fn padding(pads: bool, size: [usize; 2], kernel: [usize; 2], stride: [usize; 2], dilation: [usize; 2]) -> Padding {
    if !pads {
        return Padding::NONE;
    }
    let [[top, bottom], [left, right]] =
        [0, 1].map(|axis| same(size[axis], kernel[axis], stride[axis], dilation[axis]));
    Padding { top, left, bottom, right }
}

fn rank_4(shape: &[usize], what: &str) -> Result<[usize; 4], Reason> {
    shape.try_into().map_err(|_| Reason::Operand(format!("{what} has shape {shape:?}; 4 dimensions are expected")))
}

/// `CONV_2D`: the weights' channels tell the number of groups.
pub(super) fn conv_2d(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(1);
    let stride = [options.count(2, "stride_h", 0)?, options.count(1, "stride_w", 0)?];
    let dilation = [options.count(5, "dilation_h_factor", 1)?, options.count(4, "dilation_w_factor", 1)?];
    let (input, weights) = (lowering.input(0)?, lowering.input(1)?);
    let [_, height, width, channels] = rank_4(&lowering.shape(input), "the input")?;
    let [_, kernel_height, kernel_width, group_channels] = rank_4(&lowering.shape(weights), "the weights")?;
    if group_channels == 0 || !channels.is_multiple_of(group_channels) {
        return Err(Reason::Operand(format!(
            "weights of {group_channels} channels do not divide the input's {channels}"
        )));
    }
    let conv = Conv2d {
        stride,
        dilation,
        padding: padding(pads(options)?, [height, width], [kernel_height, kernel_width], stride, dilation),
        groups: channels / group_channels,
        activation: options.activation(3)?,
    };
    let mut operands = vec![input, weights];
    operands.extend(lowering.bias(2, 0, 1, Sums::AsBias)?);
    let result = lowering.emit(Op::Conv2d(conv), &operands)?;
    lowering.set_output(0, result)
}

/// `DEPTHWISE_CONV_2D`: weights `[1, rows, columns, input channels * multiplier]`.
pub(super) fn depthwise_conv_2d(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(2);
    let stride = [options.count(2, "stride_h", 0)?, options.count(1, "stride_w", 0)?];
    let dilation = [options.count(6, "dilation_h_factor", 1)?, options.count(5, "dilation_w_factor", 1)?];
    let (input, weights) = (lowering.input(0)?, lowering.input(1)?);
    let [_, height, width, channels] = rank_4(&lowering.shape(input), "the input")?;
    let [one, kernel_height, kernel_width, _] = rank_4(&lowering.shape(weights), "the weights")?;
    if one != 1 {
        return Err(Reason::Operand(format!("the weights' first dimension is {one}; 1 is expected")));
    }
    let conv = Conv2d {
        stride,
        dilation,
        padding: padding(pads(options)?, [height, width], [kernel_height, kernel_width], stride, dilation),
        groups: channels,
        activation: options.activation(4)?,
    };
    let weights = lowering.transpose(weights, &[3, 1, 2, 0])?;
    let mut operands = vec![input, weights];
    operands.extend(lowering.bias(2, 0, 1, Sums::Long)?);
    let result = lowering.emit(Op::Conv2d(conv), &operands)?;
    lowering.set_output(0, result)
}

/// `TRANSPOSE_CONV`: the shape of the result is the first operand.
pub(super) fn transpose_conv(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(49);
    let stride = [options.count(2, "stride_h", 0)?, options.count(1, "stride_w", 0)?];
    let sizes: Vec<usize> =
        lowering.integers(0)?.into_iter().map(|size| usize::try_from(size).unwrap_or_default()).collect();
    let output = rank_4(&sizes, "the result")?;
    let (weights, input) = (lowering.input(1)?, lowering.input(2)?);
    let source = rank_4(&lowering.shape(input), "the input")?;
    let kernel = rank_4(&lowering.shape(weights), "the weights")?;
    let mut sides = [[0; 2]; 2];
    let mut further = [0; 2];
    for (axis, (side, further)) in sides.iter_mut().zip(&mut further).enumerate() {
        let (from, to, kernel, stride) = (source[axis + 1], output[axis + 1], kernel[axis + 1], stride[axis]);
        let whole = from.saturating_sub(1).saturating_mul(stride).saturating_add(kernel);
        let before = if pads(options)? { same(to, kernel, stride, 1)[0] } else { 0 };
        *further = to.saturating_add(before).saturating_sub(whole);
        *side = [before, whole.saturating_sub(to).saturating_sub(before)];
    }
    let [[top, bottom], [left, right]] = sides;
    let conv = ConvTranspose2d {
        stride,
        dilation: [1, 1],
        padding: Padding { top, left, bottom, right },
        output_padding: further,
        groups: 1,
        activation: options.activation(3)?,
    };
    let mut operands = vec![input, weights];
    operands.extend(lowering.bias(3, 2, 1, Sums::Long)?);
    let result = lowering.emit(Op::ConvTranspose2d(conv), &operands)?;
    lowering.set_output(0, result)
}

/// `AVERAGE_POOL_2D`, `MAX_POOL_2D`: positions over the edge do not count.
pub(super) fn pool_2d(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(5);
    let stride = [options.count(2, "stride_h", 0)?, options.count(1, "stride_w", 0)?];
    let kernel = [options.count(4, "filter_height", 0)?, options.count(3, "filter_width", 0)?];
    let input = lowering.input(0)?;
    let [_, height, width, _] = rank_4(&lowering.shape(input), "the input")?;
    let pool = Pool2d {
        kernel,
        stride,
        dilation: [1, 1],
        padding: padding(pads(options)?, [height, width], kernel, stride, [1, 1]),
        activation: options.activation(5)?,
    };
    let op = match lowering.operator() {
        "MAX_POOL_2D" => Op::MaxPool2d(pool),
        _ => Op::AveragePool2d(AveragePool2d { pool, count_include_pad: false }),
    };
    let result = lowering.emit(op, &[input])?;
    lowering.set_output(0, result)
}
