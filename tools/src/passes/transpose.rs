//! Moves transposes towards the outputs until they meet their inverse, or weights that can be
//! reordered once and for all.

use crate::graph::ops::{
    ArgMax, Concat, Dequantize, Gather, L2Normalize, LogSoftmax, Pad, Reduce, Reshape, Resize, Slice, Softmax,
    Transpose,
};
use crate::graph::{Graph, GraphError, NodeId, Op, ValueId};
use crate::tensor::{Tensor, TensorError};

/// Merges and cancels transposes, and moves each behind the operators that read it.
///
/// # Errors
/// [`GraphError`], never for a valid graph.
pub(super) fn run(graph: &mut Graph) -> Result<usize, GraphError> {
    let mut changes = 0;
    for id in graph.node_ids() {
        changes += usize::from(merge(graph, id)? || sink(graph, id)? || fold_flatten(graph, id)?);
    }
    Ok(changes)
}

/// Writes transposes that only move axes of size 1 as reshapes.
///
/// # Errors
/// [`GraphError`], never for a valid graph.
pub(super) fn unit_transposes(graph: &mut Graph) -> Result<usize, GraphError> {
    let mut changes = 0;
    for id in graph.node_ids() {
        let Some(node) = graph.node(id) else { continue };
        let Op::Transpose(transpose) = &node.op else { continue };
        let shape = &graph.value(node.inputs[0]).shape;
        let moving = transpose.permutation.iter().filter(|&&axis| shape[axis] != 1);
        if moving.is_sorted() {
            let op = Op::Reshape(Reshape { shape: graph.value(node.output()).shape.clone() });
            if let Some(old) = graph.op_mut(id) {
                *old = op;
                changes += 1;
            }
        }
    }
    Ok(changes)
}

/// Operand and permutation of the transpose that makes `value`.
fn transposed(graph: &Graph, value: ValueId) -> Option<(ValueId, Vec<usize>)> {
    let node = graph.node(graph.producer(value)?)?;
    match &node.op {
        Op::Transpose(transpose) => Some((node.inputs[0], transpose.permutation.clone())),
        _ => None,
    }
}

/// `inverse[permutation[i]] == i`.
fn inverse(permutation: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; permutation.len()];
    for (position, &axis) in permutation.iter().enumerate() {
        inverse[axis] = position;
    }
    inverse
}

/// A transpose of a transpose is one transpose; one that moves nothing is none.
fn merge(graph: &mut Graph, id: NodeId) -> Result<bool, GraphError> {
    let Some(node) = graph.node(id) else { return Ok(false) };
    let Op::Transpose(second) = &node.op else { return Ok(false) };
    let (operand, output) = (node.inputs[0], node.output());
    let (source, merged) = match transposed(graph, operand) {
        Some((source, first)) => {
            let merged = second.permutation.iter().map(|&axis| first[axis]).collect();
            (source, merged)
        }
        None => (operand, second.permutation.clone()),
    };
    if merged.is_sorted() {
        // What both transposes surround keeps its own name.
        graph.replace_uses(output, source);
        graph.remove_node(id);
        return Ok(true);
    }
    if source == operand {
        return Ok(false);
    }
    if let Some(op) = graph.op_mut(id) {
        *op = Op::Transpose(Transpose { permutation: merged });
    }
    graph.set_inputs(id, &[source])?;
    Ok(true)
}

