//! Conv2d, depthwise where each group has one input channel.

use super::builder::{Builder, Refusal, window};
use crate::graph::{Node, ops::Conv2d, ops::ConvTranspose2d};
use bantam_format::{Opcode, ops};

pub(super) fn lower(builder: &mut Builder<'_>, node: &Node, conv: &Conv2d) -> Result<(), Refusal> {
    let weights = &builder.graph.value(node.inputs[1]).shape;
    let &[channels, height, width, group_channels] = weights.as_slice() else {
        return Err("the weights are not of rank 4".into());
    };
    let input_channels = builder.graph.value(node.inputs[0]).shape[3];
    let output = &builder.graph.value(node.output()).shape;
    let window = window([height, width], conv.stride, conv.dilation, conv.padding)?;
    let taps = height * width;
    let depthwise = conv.is_depthwise(input_channels);
    let constants = builder.accumulation(node, channels, conv.activation, |bytes, size| {
        if depthwise { transpose(&bytes, channels, taps, size) } else { bytes }
    })?;
    builder.count_macs(&[output.iter().product(), taps, group_channels]);
    let input = builder.operand(node.inputs[0]);
    let mut attributes = Vec::new();
    if depthwise {
        ops::DepthwiseConv2d {
            window,
            reserved: [0; 2],
            weight_type: constants.weight_type,
            per_channel: constants.per_channel,
            weights: constants.weights,
            bias: constants.bias,
            epilogue: constants.epilogue,
        }
        .write(&mut attributes);
        builder.op(node, Opcode::DepthwiseConv2d, vec![input], attributes)
    } else {
        let groups = u16::try_from(conv.groups).map_err(|_| format!("{} groups are too many", conv.groups))?;
        ops::Conv2d {
            window,
            groups,
            weight_type: constants.weight_type,
            per_channel: constants.per_channel,
            weights: constants.weights,
            bias: constants.bias,
            epilogue: constants.epilogue,
        }
        .write(&mut attributes);
        builder.op(node, Opcode::Conv2d, vec![input], attributes)
    }
}

/// The transposed convolution; what the source adds and cuts at the end follows from the output's size.
pub(super) fn lower_transposed(builder: &mut Builder<'_>, node: &Node, conv: &ConvTranspose2d) -> Result<(), Refusal> {
    let weights = &builder.graph.value(node.inputs[1]).shape;
    let &[channels, height, width, group_channels] = weights.as_slice() else {
        return Err("the weights are not of rank 4".into());
    };
    let output = &builder.graph.value(node.output()).shape;
    let window = window([height, width], conv.stride, conv.dilation, conv.padding)?;
    let groups = u16::try_from(conv.groups).map_err(|_| format!("{} groups are too many", conv.groups))?;
    let constants = builder.accumulation(node, channels, conv.activation, |bytes, _| bytes)?;
    builder.count_macs(&[output.iter().product(), height * width, group_channels]);
    let input = builder.operand(node.inputs[0]);
    let mut attributes = Vec::new();
    ops::TransposeConv2d {
        window,
        groups,
        weight_type: constants.weight_type,
        per_channel: constants.per_channel,
        weights: constants.weights,
        bias: constants.bias,
        epilogue: constants.epilogue,
    }
    .write(&mut attributes);
    builder.op(node, Opcode::TransposeConv2d, vec![input], attributes)
}

/// `[rows, columns]` elements of `size` bytes to `[columns, rows]`.
fn transpose(bytes: &[u8], rows: usize, columns: usize, size: usize) -> Vec<u8> {
    let element = |row: usize, column: usize| &bytes[(row * columns + column) * size..][..size];
    (0..columns).flat_map(|column| (0..rows).flat_map(move |row| element(row, column))).copied().collect()
}
