//! Ops that move elements without computing: in whatever form the elements are.

use super::builder::{Builder, Form, Refusal};
use super::view::View;
use crate::graph::ops::{Concat, Pad, Slice, Transpose};
use crate::graph::{Node, ValueId};
use bantam_format::ops::{self, PadMode};
use bantam_format::{MAX_RANK, Opcode};

/// The form a node moves its operand in: results of float operands are floats, and the others have the operand's
/// elements or, where the parameters differ, the result's.
pub(super) fn moved_form(builder: &mut Builder<'_>, node: &Node, operand: ValueId) -> Form {
    if builder.graph.constant(operand).is_none() && builder.form(operand) == Form::Float {
        builder.make_float(node.output());
    }
    builder.form(node.output())
}

/// A reshape is another view of the same memory: no op.
pub(super) fn lower_reshape(builder: &mut Builder<'_>, node: &Node) -> Result<(), Refusal> {
    let form = moved_form(builder, node, node.inputs[0]);
    let source = builder.read(node.inputs[0], form);
    builder.alias(node.output(), source);
    Ok(())
}

/// Any view of the operand.
pub(super) fn lower_view(builder: &mut Builder<'_>, node: &Node, view: &View) -> Result<(), Refusal> {
    let form = moved_form(builder, node, node.inputs[0]);
    let source = builder.read(node.inputs[0], form);
    if view.is_contiguous() {
        builder.alias(node.output(), source);
        return Ok(());
    }
    let output = builder.activation(node.output());
    builder.copy_view(&node.name, source, view, output)
}

pub(super) fn lower_transpose(builder: &mut Builder<'_>, node: &Node, transpose: &Transpose) -> Result<(), Refusal> {
    let view = View::of(&builder.graph.value(node.inputs[0]).shape).permuted(&transpose.permutation);
    lower_view(builder, node, &view)
}

pub(super) fn lower_slice(builder: &mut Builder<'_>, node: &Node, slice: &Slice) -> Result<(), Refusal> {
    let whole = View::of(&builder.graph.value(node.inputs[0]).shape);
    let view = slice
        .ranges
        .iter()
        .enumerate()
        .fold(whole, |view, (axis, range)| view.sliced(axis, range.start, range.count, range.step as i64));
    lower_view(builder, node, &view)
}

pub(super) fn lower_concat(builder: &mut Builder<'_>, node: &Node, concat: &Concat) -> Result<(), Refusal> {
    let graph = builder.graph;
    let mut moving = node.inputs.iter().filter(|&&input| graph.constant(input).is_none());
    if moving.all(|&input| builder.form(input) == Form::Float) {
        builder.make_float(node.output());
    }
    // Operands of another quantisation than the result's are requantised by a table.
    let form = builder.form(node.output());
    let inputs: Vec<u16> = node.inputs.iter().map(|&input| builder.read(input, form)).collect();
    if inputs.len() > usize::from(u8::MAX) {
        return Err(format!("{} operands; at most 255 are supported", inputs.len()));
    }
    let mut attributes = Vec::new();
    ops::Concat { axis: concat.axis as u8, reserved: [0; 3] }.write(&mut attributes);
    builder.op(node, Opcode::Concat, inputs, attributes)
}

/// A constant in the arena, as the single operand of a concatenation.
pub(super) fn copy_constant(builder: &mut Builder<'_>, value: ValueId) {
    let name = &builder.graph.value(value).name;
    let form = if builder.form(value) == Form::Word { Form::Word } else { Form::Float };
    builder.make_float(value);
    let source = builder.read(value, form);
    let line = builder.flattened(name, source, form);
    let count = builder.graph.value(value).shape.iter().product();
    let copy = builder.temporary(name, form, &[count]);
    let mut attributes = Vec::new();
    ops::Concat { axis: 0, reserved: [0; 3] }.write(&mut attributes);
    builder.emit(name, Opcode::Concat, vec![line], copy, attributes);
    builder.alias(value, copy);
}

pub(super) fn lower_pad(builder: &mut Builder<'_>, node: &Node, pad: &Pad) -> Result<(), Refusal> {
    let form = moved_form(builder, node, node.inputs[0]);
    let input = builder.read(node.inputs[0], form);
    let value = match form {
        Form::Float => pad.value.to_bits(),
        Form::Integer(parameters) if parameters.wide => i32::from(parameters.quantize_wide(pad.value)).cast_unsigned(),
        Form::Integer(parameters) => i32::from(parameters.quantize(pad.value)).cast_unsigned(),
        Form::Word => (pad.value as i32).cast_unsigned(),
    };
    let mut before = [0; MAX_RANK];
    for (to, &from) in before.iter_mut().zip(&pad.before) {
        *to = u32::try_from(from).map_err(|_| "the padding is too large")?;
    }
    let mut attributes = Vec::new();
    ops::Pad { mode: PadMode::Constant.code(), reserved: [0; 3], value, before }.write(&mut attributes);
    builder.op(node, Opcode::Pad, vec![input], attributes)
}
