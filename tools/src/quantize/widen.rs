//! Activations of 16 bits where 8 cost too much, at twice the memory there.
//!
//! A node computes in one width. What it reads in the other one goes through a conversion, which stands in the graph as a clamp that
//! clamps nothing. Model inputs, outputs and states keep 8 bits. Only the arithmetic `tflite` has 16-bit integers.

use crate::graph::ops::{BinaryKind, Unary};
use crate::graph::{Activation, Graph, GraphError, Node, NodeId, Op, ValueId};
use crate::tensor::DataType;
use std::collections::{BTreeMap, BTreeSet};

/// A graph with conversions between widths.
#[derive(Clone, Debug)]
pub struct Widened {
    /// The graph; what it shares with the one it is made of has the same ids.
    pub graph: Graph,
    /// Values of 16 bits.
    pub wide: BTreeSet<ValueId>,
    /// Which value each conversion converts.
    pub converted: BTreeMap<ValueId, ValueId>,
}

/// Whether a node has a 16-bit form here.
#[must_use]
pub fn can_be_wide(graph: &Graph, node: &Node) -> bool {
    let real = |value: ValueId| graph.value(value).dtype == DataType::F32;
    let is_constant = |value: ValueId| graph.is_known(value);
    let exists = match &node.op {
        Op::Conv2d(_) | Op::ConvTranspose2d(_) | Op::FullyConnected(_) => true,
        Op::MaxPool2d(_) | Op::AveragePool2d(_) | Op::Clip(_) | Op::Softmax(_) => true,
        Op::Reshape(_) | Op::Transpose(_) | Op::Concat(_) | Op::Pad(_) | Op::Slice(_) => true,
        Op::Unary(unary) => matches!(unary, Unary::LeakyRelu { .. } | Unary::Abs),
        // A constant operand would have 8 bits.
        Op::Binary(binary) => {
            matches!(binary.kind, BinaryKind::Add | BinaryKind::Sub | BinaryKind::Mul)
                && !node.inputs.iter().any(|&input| is_constant(input))
        }
        _ => false,
    };
    let output = node.output();
    exists
        && real(output)
        && node.inputs.iter().all(|&input| is_constant(input) || real(input))
        && graph.states().all(|(_, next, _)| next.value != output)
}

/// Gives the results of these nodes 16 bits, which have 16-bit forms and are not in `floats`: the values that stay in floating point and
/// become integers where something reads them.
///
/// # Errors
/// [`GraphError`]: a bug in this pass.
pub fn widen(graph: &Graph, nodes: &BTreeSet<NodeId>, floats: &BTreeSet<ValueId>) -> Result<Widened, GraphError> {
    let (mut graph, mut converted) = (graph.clone(), BTreeMap::new());
    let mut wide: BTreeSet<ValueId> = nodes.iter().filter_map(|&id| graph.node(id)).map(Node::output).collect();
    wide.extend(floats.iter().filter(|&&value| is_read_wide(&graph, value, nodes, floats)));
    // An output keeps its name.
    let outputs: BTreeSet<ValueId> = graph.outputs().iter().map(|port| port.value).collect();
    for &value in outputs.intersection(&wide.clone()) {
        let Some(producer) = graph.producer(value) else { continue };
        let name = graph.value(value).name.clone();
        graph.rename(value, format!("{name}/wide"));
        let narrow = graph.insert_after(producer, name, Op::Clip(Activation::NONE), &[value])?;
        graph.set_outputs(value, narrow);
        converted.insert(narrow, value);
    }
    let mut known: BTreeMap<ValueId, ValueId> = converted.iter().map(|(&narrow, &value)| (value, narrow)).collect();
    for id in graph.node_ids() {
        let Some(node) = graph.node(id).cloned() else { continue };
        if converted.contains_key(&node.output()) || floats.contains(&node.output()) {
            continue;
        }
        let mut inputs = node.inputs.clone();
        for input in &mut inputs {
            let value = *input;
            let real = graph.value(value).dtype == DataType::F32 && !graph.is_known(value);
            if !real || wide.contains(&value) == nodes.contains(&id) {
                continue;
            }
            if let Some(&conversion) = known.get(&value) {
                *input = conversion;
                continue;
            }
            let width = if wide.contains(&value) { "narrow" } else { "wide" };
            let name = format!("{}/{width}", graph.value(value).name);
            let conversion = graph.insert_before(id, name, Op::Clip(Activation::NONE), &[value])?;
            known.insert(value, conversion);
            converted.insert(conversion, value);
            if !wide.contains(&value) {
                wide.insert(conversion);
            }
            *input = conversion;
        }
        if inputs != node.inputs {
            graph.set_inputs(id, &inputs)?;
        }
    }
    Ok(Widened { graph, wide, converted })
}

