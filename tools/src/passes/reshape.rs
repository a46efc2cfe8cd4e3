//! Merges reshapes and moves them behind elementwise operators, so that those meet what made
//! their operand.

use crate::graph::ops::Reshape;
use crate::graph::{Graph, GraphError, NodeId, Op, ValueId};

/// Removes reshapes that change nothing, merges neighbours, and moves the others behind the
/// elementwise operators that read them.
///
/// # Errors
/// [`GraphError`], never for a valid graph.
pub(super) fn run(graph: &mut Graph) -> Result<usize, GraphError> {
    let mut changes = 0;
    for id in graph.node_ids() {
        changes += usize::from(merge(graph, id)? || sink(graph, id)?);
    }
    Ok(changes)
}

/// The operand of the reshape that makes `value`.
fn reshaped(graph: &Graph, value: ValueId) -> Option<ValueId> {
    let node = graph.node(graph.producer(value)?)?;
    matches!(node.op, Op::Reshape(_)).then(|| node.inputs[0])
}

fn merge(graph: &mut Graph, id: NodeId) -> Result<bool, GraphError> {
    let Some(node) = graph.node(id) else { return Ok(false) };
    if !matches!(node.op, Op::Reshape(_)) {
        return Ok(false);
    }
    let (operand, output) = (node.inputs[0], node.output());
    let source = reshaped(graph, operand).unwrap_or(operand);
    if graph.value(source).shape == graph.value(output).shape {
        graph.replace_uses(output, source);
        graph.remove_node(id);
        return Ok(true);
    }
    if source == operand {
        return Ok(false);
    }
    graph.set_inputs(id, &[source])?;
    Ok(true)
}

/// Turns `op(reshape(x))` into `reshape(op(x))`, also for two reshaped operands of equal shapes
/// and for an operand that is one constant number.
fn sink(graph: &mut Graph, id: NodeId) -> Result<bool, GraphError> {
    let Some(node) = graph.node(id) else { return Ok(false) };
    let op = node.op.clone();
    let result_shape = graph.value(node.output()).shape.clone();
    let source_of = |value: ValueId| reshaped(graph, value).filter(|_| graph.value(value).shape == result_shape);
    let operands: Vec<ValueId> = match (&op, node.inputs.as_slice()) {
        (_, &[operand]) if op.is_elementwise_unary() => match source_of(operand) {
            Some(source) => vec![source],
            None => return Ok(false),
        },
        (Op::Binary(_), &[left, right]) => {
            let single = |value: ValueId| graph.value(value).shape.iter().all(|&size| size == 1);
            let number = |value: ValueId| Some(value).filter(|&value| graph.is_known(value) && single(value));
            match (source_of(left), source_of(right)) {
                (Some(a), Some(b)) if graph.value(a).shape == graph.value(b).shape => vec![a, b],
                (Some(a), None) => match number(right) {
                    Some(b) => vec![a, b],
                    None => return Ok(false),
                },
                (None, Some(b)) => match number(left) {
                    Some(a) => vec![a, b],
                    None => return Ok(false),
                },
                _ => return Ok(false),
            }
        }
        _ => return Ok(false),
    };
    // One number of high rank must not raise the rank of the operand.
    let rank = |value: ValueId| graph.value(value).shape.len();
    let is_number = |value: &&ValueId| graph.is_known(**value);
    let source_rank = operands.iter().filter(|value| !is_number(value)).map(|&value| rank(value)).max();
    let keeps_rank = operands.iter().filter(is_number).all(|&value| Some(rank(value)) <= source_rank);
    if !keeps_rank {
        return Ok(false);
    }
    let (name, output) = (node.name.clone(), node.output());
    let value_name = graph.value(output).name.clone();
    let result = graph.insert_before(id, name, op, &operands)?;
    graph.rename(result, value_name);
    if let Some(op) = graph.op_mut(id) {
        *op = Op::Reshape(Reshape { shape: result_shape });
    }
    graph.set_inputs(id, &[result])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{apply, operators};
    use super::*;
    use crate::graph::Activation;
    use crate::graph::ops::{Binary, BinaryKind};
    use crate::tensor::{DataType, Tensor};

    fn reshape(graph: &mut Graph, value: ValueId, shape: &[usize]) -> ValueId {
        let op = Op::Reshape(Reshape { shape: shape.to_vec() });
        graph.add_node("reshape", op, &[value]).unwrap()
    }

    #[test]
    fn a_round_trip_around_a_clamp_vanishes() {
        let mut graph = Graph::new("round");
        let x = graph.add_input("x", vec![2, 3], DataType::F32);
        let flat = reshape(&mut graph, x, &[6]);
        let relu = graph.add_node("relu", Op::Clip(Activation::RELU), &[flat]).unwrap();
        let two = graph.add_constant("two", Tensor::scalar(2.0f32));
        let op = Op::Binary(Binary::new(BinaryKind::Mul));
        let double = graph.add_node("double", op, &[two, relu]).unwrap();
        let column = reshape(&mut graph, double, &[6, 1]);
        let y = reshape(&mut graph, column, &[2, 3]);
        graph.add_output("y", y);
        apply(&mut graph, run);
        assert_eq!(operators(&graph), ["Clip", "Mul"]);
    }

    #[test]
    fn a_broadcast_reshape_stays() {
        let mut graph = Graph::new("broadcast");
        let x = graph.add_input("x", vec![3], DataType::F32);
        let other = graph.add_input("other", vec![3, 3], DataType::F32);
        let column = reshape(&mut graph, x, &[3, 1]);
        let op = Op::Binary(Binary::new(BinaryKind::Sub));
        let y = graph.add_node("sub", op, &[other, column]).unwrap();
        graph.add_output("y", y);
        assert_eq!(apply(&mut graph, run), 0);
    }
}