/// Turns `op(transpose(x))` into `transpose(op'(x))`.
fn sink(graph: &mut Graph, id: NodeId) -> Result<bool, GraphError> {
    let Some(node) = graph.node(id) else { return Ok(false) };
    let Some(permutation) = node.inputs.iter().find_map(|&input| transposed(graph, input)).map(|found| found.1) else {
        return Ok(false);
    };
    let Some((op, after)) = moved(&node.op, &permutation, node.inputs.len()) else {
        return Ok(false);
    };
    let rank = graph.value(node.output()).shape.len();
    if node.op.is_broadcast() && rank != permutation.len() {
        return Ok(false);
    }
    let inputs = node.inputs.clone();
    let picks = matches!(node.op, Op::Gather(_));
    if picks && inputs.get(1).is_none_or(|&positions| graph.value(positions).shape.len() != 1) {
        return Ok(false);
    }
    let mut operands = Vec::with_capacity(inputs.len());
    for (index, &input) in inputs.iter().enumerate() {
        if picks && index > 0 {
            operands.push(Operand::Value(input));
            continue;
        }
        match as_source(graph, input, &permutation) {
            Some(operand) => operands.push(operand),
            None => return Ok(false),
        }
    }
    let mut values = Vec::with_capacity(inputs.len());
    for operand in operands {
        values.push(match operand {
            Operand::Value(value) => value,
            Operand::Constant(name, tensor) => graph.add_constant(name, tensor),
            Operand::Quantized(name, tensor, dequantize) => graph.insert_quantized(id, &name, tensor, dequantize)?,
            Operand::Reshaped(value, shape) => {
                let name = graph.value(value).name.clone();
                graph.insert_before(id, name, Op::Reshape(Reshape { shape }), &[value])?
            }
        });
    }
    let Some(node) = graph.node(id) else { return Ok(false) };
    let (name, output) = (node.name.clone(), node.output());
    let value_name = graph.value(output).name.clone();
    let result = graph.insert_before(id, name, op, &values)?;
    graph.rename(result, value_name);
    if after.is_sorted() {
        graph.replace_uses(output, result);
        graph.remove_node(id);
    } else {
        if let Some(op) = graph.op_mut(id) {
            *op = Op::Transpose(Transpose { permutation: after });
        }
        graph.set_inputs(id, &[result])?;
    }
    Ok(true)
}

/// The operator on the axes before the transpose, and the permutation that follows it.
fn moved(op: &Op, permutation: &[usize], operands: usize) -> Option<(Op, Vec<usize>)> {
    let same = permutation.to_vec();
    Some(match op {
        _ if op.is_elementwise_unary() => (op.clone(), same),
        _ if op.is_broadcast() => (op.clone(), same),
        Op::Gather(gather) => (Op::Gather(Gather { axis: *permutation.get(gather.axis)? }), same),
        Op::Softmax(softmax) => (Op::Softmax(Softmax { axis: permutation[softmax.axis], ..*softmax }), same),
        Op::LogSoftmax(softmax) => (Op::LogSoftmax(LogSoftmax { axis: permutation[softmax.axis] }), same),
        Op::L2Normalize(normalize) => (Op::L2Normalize(L2Normalize { axis: permutation[normalize.axis] }), same),
        Op::Concat(concat) if operands > 0 => (Op::Concat(Concat { axis: permutation[concat.axis] }), same),
        Op::Pad(pad) => {
            let back = inverse(permutation);
            let order = |list: &[usize]| back.iter().map(|&axis| list[axis]).collect();
            let (before, after) = (order(&pad.before), order(&pad.after));
            (Op::Pad(Pad { before, after, value: pad.value }), same)
        }
        Op::Slice(slice) => {
            let ranges = inverse(permutation).iter().map(|&axis| slice.ranges[axis]).collect();
            (Op::Slice(Slice { ranges }), same)
        }
        Op::Normalize(normalize) if operands == 1 => {
            // The axes that are normalised together may change places among themselves.
            let first = permutation.len() - normalize.axes;
            if permutation[first..].iter().any(|&axis| axis < first) {
                return None;
            }
            (op.clone(), same)
        }
        Op::Resize(resize) => {
            // The two axes stay neighbours, in their order or the other.
            let [first, second] = [permutation[resize.first_axis], permutation[resize.first_axis + 1]];
            let Resize { rows, columns, .. } = resize.clone();
            let moved = match (first.checked_add(1) == Some(second), second.checked_add(1) == Some(first)) {
                (true, _) => Resize { first_axis: first, rows, columns },
                (_, true) => Resize { first_axis: second, rows: columns, columns: rows },
                _ => return None,
            };
            (Op::Resize(moved), same)
        }
        Op::Reduce(reduce) => {
            let mut axes: Vec<usize> = reduce.axes.iter().map(|&axis| permutation[axis]).collect();
            axes.sort_unstable();
            let after = remaining(permutation, &axes, reduce.keep_dims);
            (Op::Reduce(Reduce { axes, ..reduce.clone() }), after)
        }
        Op::ArgMax(arg_max) => {
            let axis = permutation[arg_max.axis];
            let after = remaining(permutation, &[axis], arg_max.keep_dims);
            (Op::ArgMax(ArgMax { axis, ..arg_max.clone() }), after)
        }
        _ => return None,
    })
}