/// Whether all that reads a real number as an integer is one of these nodes.
fn is_read_wide(graph: &Graph, value: ValueId, nodes: &BTreeSet<NodeId>, floats: &BTreeSet<ValueId>) -> bool {
    let computes_floats = |id: &NodeId| graph.node(*id).is_none_or(|node| floats.contains(&node.output()));
    let mut readers = graph.consumers(value).iter().filter(|id| !computes_floats(id)).peekable();
    readers.peek().is_some() && readers.all(|id| nodes.contains(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ops::{Binary, FullyConnected};
    use crate::tensor::Tensor;

    /// `x`, a layer `a` of it, a layer `b` of that, and their sum `s`, the output.
    fn residual() -> Graph {
        let mut graph = Graph::new("residual");
        let x = graph.add_input("x", vec![1, 2], DataType::F32);
        let layer = |graph: &mut Graph, name: &str, input: ValueId| {
            let weights = Tensor::from_vec(vec![2, 2], vec![1.0f32, 0.0, 0.0, 1.0]).unwrap();
            let weights = graph.add_constant(format!("{name}.w"), weights);
            graph.add_node(name, Op::FullyConnected(FullyConnected::default()), &[input, weights]).unwrap()
        };
        let a = layer(&mut graph, "a", x);
        let b = layer(&mut graph, "b", a);
        let sum = Binary { kind: BinaryKind::Add, activation: Activation::NONE };
        let s = graph.add_node("s", Op::Binary(sum), &[a, b]).unwrap();
        graph.add_output("s", s);
        graph
    }

    fn named<'g>(graph: &'g Graph, name: &str) -> (NodeId, &'g Node) {
        graph.nodes().find(|(_, node)| node.name == name).unwrap()
    }

    fn names(graph: &Graph) -> Vec<&str> {
        graph.nodes().map(|(_, node)| node.name.as_str()).collect()
    }

    #[test]
    fn what_is_read_in_the_other_width_is_converted_once() {
        let graph = residual();
        assert!(graph.nodes().all(|(_, node)| can_be_wide(&graph, node)));
        let nodes = BTreeSet::from([named(&graph, "a").0]);
        let Widened { graph, wide, converted } = widen(&graph, &nodes, &BTreeSet::new()).unwrap();
        assert_eq!(names(&graph), ["x/wide", "a", "a/narrow", "b", "s"]);
        let narrow = named(&graph, "a/narrow").1.output();
        assert_eq!((named(&graph, "b").1.inputs[0], named(&graph, "s").1.inputs[0]), (narrow, narrow));
        assert_eq!((wide.len(), converted.len()), (2, 2));
    }

    #[test]
    fn outputs_keep_their_width_and_name() {
        let graph = residual();
        let nodes = ["a", "b", "s"].map(|name| named(&graph, name).0).into();
        let Widened { graph, wide, .. } = widen(&graph, &nodes, &BTreeSet::new()).unwrap();
        assert_eq!(names(&graph), ["x/wide", "a", "b", "s", "s"]);
        let output = graph.outputs()[0].value;
        assert_eq!(graph.value(output).name, "s");
        assert!(!wide.contains(&output) && wide.len() == 4);
    }

    #[test]
    fn real_numbers_become_the_integers_that_all_their_readers_take() {
        let graph = residual();
        let x = graph.inputs()[0].value;
        let nodes = BTreeSet::from([named(&graph, "a").0]);
        let Widened { graph, wide, .. } = widen(&graph, &nodes, &BTreeSet::from([x])).unwrap();
        assert_eq!(names(&graph), ["a", "a/narrow", "b", "s"]);
        assert!(wide.contains(&x));
    }
}
