//! Evaluates nodes whose operands are all constants.

use crate::execute;
use crate::graph::{Graph, GraphError};
use crate::tensor::Tensor;

/// Replaces the result of every cheap node over constants by a constant.
///
/// # Errors
/// [`GraphError::Fold`] if the node cannot be evaluated.
pub(super) fn run(graph: &mut Graph) -> Result<usize, GraphError> {
    let mut changes = 0;
    for id in graph.node_ids() {
        let Some(node) = graph.node(id) else { continue };
        let operands: Option<Vec<&Tensor>> = node.inputs.iter().map(|&input| graph.constant(input)).collect();
        let Some(operands) = operands else { continue };
        if !execute::is_cheap(&node.op, &operands) {
            continue;
        }
        let mut results = execute::evaluate(&node.op, &operands)
            .map_err(|error| GraphError::Fold { node: node.name.clone(), reason: error.to_string() })?;
        if results.len() == 1 {
            let output = node.output();
            graph.make_constant(output, results.remove(0))?;
            changes += 1;
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{apply, operators};
    use super::*;
    use crate::graph::Op;
    use crate::graph::ops::{Binary, BinaryKind, Transpose, Unary};
    use crate::tensor::DataType;

    #[test]
    fn a_chain_over_constants_becomes_one_constant() {
        let mut graph = Graph::new("constants");
        let x = graph.add_input("x", vec![2, 2], DataType::F32);
        let c = graph.add_constant("c", Tensor::from_vec(vec![2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap());
        let exp = graph.add_node("exp", Op::Unary(Unary::Exp), &[c]).unwrap();
        let op = Op::Transpose(Transpose { permutation: vec![1, 0] });
        let swapped = graph.add_node("swap", op, &[exp]).unwrap();
        let op = Op::Binary(Binary::new(BinaryKind::Add));
        let sum = graph.add_node("sum", op, &[x, swapped]).unwrap();
        graph.add_output("y", sum);
        assert_eq!(apply(&mut graph, run), 2);
        assert_eq!(operators(&graph), ["Add"]);
    }
}
