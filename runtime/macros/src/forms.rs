//! Which forms an op has: what no op of a model is needs no code.

use bantam_format::overlap::{FEW_VALUES, WINDOW_VALUES, strip};
use bantam_format::{Arithmetic, DataType, Op, Opcode, ops};

/// The names that `bantam::ops` gives them.
pub fn of(op: &Op<'_>) -> Vec<&'static str> {
    let mut forms = Vec::new();
    let mut add = |name, is: bool| forms.extend(is.then_some(name));
    let accumulation = match op.opcode {
        Opcode::Conv2d => {
            let attributes = ops::Conv2d::read(op.attributes());
            let window = &attributes.window;
            add("SPREAD", attributes.groups > 1 || [window.dilation_height, window.dilation_width] != [1; 2]);
            add("PADDING", is_padded(op, window));
            let depth = op.input(0).shape.innermost() / usize::from(attributes.groups);
            Some((attributes.accumulation, window.taps() * depth))
        }
        Opcode::DepthwiseConv2d => {
            let attributes = ops::DepthwiseConv2d::read(op.attributes());
            depthwise(op, &attributes.window, &mut add);
            Some((attributes.accumulation, attributes.window.taps()))
        }
        Opcode::FullyConnected => {
            let attributes = ops::FullyConnected::read(op.attributes());
            Some((attributes.accumulation(), op.input(0).shape.innermost()))
        }
        Opcode::TransposeConv2d => {
            let attributes = ops::Conv2d::read(op.attributes());
            Some((attributes.accumulation, attributes.window.taps()))
        }
        _ => {
            add("MOVES", moves(op));
            add("ANY_SCALE", matches!(op.opcode, Opcode::MatMul | Opcode::Reduce));
            None
        }
    };
    if let Some((accumulation, _)) = &accumulation {
        forms.extend((accumulation.weight_type() == ops::WeightType::F16).then_some("HALF_FLOATS"));
    }
    if let Some((accumulation, taps)) = accumulation
        && op.input(0).data_type == DataType::I8
    {
        let channels = op.output(0).shape.innermost();
        let constants = op.artifact().constants();
        let plain =
            op.artifact().arithmetic() == Arithmetic::Tflite && accumulation.is_plain(constants, channels, taps);
        // What the oracle runs has the long form alone.
        let plain = plain && op.opcode != Opcode::TransposeConv2d;
        let form = if op.opcode == Opcode::DepthwiseConv2d { "ANY_DEPTHWISE" } else { "ANY_SCALE" };
        forms.extend((!plain).then_some(form));
        forms.extend((taps > FEW_VALUES).then_some("MANY_VALUES"));
        forms.extend((taps > WINDOW_VALUES).then_some("PARTS"));
        forms.extend((accumulation.weight_type() == ops::WeightType::I4).then_some("HALVES"));
    }
    forms
}

/// Ops in place work on the first input, those of two inputs on the second where it lies in the output's memory.
fn moves(op: &Op<'_>) -> bool {
    let output = op.output(0);
    let lies_there = |input: &bantam_format::Tensor| input.in_arena() && input.range() == output.range();
    let second = (op.input_count > 1).then(|| op.input(1)).filter(|input| input.meets(&output));
    !lies_there(&second.unwrap_or(op.input(0)))
}

/// Whether a window reaches beyond the input.
fn is_padded(op: &Op<'_>, window: &ops::Window) -> bool {
    let axes = [
        (1, window.pad_top, [window.kernel_height, window.stride_height, window.dilation_height]),
        (2, window.pad_left, [window.kernel_width, window.stride_width, window.dilation_width]),
    ];
    axes.into_iter().any(|(axis, pad, numbers)| {
        let [input, output] = [op.input(0), op.output(0)].map(|tensor| tensor.shape.dimension(axis));
        let [kernel, stride, dilation] = numbers.map(usize::from);
        pad > 0 || output.saturating_sub(1) * stride + kernel.saturating_sub(1) * dilation >= input
    })
}

fn depthwise(op: &Op<'_>, window: &ops::Window, add: &mut impl FnMut(&'static str, bool)) {
    let pair = |height, width| [usize::from(height), usize::from(width)];
    let kernel = pair(window.kernel_height, window.kernel_width);
    let stride = pair(window.stride_height, window.stride_width);
    let dilation = pair(window.dilation_height, window.dilation_width);
    let [rows, columns] = [1, 2].map(|axis| op.output(0).shape.dimension(axis));
    let overwrites = op.input(0).location == op.output(0).location;
    add("OVERWRITES", overwrites);
    add("APART", !overwrites);
    add("ANY_DEPTHWISE", kernel != [3; 2] || stride != [1; 2] || dilation != [1; 2]);
    let strip = strip(kernel, stride, dilation, columns);
    add("LONG_LINES", strip.is_none_or(|strip| overwrites && strip.columns < columns));
    add("STRIPS", strip.is_none_or(|strip| strip.columns < columns || strip.rows < rows));
}
