//! Convolutions.

use super::elementwise::clamp;
use super::windows::Windows;
use bantam_tools::graph::ops::{Conv2d, ConvTranspose2d, Padding};
use bantam_tools::graph::{Graph, Node};
use candle_core::{Result, Tensor};

/// Where the windows of a convolution lie.
fn windows(conv: &Conv2d, graph: &Graph, node: &Node) -> Windows {
    let (input, weights) = (&graph.value(node.inputs[0]).shape, &graph.value(node.inputs[1]).shape);
    let output = &graph.value(node.output()).shape;
    Windows {
        kernel: [weights[1], weights[2]],
        stride: conv.stride,
        dilation: conv.dilation,
        padding: conv.padding,
        image: [input[1], input[2]],
        count: [output[1], output[2]],
    }
}

/// Weights are `[out, kh, kw, c / groups]`, as in the graph.
pub(super) fn conv2d(conv: &Conv2d, graph: &Graph, node: &Node, operands: &[Tensor]) -> Result<Tensor> {
    let windows = windows(conv, graph, node);
    let (input, weights) = (&graph.value(node.inputs[0]).shape, &graph.value(node.inputs[1]).shape);
    let (channels, out) = (input[3], weights[0]);
    let sums = if conv.groups == channels && out == channels && channels > 1 {
        windows.depthwise(&operands[0], &operands[1].reshape((out, windows.taps()))?)?
    } else if conv.groups == 1 {
        product(windows, &operands[0], &operands[1])?
    } else {
        let (inputs, outputs) = (channels / conv.groups, out / conv.groups);
        let group = |index: usize| {
            let images = operands[0].narrow(3, index * inputs, inputs)?;
            product(windows, &images, &operands[1].narrow(0, index * outputs, outputs)?)
        };
        Tensor::cat(&(0..conv.groups).map(group).collect::<Result<Vec<_>>>()?, 3)?
    };
    finish(sums, operands.get(2), conv.activation)
}

/// Windows times weights.
fn product(windows: Windows, images: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let (batch, out) = (images.dim(0)?, weights.dim(0)?);
    let [rows, columns] = windows.count;
    let matrix = weights.flatten_from(1)?;
    flat(windows, images)?.matmul(&matrix.t()?)?.reshape((batch, rows, columns, out))
}

/// A row for each window: tap by tap, channel by channel.
fn flat(windows: Windows, images: &Tensor) -> Result<Tensor> {
    let (batch, channels) = (images.dim(0)?, images.dim(3)?);
    let [rows, columns] = windows.count;
    let patches = if windows.are_pixels() { images.contiguous()? } else { windows.gather(images, 0.0)? };
    patches.reshape((batch * rows * columns, windows.taps() * channels))
}

/// What each pixel of the result is made of, for a convolution of one group.
pub(super) fn rows(conv: &Conv2d, graph: &Graph, node: &Node, images: &Tensor) -> Result<Tensor> {
    flat(windows(conv, graph, node), images)
}

fn finish(sums: Tensor, bias: Option<&Tensor>, activation: bantam_tools::graph::Activation) -> Result<Tensor> {
    let sums = match bias {
        Some(bias) => sums.broadcast_add(bias)?,
        None => sums,
    };
    clamp(activation, sums)
}

/// Each pixel's multiples of the weights are scattered over the windows of the result.
pub(super) fn conv_transpose2d(
    conv: &ConvTranspose2d,
    graph: &Graph,
    node: &Node,
    operands: &[Tensor],
) -> Result<Tensor> {
    let (input, weights) = (&graph.value(node.inputs[0]).shape, &graph.value(node.inputs[1]).shape);
    let output = &graph.value(node.output()).shape;
    let windows = Windows {
        kernel: [weights[1], weights[2]],
        stride: conv.stride,
        dilation: conv.dilation,
        padding: Padding { top: conv.padding.top, left: conv.padding.left, ..Padding::NONE },
        image: [output[1], output[2]],
        count: [input[1], input[2]],
    };
    let (batch, inputs, outputs) = (operands[0].dim(0)?, input[3] / conv.groups, weights[0] / conv.groups);
    let group = |index: usize| {
        let own = operands[1].narrow(0, index * outputs, outputs)?;
        // [out, taps, c] to [c, taps, out].
        let matrix = own.reshape((outputs, windows.taps(), inputs))?.permute((2, 1, 0))?.contiguous()?;
        let matrix = matrix.reshape((inputs, windows.taps() * outputs))?;
        let pixels = operands[0].narrow(3, index * inputs, inputs)?.contiguous()?;
        let pixels = pixels.reshape((batch * input[1] * input[2], inputs))?;
        let patches = pixels.matmul(&matrix)?.reshape((batch, input[1], input[2], windows.taps(), outputs))?;
        windows.scatter(&patches)
    };
    let sums = Tensor::cat(&(0..conv.groups).map(group).collect::<Result<Vec<_>>>()?, 3)?;
    finish(sums, operands.get(2), conv.activation)
}
