//! Windows over rows and columns, and padding that windows alone cannot express.

use super::builder::{Builder, Form, Refusal};
use crate::graph::Node;
use crate::graph::ops::Padding;
use crate::quantize::Parameters;
use bantam_format::ops::{self, PadMode, Window};
use bantam_format::{MAX_RANK, Opcode};

/// What stands in the padding of an operand that is padded by an op of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fill {
    /// Real zeros.
    Zero,
    /// Nothing is smaller.
    Lowest,
}

/// Kernel, stride and dilation, each of rows and columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
}

/// The window of a node over its first operand, and the tensor to read that from, in this form. A window record cannot start a window
/// behind the input, or a whole window before it: an operand of such a node is padded first.
pub(super) fn windowed(
    builder: &mut Builder<'_>,
    node: &Node,
    form: Form,
    steps: Steps,
    padding: Padding,
    fill: Option<Fill>,
) -> Result<(Window, u16), Refusal> {
    let input = builder.read(node.inputs[0], form);
    let (from, to) = (&builder.graph.value(node.inputs[0]).shape, &builder.graph.value(node.output()).shape);
    let fits = |axis: usize, before: usize| {
        let extent = (steps.kernel[axis] - 1) * steps.dilation[axis] + 1;
        before < extent && (to[axis + 1] - 1) * steps.stride[axis] < from[axis + 1] + before
    };
    if fits(0, padding.top) && fits(1, padding.left) {
        return Ok((record(steps, padding)?, input));
    }
    let fill = fill.ok_or("windows that lie wholly in the padding are not supported on devices")?;
    let value = match (form, fill) {
        (Form::Integer(parameters), Fill::Zero) => i32::from(parameters.zero_point).cast_unsigned(),
        (Form::Integer(Parameters { wide: true, .. }), Fill::Lowest) => i32::from(i16::MIN).cast_unsigned(),
        (Form::Integer(_), Fill::Lowest) => i32::from(i8::MIN).cast_unsigned(),
        (_, Fill::Zero) => 0,
        (_, Fill::Lowest) => f32::NEG_INFINITY.to_bits(),
    };
    let too_large = |_| "the padding is too large";
    let mut before = [0; MAX_RANK];
    before[1] = u32::try_from(padding.top).map_err(too_large)?;
    before[2] = u32::try_from(padding.left).map_err(too_large)?;
    let mut shape = from.clone();
    shape[1] += padding.top + padding.bottom;
    shape[2] += padding.left + padding.right;
    let padded = builder.temporary(&format!("{}/padded", node.name), form, &shape);
    let mut attributes = Vec::new();
    ops::Pad { mode: PadMode::Constant.code(), reserved: [0; 3], value, before }.write(&mut attributes);
    builder.emit(&node.name, Opcode::Pad, vec![input], padded, attributes);
    Ok((record(steps, Padding::NONE)?, padded))
}

/// A window record; refuses what its half-words cannot hold.
pub(super) fn record(steps: Steps, padding: Padding) -> Result<Window, Refusal> {
    let Steps { kernel, stride, dilation } = steps;
    let half_word =
        |value: usize, what: &str| u16::try_from(value).map_err(|_| format!("{what} {value} is beyond {}", u16::MAX));
    Ok(Window {
        kernel_height: half_word(kernel[0], "kernel height")?,
        kernel_width: half_word(kernel[1], "kernel width")?,
        stride_height: half_word(stride[0], "stride")?,
        stride_width: half_word(stride[1], "stride")?,
        dilation_height: half_word(dilation[0], "dilation")?,
        dilation_width: half_word(dilation[1], "dilation")?,
        pad_top: half_word(padding.top, "padding")?,
        pad_left: half_word(padding.left, "padding")?,
    })
}
