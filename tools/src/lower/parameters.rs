//! Scale and zero point of every activation: chosen from ranges, or as the model itself has them.

use super::LowerError;
use crate::graph::ops::{BinaryKind, Dequantize, Quantize, Unary};
use crate::graph::{Graph, Node, NodeId, Op, ValueId};
use crate::quantize::Parameters;
use crate::tensor::DataType;
use bantam_format::Arithmetic;
use std::collections::{BTreeMap, BTreeSet};

/// Chooses scale and zero point of every activation: from its range, or fixed by its producer.
pub(super) fn from_ranges(
    graph: &Graph,
    ranges: &BTreeMap<ValueId, (f32, f32)>,
    wide: &BTreeSet<ValueId>,
    arithmetic: Arithmetic,
) -> Result<BTreeMap<ValueId, Parameters>, LowerError> {
    let covering = |value: ValueId| {
        let &(min, max) = ranges.get(&value).ok_or_else(|| LowerError::NoRange(graph.value(value).name.clone()))?;
        let is_wide = wide.contains(&value);
        Ok(if is_wide { Parameters::covering_wide(min, max) } else { Parameters::covering(min, max) })
    };
    let mut parameters = BTreeMap::new();
    for port in graph.inputs() {
        if graph.value(port.value).dtype == DataType::F32 {
            parameters.insert(port.value, covering(port.value)?);
        }
    }
    for (_, node) in graph.nodes() {
        let output = node.output();
        if graph.value(output).dtype != DataType::F32 {
            continue;
        }
        let is_wide = wide.contains(&output);
        // The operand's parameters, if it has any of this width; of an operand in the other one those that its producer settles.
        let same = |value: ValueId| {
            let operand = parameters.get(&value).copied().filter(|operand: &Parameters| operand.wide == is_wide);
            let settled = || graph.producer(value).and_then(|made| fixed(&graph.node(made)?.op, is_wide));
            operand.or_else(settled).map_or_else(|| covering(output), Ok)
        };
        let chosen = match (&node.op, fixed(&node.op, is_wide)) {
            (_, Some(fixed)) => fixed,
            (Op::MaxPool2d(_) | Op::Reshape(_) | Op::Clip(_), _) => same(node.inputs[0])?,
            (Op::AveragePool2d(_), _) if arithmetic == Arithmetic::Tflite => same(node.inputs[0])?,
            (Op::Transpose(_) | Op::Slice(_) | Op::Gather(_) | Op::Resize(_), _) => same(node.inputs[0])?,
            (Op::Pad(pad), _) => {
                let operand = same(node.inputs[0])?;
                let [low, high] = operand.bounds();
                if (low..=high).contains(&pad.value) { operand } else { covering(output)? }
            }
            _ => covering(output)?,
        };
        if is_clipped(graph, node) {
            // What lies above the bounds need not be told apart.
            parameters.insert(node.inputs[0], chosen);
        }
        parameters.insert(output, chosen);
    }
    Ok(parameters)
}

/// The parameters of results that always have the same ones.
const fn fixed(op: &Op, wide: bool) -> Option<Parameters> {
    match (op, wide) {
        (Op::Softmax(_) | Op::Unary(Unary::Sigmoid | Unary::Tanh), true) => Some(Parameters::WIDE_UNIT),
        (Op::Softmax(_) | Op::Unary(Unary::Sigmoid), false) => Some(Parameters::PROBABILITY),
        (Op::Unary(Unary::Tanh) | Op::L2Normalize(_), false) => Some(Parameters::SIGNED_UNIT),
        (Op::LogSoftmax(_), false) => Some(Parameters::LOGARITHM),
        _ => None,
    }
}

/// Whether a node takes the smaller of a constant and of sums that nothing else reads.
fn is_clipped(graph: &Graph, node: &Node) -> bool {
    let is_minimum = matches!(&node.op, Op::Binary(binary) if binary.kind == BinaryKind::Min);
    let sums = |value: ValueId| {
        let producer = graph.producer(value).and_then(|producer| graph.node(producer));
        graph.single_consumer(value).is_some()
            && producer.is_some_and(|made| matches!(made.op, Op::Conv2d(_) | Op::FullyConnected(_)))
    };
    is_minimum && graph.constant(node.inputs[1]).is_some() && sums(node.inputs[0])
}

