//! Ops that move elements without computing: in whatever form the elements are.

use super::builder::{Builder, Form, Refusal};
use super::view::View;
use crate::graph::ops::{Concat, Gather, Pad, Slice, Transpose};
use crate::graph::{Node, ValueId};
use crate::tensor::DataType as HostType;
use bantam_format::ops::{self, BinaryKind, PadMode};
use bantam_format::{ABSENT, MAX_RANK, Opcode};

/// The form a node moves its operand in: results of float operands are floats, and the others have the operand's
/// elements or, where the parameters differ, the result's.
fn moved_form(builder: &mut Builder<'_>, node: &Node, operand: ValueId) -> Form {
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

pub(super) fn lower_pad(builder: &mut Builder<'_>, node: &Node, pad: &Pad) -> Result<(), Refusal> {
    let form = moved_form(builder, node, node.inputs[0]);
    let input = builder.read(node.inputs[0], form);
    let value = match form {
        Form::Float => pad.value.to_bits(),
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

pub(super) fn lower_gather(builder: &mut Builder<'_>, node: &Node, gather: &Gather) -> Result<(), Refusal> {
    let graph = builder.graph;
    let form = moved_form(builder, node, node.inputs[0]);
    let mut inputs = vec![builder.read(node.inputs[0], form)];
    let size = graph.value(node.inputs[0]).shape[gather.axis] as i64;
    let axis = u8::try_from(gather.axis).map_err(|_| "the axis is too large")?;
    let (count, positions) = match graph.constant(node.inputs[1]) {
        Some(constant) => {
            let positions = constant.to_i64();
            let mut bytes = Vec::with_capacity(positions.len() * 4);
            for position in positions {
                let counted = if position < 0 { position + size } else { position };
                let inside = u32::try_from(counted).ok().filter(|_| counted < size);
                let inside = inside.ok_or_else(|| format!("position {position} is outside an axis of {size}"))?;
                bytes.extend(inside.to_le_bytes());
            }
            (bytes.len() as u32 / 4, builder.constants.add(bytes))
        }
        None => {
            inputs.push(builder.read(node.inputs[1], Form::Word));
            (0, ABSENT)
        }
    };
    let mut attributes = Vec::new();
    ops::Gather { axis, reserved: [0; 3], count, positions }.write(&mut attributes);
    builder.op(node, Opcode::Gather, inputs, attributes)
}

/// Integers are words already; truth values are 0 or 1.
pub(super) fn lower_cast(builder: &mut Builder<'_>, node: &Node, to: HostType) -> Result<(), Refusal> {
    let (input, output) = (node.inputs[0], node.output());
    let from = builder.graph.value(input).dtype;
    match (from, to) {
        (HostType::F32, HostType::F32) => lower_reshape(builder, node),
        (HostType::F32, HostType::I64 | HostType::I32) => {
            let source = builder.read(input, Form::Float);
            builder.op(node, Opcode::Cast, vec![source], vec![])
        }
        (HostType::F32, HostType::I8 | HostType::U8) => {
            // Saturated, then cut towards zero; a NaN stays one, and becomes 0.
            let (low, high) = if to == HostType::I8 { (-128.0, 127.0) } else { (0.0, 255.0) };
            let source = builder.read(input, Form::Float);
            let shape = builder.graph.value(input).shape.clone();
            let inside = builder.temporary(&format!("{}/inside", node.name), Form::Float, &shape);
            let mut attributes = Vec::new();
            ops::FloatClamp { clamp_min: low, clamp_max: high }.write(&mut attributes);
            builder.emit(&node.name, Opcode::Clamp, vec![source], inside, attributes);
            builder.op(node, Opcode::Cast, vec![inside], vec![])
        }
        (_, HostType::F32) => {
            builder.make_float(output);
            let source = builder.read(input, Form::Word);
            builder.op(node, Opcode::Cast, vec![source], vec![])
        }
        (HostType::Bool, _) | (_, HostType::I64 | HostType::I32) => {
            let source = builder.read(input, Form::Word);
            builder.alias(output, source);
            Ok(())
        }
        (HostType::I32 | HostType::I64, HostType::Bool) => {
            // Not zero: twice compared with zero.
            let source = builder.read(input, Form::Word);
            let shape = builder.graph.value(input).shape.clone();
            let zero = builder.word(&node.name, 0);
            let is_zero = builder.temporary(&format!("{}/zero", node.name), Form::Word, &shape);
            let mut equal = Vec::new();
            ops::WordBinary { kind: BinaryKind::Equal.code(), reserved: [0; 3] }.write(&mut equal);
            builder.emit(&node.name, Opcode::Binary, vec![source, zero], is_zero, equal.clone());
            builder.op(node, Opcode::Binary, vec![is_zero, zero], equal)
        }
        _ => Err(format!("a conversion from {from:?} to {to:?} is not supported on devices yet")),
    }
}
