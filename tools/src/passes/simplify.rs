//! Local simplifications: operators that do nothing, and clamps written in other ways.

use super::bypass;
use crate::graph::ops::BinaryKind;
use crate::graph::{Activation, Graph, GraphError, NodeId, Op, ValueId};

/// Removes operators that change nothing and writes `Min` and `Max` with one number as clamps.
///
/// # Errors
/// [`GraphError`], never for a valid graph.
pub(super) fn run(graph: &mut Graph) -> Result<usize, GraphError> {
    let mut changes = 0;
    for id in graph.node_ids() {
        if let Some(source) = without_effect(graph, id) {
            bypass(graph, id, source);
            changes += 1;
        } else if let Some((source, clamp)) = as_clamp(graph, id) {
            if let Some(op) = graph.op_mut(id) {
                *op = Op::Clip(clamp);
            }
            graph.set_inputs(id, &[source])?;
            changes += 1;
        }
    }
    Ok(changes)
}

/// The operand that the node's result equals.
fn without_effect(graph: &Graph, id: NodeId) -> Option<ValueId> {
    let node = graph.node(id)?;
    let first = *node.inputs.first()?;
    match &node.op {
        Op::Clip(clamp) if clamp.is_none() => Some(first),
        Op::Cast(to) if graph.value(first).dtype == *to => Some(first),
        Op::MaxPool2d(pool) if is_single(pool) => Some(first),
        Op::AveragePool2d(average) if is_single(&average.pool) => Some(first),
        Op::Reduce(reduce) if reduce.axes.is_empty() => Some(first),
        Op::Concat(_) if node.inputs.len() == 1 => Some(first),
        Op::Binary(binary) if binary.activation.is_none() => {
            let neutral = match binary.kind {
                BinaryKind::Add | BinaryKind::Sub => 0.0,
                BinaryKind::Mul | BinaryKind::Div => 1.0,
                _ => return None,
            };
            let (source, number) = with_number(graph, id)?;
            // Only x - 0 and x / 1 are x.
            let ordered = binary.kind.is_commutative() || source == first;
            (number == neutral && ordered).then_some(source)
        }
        _ => None,
    }
}

fn is_single(pool: &crate::graph::ops::Pool2d) -> bool {
    pool.kernel == [1, 1] && pool.stride == [1, 1] && pool.padding.is_none() && pool.activation.is_none()
}

/// The operand and the number of an operation with a constant that holds one number, where the
/// result has the operand's shape.
fn with_number(graph: &Graph, id: NodeId) -> Option<(ValueId, f32)> {
    let node = graph.node(id)?;
    let &[left, right] = node.inputs.as_slice() else { return None };
    let shape = &graph.value(node.output()).shape;
    [(left, right), (right, left)].into_iter().find_map(|(source, number)| {
        let number = graph.constant(number)?.single_f32()?;
        (graph.value(source).shape == *shape).then_some((source, number))
    })
}

fn as_clamp(graph: &Graph, id: NodeId) -> Option<(ValueId, Activation)> {
    let Op::Binary(binary) = &graph.node(id)?.op else { return None };
    let (source, number) = with_number(graph, id)?;
    if number.is_nan() {
        return None;
    }
    let clamp = match binary.kind {
        BinaryKind::Max => Activation { min: number, ..Activation::NONE },
        BinaryKind::Min => Activation { max: number, ..Activation::NONE },
        _ => return None,
    };
    Some((source, clamp.then(binary.activation)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{apply, operators};
    use super::*;
    use crate::graph::ops::Binary;
    use crate::tensor::{DataType, Tensor};

    fn with_constant(kind: BinaryKind, number: f32, constant_first: bool) -> Graph {
        let mut graph = Graph::new("simplify");
        let x = graph.add_input("x", vec![1, 4], DataType::F32);
        let neg = Op::Unary(crate::graph::ops::Unary::Neg);
        let x = graph.add_node("neg", neg, &[x]).unwrap();
        let c = graph.add_constant("c", Tensor::scalar(number));
        let operands = if constant_first { [c, x] } else { [x, c] };
        let y = graph.add_node("op", Op::Binary(Binary::new(kind)), &operands).unwrap();
        graph.add_output("y", y);
        graph
    }

    #[test]
    fn neutral_numbers_vanish_on_the_right_side_only() {
        for (kind, number, first, left) in [
            (BinaryKind::Add, 0.0, true, 1),
            (BinaryKind::Sub, 0.0, false, 1),
            (BinaryKind::Sub, 0.0, true, 2),
            (BinaryKind::Div, 1.0, false, 1),
            (BinaryKind::Div, 1.0, true, 2),
            (BinaryKind::Mul, 2.0, false, 2),
        ] {
            let mut graph = with_constant(kind, number, first);
            apply(&mut graph, run);
            assert_eq!(graph.node_count(), left, "{kind:?} {number} {first}");
        }
    }

    #[test]
    fn a_maximum_with_a_number_is_a_clamp() {
        for kind in [BinaryKind::Max, BinaryKind::Min] {
            let mut graph = with_constant(kind, 0.5, true);
            assert_eq!(apply(&mut graph, run), 1);
            assert_eq!(operators(&graph), ["Neg", "Clip"]);
        }
    }
}