/// Scale and zero point of every value that the graph's own `Quantize` and `Dequantize` settle: their integers and
/// results, what is only there to be quantised, and what moves such elements. All other values are real numbers.
pub(super) fn from_graph(graph: &Graph) -> BTreeMap<ValueId, Parameters> {
    let mut found = BTreeMap::new();
    for (_, node) in graph.nodes() {
        let parameters = match &node.op {
            Op::Quantize(Quantize { scale, zero_point, to }) => shifted(*scale, *zero_point, *to),
            Op::Dequantize(dequantize) => read_as(graph, node, dequantize),
            _ => None,
        };
        if let Some(parameters) = parameters {
            found.insert(node.output(), parameters);
        }
    }
    // Towards the inputs: a value all of whose users quantise it alike might as well be quantised when it is made.
    let made = graph.nodes().rev().map(|(_, node)| node.output());
    let open: Vec<ValueId> = made
        .chain(graph.inputs().iter().chain(graph.states().map(|(read, _, _)| read)).map(|port| port.value))
        .collect();
    for value in open {
        if !found.contains_key(&value)
            && let Some(parameters) = as_used(graph, value, &found)
        {
            found.insert(value, parameters);
        }
    }
    // Towards the outputs: the same integers elsewhere.
    for (_, node) in graph.nodes() {
        if !found.contains_key(&node.output())
            && keeps_elements(&node.op)
            && let Some(&parameters) = found.get(&node.inputs[0])
        {
            found.insert(node.output(), parameters);
        }
    }
    found
}

/// Signed integers stand for themselves, unsigned ones are kept with 128 taken off.
pub(super) fn shifted(scale: f32, zero_point: i32, data_type: DataType) -> Option<Parameters> {
    let zero_point = match data_type {
        DataType::I8 => zero_point,
        DataType::U8 => zero_point - 128,
        DataType::I16 if zero_point == 0 => 0,
        _ => return None,
    };
    let wide = data_type == DataType::I16;
    Some(Parameters { scale, zero_point: i8::try_from(zero_point).ok()?, wide })
}

/// What a `Dequantize` makes of its operand, if that has one scale.
fn read_as(graph: &Graph, node: &Node, dequantize: &Dequantize) -> Option<Parameters> {
    if dequantize.axis.is_some() {
        return None;
    }
    let (scale, zero_point) = dequantize.at(0);
    shifted(scale, zero_point, graph.value(node.inputs[0]).dtype)
}

/// What all users of a value make of it, if they agree. Integers that are only read are what their first user takes
/// them for.
fn as_used(graph: &Graph, value: ValueId, found: &BTreeMap<ValueId, Parameters>) -> Option<Parameters> {
    let real = graph.value(value).dtype == DataType::F32;
    if real && graph.is_output(value) {
        return None;
    }
    // Integers that are computed are words.
    let producer = graph.producer(value).and_then(|producer| graph.node(producer));
    let moved = |node: &Node| keeps_elements(&node.op) || matches!(node.op, Op::Concat(_) | Op::Select);
    if !real && !producer.is_none_or(moved) {
        return None;
    }
    let used = |&id: &NodeId| {
        let node = graph.node(id)?;
        let passes = match node.op {
            Op::Quantize(_) => real,
            Op::Dequantize(_) => !real,
            Op::Clip(_) | Op::Pad(_) | Op::Concat(_) => real,
            _ => keeps_elements(&node.op) && node.inputs[0] == value,
        };
        if passes { found.get(&node.output()).copied() } else { None }
    };
    let mut users = graph.consumers(value).iter().map(used);
    if !real {
        return users.flatten().next();
    }
    let first = users.next()??;
    users.all(|user| user == Some(first)).then_some(first)
}

/// Whether each element of the result is one of the first operand's, so that it does not matter whether they are
/// quantised before or after.
fn keeps_elements(op: &Op) -> bool {
    matches!(op, Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_) | Op::Gather(_) | Op::MaxPool2d(_))
}
