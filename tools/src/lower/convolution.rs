//! Convolutions: Conv2d, depthwise where each group has one input channel, and the transposed one.

use super::builder::{Builder, Refusal};
use super::window::{Fill, Steps, record, windowed};
use crate::graph::Node;
use crate::graph::ops::{Conv2d, ConvTranspose2d};
use bantam_format::{Opcode, ops};

pub(super) fn lower(builder: &mut Builder<'_>, node: &Node, conv: &Conv2d) -> Result<(), Refusal> {
    // Of one input channel it is a convolution, whose weights lie in the order they are read.
    let channels = builder.graph.value(node.inputs[0]).shape[3];
    let depthwise = channels > 1 && conv.is_depthwise(channels);
    lower_as(builder, node, if depthwise { Opcode::DepthwiseConv2d } else { Opcode::Conv2d }, conv)
}

/// The transposed convolution; what the source adds and cuts at the end follows from the output's size.
pub(super) fn lower_transposed(builder: &mut Builder<'_>, node: &Node, conv: &ConvTranspose2d) -> Result<(), Refusal> {
    let &ConvTranspose2d { stride, dilation, padding, groups, activation, .. } = conv;
    lower_as(builder, node, Opcode::TransposeConv2d, &Conv2d { stride, dilation, padding, groups, activation })
}

fn lower_as(builder: &mut Builder<'_>, node: &Node, opcode: Opcode, conv: &Conv2d) -> Result<(), Refusal> {
    let weights = &builder.graph.value(node.inputs[1]).shape;
    let &[channels, height, width, group_channels] = weights.as_slice() else {
        return Err("the weights are not of rank 4".into());
    };
    let outputs = builder.graph.value(node.output()).shape.iter().product();
    let form = builder.own_form(node, node.inputs[0]);
    let steps = Steps { kernel: [height, width], stride: conv.stride, dilation: conv.dilation };
    // A transposed convolution has any padding.
    let (window, input) = if opcode == Opcode::TransposeConv2d {
        (record(steps, conv.padding)?, builder.operand(node, node.inputs[0]))
    } else {
        windowed(builder, node, form, steps, conv.padding, Some(Fill::Zero))?
    };
    let groups = u16::try_from(conv.groups).map_err(|_| format!("{} groups are too many", conv.groups));
    let taps = height * width;
    let depthwise = opcode == Opcode::DepthwiseConv2d;
    let accumulation = builder.accumulation(node, channels, conv.activation, |bytes, size| {
        if depthwise { transpose(&bytes, channels, taps, size) } else { bytes }
    })?;
    builder.count_macs(&[outputs, taps, group_channels]);
    let mut attributes = Vec::new();
    if depthwise {
        ops::DepthwiseConv2d { window, reserved: [0; 2], accumulation }.write(&mut attributes);
    } else {
        ops::Conv2d { window, groups: groups?, accumulation }.write(&mut attributes);
    }
    builder.op(node, opcode, vec![input], attributes)
}

/// `[rows, columns]` elements of `size` bytes to `[columns, rows]`.
fn transpose(bytes: &[u8], rows: usize, columns: usize, size: usize) -> Vec<u8> {
    let element = |row: usize, column: usize| &bytes[(row * columns + column) * size..][..size];
    (0..columns).flat_map(|column| (0..rows).flat_map(move |row| element(row, column))).copied().collect()
}