/// The permutation of the axes that are left when `axes` of the source are gone.
fn remaining(permutation: &[usize], axes: &[usize], keep_dims: bool) -> Vec<usize> {
    if keep_dims {
        return permutation.to_vec();
    }
    permutation
        .iter()
        .filter(|&axis| !axes.contains(axis))
        .map(|&axis| axis - axes.iter().filter(|&&gone| gone < axis).count())
        .collect()
}

/// An operand on the axes before the transpose.
enum Operand {
    Value(ValueId),
    Constant(String, Tensor),
    Quantized(String, Tensor, Dequantize),
    Reshaped(ValueId, Vec<usize>),
}

/// What, transposed, is `value`: the operand of the same transpose, a reordered constant, or a
/// value whose axes of size above 1 keep their order. Constants of lower rank are right-aligned.
fn as_source(graph: &Graph, value: ValueId, permutation: &[usize]) -> Option<Operand> {
    if let Some((source, other)) = transposed(graph, value)
        && other == permutation
    {
        return Some(Operand::Value(source));
    }
    let shape = &graph.value(value).shape;
    let missing = permutation.len().checked_sub(shape.len())?;
    if shape.iter().all(|&size| size == 1) && graph.is_known(value) {
        return Some(Operand::Value(value));
    }
    let full: Vec<usize> = std::iter::repeat_n(1, missing).chain(shape.iter().copied()).collect();
    let back = inverse(permutation);
    if let Some(tensor) = graph.constant(value) {
        let tensor = tensor.clone().reshape(full).ok()?.transpose(&back).ok()?;
        return Some(Operand::Constant(graph.value(value).name.clone(), tensor));
    }
    if let Some((integers, dequantize)) = graph.quantized_constant(value) {
        let dequantize = dequantize.reshaped(shape, &full)?.transposed(&back);
        let tensor = integers.clone().reshape(full).ok()?.transpose(&back).ok()?;
        return Some(Operand::Quantized(graph.value(value).name.clone(), tensor, dequantize));
    }
    let moving: Vec<usize> = back.iter().copied().filter(|&axis| full[axis] != 1).collect();
    moving.is_sorted().then(|| Operand::Reshaped(value, back.iter().map(|&axis| full[axis]).collect()))
}

/// Turns `fully_connected(flatten(transpose(x)), weights)` into `fully_connected(flatten(x),
/// weights')`.
fn fold_flatten(graph: &mut Graph, id: NodeId) -> Result<bool, GraphError> {
    let Some(node) = graph.node(id) else { return Ok(false) };
    if !matches!(node.op, Op::FullyConnected(_)) {
        return Ok(false);
    }
    let inputs = node.inputs.clone();
    let flat = inputs[0];
    let Some(flatten) = graph.producer(flat).and_then(|producer| graph.node(producer)) else {
        return Ok(false);
    };
    if !matches!(flatten.op, Op::Reshape(_)) {
        return Ok(false);
    }
    let between = flatten.inputs[0];
    let Some((source, permutation)) = transposed(graph, between) else { return Ok(false) };
    let (weights, dequantize) = match (graph.constant(inputs[1]), graph.quantized_constant(inputs[1])) {
        (Some(weights), _) => (weights, None),
        // Scales along the columns would have to be reordered too.
        (None, Some((weights, dequantize))) if dequantize.axis != Some(1) => (weights, Some(dequantize.clone())),
        _ => return Ok(false),
    };
    let transposed_shape = graph.value(between).shape.clone();
    let flat_shape = graph.value(flat).shape.clone();
    let Some((&depth, leading)) = flat_shape.split_last() else { return Ok(false) };
    // Either everything is one row, or the first axis stays and each index of it is one row.
    let rows: usize = leading.iter().product();
    let first = if rows == 1 {
        0
    } else if permutation.first() == Some(&0) && transposed_shape.first() == Some(&rows) {
        1
    } else {
        return Ok(false);
    };
    let reordered = reorder_columns(weights, &transposed_shape[first..], &permutation, first);
    let Ok(reordered) = reordered else { return Ok(false) };
    debug_assert_eq!(reordered.shape().last(), Some(&depth));
    let name = graph.value(inputs[1]).name.clone();
    let weights = match dequantize {
        Some(dequantize) => graph.insert_quantized(id, &name, reordered, dequantize)?,
        None => graph.add_constant(name, reordered),
    };
    let name = graph.value(flat).name.clone();
    let op = Op::Reshape(Reshape { shape: flat_shape });
    let flat = graph.insert_before(id, name, op, &[source])?;
    let mut inputs = inputs;
    inputs[0] = flat;
    inputs[1] = weights;
    graph.set_inputs(id, &inputs)?;
    Ok(true)
}

