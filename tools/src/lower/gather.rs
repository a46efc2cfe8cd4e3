//! Elements taken from positions, and the positions of the best elements.

use super::builder::{Builder, Form, Refusal, word_bytes};
use super::movement::moved_form;
use super::reduction::with_last;
use super::view::View;
use super::words::Words;
use crate::graph::ops::{Gather, GatherElements, TopPositions};
use crate::graph::{Node, Op};
use crate::tensor::strides;
use bantam_format::ops::{self, BinaryKind};
use bantam_format::{ABSENT, Opcode};

/// A position of an axis, where negative ones count from the end.
fn counted(position: i64, size: usize) -> Result<usize, Refusal> {
    let from_end = if position < 0 { position.saturating_add(size as i64) } else { position };
    let inside = usize::try_from(from_end).ok().filter(|&found| found < size);
    inside.ok_or_else(|| format!("position {position} is outside an axis of {size}"))
}

/// The positions as the constants of a gather hold them.
fn position_bytes(positions: &[usize]) -> Result<Vec<u8>, Refusal> {
    let words = positions.iter().map(|&position| u32::try_from(position).map(u32::to_le_bytes));
    Ok(words.collect::<Result<Vec<_>, _>>().map_err(|_| "the tensor is too large")?.concat())
}

fn attributes(axis: u8, count: usize, positions: u32) -> Vec<u8> {
    let mut attributes = Vec::new();
    ops::Gather { axis, reserved: [0; 3], count: count as u32, positions }.write(&mut attributes);
    attributes
}

pub(super) fn lower_gather(builder: &mut Builder<'_>, node: &Node, gather: &Gather) -> Result<(), Refusal> {
    let graph = builder.graph;
    let form = moved_form(builder, node, node.inputs[0]);
    let mut inputs = vec![builder.read(node.inputs[0], form)];
    let size = graph.value(node.inputs[0]).shape[gather.axis];
    let axis = u8::try_from(gather.axis).map_err(|_| "the axis is too large")?;
    let attributes = match graph.constant(node.inputs[1]) {
        Some(constant) => {
            let positions = constant.to_i64().into_iter().map(|position| counted(position, size));
            let positions = positions.collect::<Result<Vec<_>, _>>()?;
            attributes(axis, positions.len(), builder.constants.add(position_bytes(&positions)?))
        }
        None => {
            inputs.push(builder.read(node.inputs[1], Form::Word));
            attributes(axis, 0, ABSENT)
        }
    };
    builder.op(node, Opcode::Gather, inputs, attributes)
}

/// Single elements: a gather from the operand as one line, at positions that are computed from those of the axis.
pub(super) fn lower_gather_elements(
    builder: &mut Builder<'_>,
    node: &Node,
    gather: &GatherElements,
) -> Result<(), Refusal> {
    let graph = builder.graph;
    let form = moved_form(builder, node, node.inputs[0]);
    let shape = &graph.value(node.inputs[0]).shape;
    let taken = &graph.value(node.output()).shape;
    let (size, steps, own) = (shape[gather.axis], strides(shape), strides(taken));
    // What the other axes contribute to the place of each element.
    let others = (0..shape.len()).filter(|&axis| axis != gather.axis);
    let rest = |index: usize| others.clone().map(|axis| index / own[axis] % taken[axis] * steps[axis]).sum::<usize>();
    let rests: Vec<usize> = (0..taken.iter().product()).map(rest).collect();
    let source = builder.read(node.inputs[0], form);
    let line = builder.flattened(&format!("{}/line", node.name), source, form);
    if let Some(constant) = graph.constant(node.inputs[1]) {
        let places = constant.to_i64().into_iter().zip(&rests);
        let places = places.map(|(position, rest)| Ok(counted(position, size)? * steps[gather.axis] + rest));
        let places = places.collect::<Result<Vec<_>, Refusal>>()?;
        let positions = builder.constants.add(position_bytes(&places)?);
        return builder.op(node, Opcode::Gather, vec![line], attributes(0, places.len(), positions));
    }
    let too_large = |_| "the tensor is too large";
    let (size, step) = (i32::try_from(size).map_err(too_large)?, i32::try_from(steps[gather.axis]).map_err(too_large)?);
    let mut places = builder.read(node.inputs[1], Form::Word);
    let producer = graph.producer(node.inputs[1]).and_then(|producer| graph.node(producer));
    let trusted = producer.is_some_and(|producer| matches!(producer.op, Op::TopPositions(_) | Op::ArgMax(_)));
    let mut words = Words { builder, name: &node.name, shape: taken.clone() };
    if !trusted {
        let negative = words.with(BinaryKind::Less, places, 0);
        let counted = words.with(BinaryKind::Mul, negative, size);
        places = words.apply(BinaryKind::Add, counted, places);
        places = words.with(BinaryKind::Max, places, 0);
        places = words.with(BinaryKind::Min, places, size - 1);
    }
    if step != 1 {
        places = words.with(BinaryKind::Mul, places, step);
    }
    if rests.iter().any(|&rest| rest != 0) {
        let bytes = word_bytes(&rests.iter().map(|&rest| rest as i64).collect::<Vec<_>>());
        let rests = words.builder.constant(&node.name, Form::Word, taken, bytes);
        places = words.apply(BinaryKind::Add, places, rests);
    }
    builder.op(node, Opcode::Gather, vec![line, places], attributes(0, 0, ABSENT))
}

/// Positions of the best elements along an axis, which is moved to the end and back.
pub(super) fn lower_top(builder: &mut Builder<'_>, node: &Node, top: &TopPositions) -> Result<(), Refusal> {
    let form = builder.form(node.inputs[0]);
    let (input, mut view, order) = with_last(builder, node, form, &[top.axis])?;
    let mut attributes = Vec::new();
    let count = u32::try_from(top.count).map_err(|_| "the tensor is too large")?;
    ops::TopK { count, select_least: u8::from(!top.largest), reserved: [0; 3] }.write(&mut attributes);
    if order.is_sorted() {
        return builder.op(node, Opcode::TopK, vec![input], attributes);
    }
    if let Some(last) = view.shape.last_mut() {
        *last = top.count;
    }
    let found = builder.temporary(&format!("{}/last", node.name), Form::Word, &view.shape);
    builder.emit(&node.name, Opcode::TopK, vec![input], found, attributes);
    let output = builder.activation(node.output());
    builder.copy_view(&node.name, found, &View::of(&view.shape).moved_back(&order), output)
}
