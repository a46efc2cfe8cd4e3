//! Moves clamps into the operators before them.

use super::bypass;
use crate::graph::{Graph, GraphError, Op};

/// Fuses every clamp whose operand has no other use into the operator that makes it, if that
/// operator has a clamp.
///
/// # Errors
/// [`GraphError`], never for a valid graph.
pub(super) fn run(graph: &mut Graph) -> Result<usize, GraphError> {
    let mut changes = 0;
    for id in graph.node_ids() {
        let Some(node) = graph.node(id) else { continue };
        let Op::Clip(clamp) = node.op else { continue };
        let source = node.inputs[0];
        if graph.single_consumer(source) != Some(id) {
            continue;
        }
        let Some(producer) = graph.producer(source) else { continue };
        let Some(fused) = graph.op_mut(producer).and_then(Op::activation_mut) else { continue };
        *fused = fused.then(clamp);
        bypass(graph, id, source);
        changes += 1;
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{apply, numbers, operators};
    use super::*;
    use crate::graph::Activation;
    use crate::graph::ops::FullyConnected;
    use crate::tensor::DataType;

    #[test]
    fn a_clamp_is_fused_unless_its_operand_is_used_elsewhere() {
        for shared in [false, true] {
            let mut graph = Graph::new("clamp");
            let x = graph.add_input("x", vec![1, 4], DataType::F32);
            let weights = graph.add_constant("w", numbers(&[3, 4], 7));
            let op = Op::FullyConnected(FullyConnected::default());
            let sum = graph.add_node("fc", op, &[x, weights]).unwrap();
            let relu = graph.add_node("relu", Op::Clip(Activation::RELU), &[sum]).unwrap();
            let six = graph.add_node("six", Op::Clip(Activation::RELU6), &[relu]).unwrap();
            graph.add_output("y", six);
            if shared {
                graph.add_output("sum", sum);
            }
            assert_eq!(apply(&mut graph, run), if shared { 1 } else { 2 });
            let expected: &[&str] = if shared { &["FullyConnected", "Clip"] } else { &["FullyConnected"] };
            assert_eq!(operators(&graph), expected);
        }
    }
}