/// Columns of `[out, in]` weights, where `in` runs over `shape`, the axes from `first` on after
/// the transpose, in the order of the axes before it.
fn reorder_columns(
    weights: &Tensor,
    shape: &[usize],
    permutation: &[usize],
    first: usize,
) -> Result<Tensor, TensorError> {
    let (out, depth) = (weights.shape()[0], weights.shape()[1]);
    let back = inverse(permutation);
    let order: Vec<usize> = [0].into_iter().chain(back[first..].iter().map(|&axis| axis - first + 1)).collect();
    weights.clone().reshape([&[out], shape].concat())?.transpose(&order)?.reshape(vec![out, depth])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{apply, assert_same, numbers, operators};
    use super::*;
    use crate::graph::Activation;
    use crate::graph::ops::{Binary, BinaryKind, Compare, FullyConnected, ReduceKind, SliceRange, Tap};
    use crate::tensor::DataType;

    fn transpose(graph: &mut Graph, value: ValueId, permutation: &[usize]) -> ValueId {
        let op = Op::Transpose(Transpose { permutation: permutation.to_vec() });
        graph.add_node("transpose", op, &[value]).unwrap()
    }

    /// x [2, 3, 4, 5] to channels first, the operator, and back again where the rank is still 4.
    fn around(op: Op, others: &[Tensor]) -> Graph {
        let mut graph = Graph::new("around");
        let x = graph.add_input("x", vec![2, 3, 4, 5], DataType::F32);
        let first = transpose(&mut graph, x, &Transpose::TO_CHANNELS_FIRST);
        let mut operands = vec![first];
        for tensor in others {
            operands.push(graph.add_constant("c", tensor.clone()));
        }
        let mut y = graph.add_node("op", op, &operands).unwrap();
        if graph.value(y).shape.len() == 4 {
            y = transpose(&mut graph, y, &Transpose::TO_CHANNELS_LAST);
        }
        graph.add_output("y", y);
        graph
    }

    #[test]
    fn transposes_pass_through_and_cancel() {
        let add = || Op::Binary(Binary::new(BinaryKind::Add));
        let reduce =
            |axes: &[usize], keep_dims| Op::Reduce(Reduce { kind: ReduceKind::Mean, axes: axes.to_vec(), keep_dims });
        let range = |count| SliceRange { start: 0, count, step: 1 };
        let tap = Tap { low: 1, high: 2, weight: 0.25 };
        let cases: Vec<(Op, Vec<Tensor>)> = vec![
            (Op::Clip(Activation::RELU), vec![]),
            (add(), vec![numbers(&[5, 1, 1], 1)]),
            (add(), vec![numbers(&[2, 5, 3, 4], 1)]),
            (add(), vec![numbers(&[4], 1)]),
            (add(), vec![numbers(&[], 1)]),
            (Op::Compare(Compare::Less), vec![numbers(&[5, 1, 1], 1)]),
            (Op::Gather(Gather { axis: 1 }), vec![Tensor::vector(vec![0i64, 2, 2])]),
            (Op::Softmax(Softmax { axis: 1, beta: 1.0 }), vec![]),
            (Op::LogSoftmax(LogSoftmax { axis: 1 }), vec![]),
            (Op::L2Normalize(L2Normalize { axis: 1 }), vec![]),
            (reduce(&[2, 3], true), vec![]),
            (reduce(&[2, 3], false), vec![]),
            (reduce(&[1], true), vec![]),
            (Op::ArgMax(ArgMax { axis: 1, keep_dims: true }), vec![]),
            (Op::ArgMax(ArgMax { axis: 1, keep_dims: false }), vec![]),
            (Op::Concat(Concat { axis: 1 }), vec![numbers(&[2, 2, 3, 4], 5)]),
            (Op::Pad(Pad { before: vec![0, 1, 2, 0], after: vec![0, 0, 0, 3], value: 0.5 }), vec![]),
            (Op::Slice(Slice { ranges: vec![range(2), range(1), range(3), range(2)] }), vec![]),
            (Op::Resize(Resize { first_axis: 2, rows: Tap::identity(3), columns: vec![tap] }), vec![]),
        ];
        for (op, others) in cases {
            let mut graph = around(op.clone(), &others);
            apply(&mut graph, run);
            assert_eq!(operators(&graph), [op.name()], "{graph}");
        }
    }

    #[test]
    fn what_cannot_move_stays() {
        // Two of three axes are left in another order: a transpose must follow.
        let op = Op::Reduce(Reduce { kind: ReduceKind::Sum, axes: vec![2], keep_dims: false });
        let mut graph = around(op, &[]);
        apply(&mut graph, run);
        assert_eq!(operators(&graph), ["ReduceSum", "Transpose"]);
        // An operand that was never transposed.
        let mut graph = Graph::new("stuck");
        let x = graph.add_input("x", vec![1, 2, 3, 4], DataType::F32);
        let other = graph.add_input("other", vec![1, 4, 2, 3], DataType::F32);
        let first = transpose(&mut graph, x, &Transpose::TO_CHANNELS_FIRST);
        let op = Op::Binary(Binary::new(BinaryKind::Add));
        let y = graph.add_node("add", op, &[first, other]).unwrap();
        graph.add_output("y", y);
        assert_eq!(apply(&mut graph, run), 0);
    }

    #[test]
    fn both_branches_of_a_residual_move() {
        let mut graph = Graph::new("residual");
        let x = graph.add_input("x", vec![1, 2, 3, 4], DataType::F32);
        let first = transpose(&mut graph, x, &Transpose::TO_CHANNELS_FIRST);
        let relu = graph.add_node("relu", Op::Clip(Activation::RELU), &[first]).unwrap();
        let op = Op::Binary(Binary::new(BinaryKind::Mul));
        let y = graph.add_node("mul", op, &[first, relu]).unwrap();
        let y = transpose(&mut graph, y, &Transpose::TO_CHANNELS_LAST);
        graph.add_output("y", y);
        apply(&mut graph, run);
        assert_eq!(operators(&graph), ["Clip", "Mul"]);
    }

    #[test]
    fn a_gate_of_one_number_per_channel_is_reshaped() {
        let mut graph = Graph::new("gate");
        let x = graph.add_input("x", vec![1, 3, 3, 4], DataType::F32);
        let gate = graph.add_input("gate", vec![1, 4], DataType::F32);
        let first = transpose(&mut graph, x, &Transpose::TO_CHANNELS_FIRST);
        let op = Op::Reshape(Reshape { shape: vec![1, 4, 1, 1] });
        let gate = graph.add_node("gate", op, &[gate]).unwrap();
        let op = Op::Binary(Binary::new(BinaryKind::Mul));
        let y = graph.add_node("mul", op, &[gate, first]).unwrap();
        let y = transpose(&mut graph, y, &Transpose::TO_CHANNELS_LAST);
        graph.add_output("y", y);
        apply(&mut graph, run);
        assert_eq!(operators(&graph), ["Reshape", "Reshape", "Mul"]);
    }

    #[test]
    fn weights_after_a_flatten_are_reordered() {
        for batch in [1, 2] {
            let mut graph = Graph::new("flatten");
            let x = graph.add_input("x", vec![batch, 2, 3, 4], DataType::F32);
            let first = transpose(&mut graph, x, &Transpose::TO_CHANNELS_FIRST);
            let op = Op::Reshape(Reshape { shape: vec![batch, 24] });
            let flat = graph.add_node("flatten", op, &[first]).unwrap();
            let weights = graph.add_constant("w", numbers(&[5, 24], 9));
            let op = Op::FullyConnected(FullyConnected::default());
            let y = graph.add_node("fc", op, &[flat, weights]).unwrap();
            graph.add_output("y", y);
            apply(&mut graph, run);
            assert_eq!(operators(&graph), ["Reshape", "FullyConnected"]);
        }
    }

    #[test]
    fn axes_of_one_move_by_a_reshape() {
        for (shape, expected) in [([1, 1, 1, 4], "Reshape"), ([1, 2, 1, 4], "Transpose")] {
            let mut graph = Graph::new("unit");
            let x = graph.add_input("x", shape.to_vec(), DataType::F32);
            let y = transpose(&mut graph, x, &Transpose::TO_CHANNELS_FIRST);
            graph.add_output("y", y);
            let before = graph.clone();
            unit_transposes(&mut graph).unwrap();
            assert_same(&before, &graph);
            assert_eq!(operators(&graph), [expected]);
        }
    }
}
