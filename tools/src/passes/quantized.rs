//! Quantised models: movement of quantised constants, and conversions that undo each other.

use super::bypass;
use crate::graph::ops::{Dequantize, Quantize};
use crate::graph::{Graph, GraphError, NodeId, Op, ValueId};
use crate::tensor::Tensor;

/// Moves the integers instead of the real numbers of quantised constants, and removes conversions to real numbers and
/// back at the same scale.
///
/// # Errors
/// [`GraphError`], never for a valid graph.
pub(super) fn run(graph: &mut Graph) -> Result<usize, GraphError> {
    let mut changes = 0;
    for id in graph.node_ids() {
        if let Some((name, integers, dequantize)) = moved_constant(graph, id) {
            let constant = graph.add_constant(name, integers);
            if let Some(op) = graph.op_mut(id) {
                *op = Op::Dequantize(dequantize);
            }
            graph.set_inputs(id, &[constant])?;
            changes += 1;
        } else if let Some(source) = round_trip(graph, id) {
            bypass(graph, id, source);
            changes += 1;
        }
    }
    Ok(changes)
}

/// What a node makes of a quantised constant, if it only moves its elements.
fn moved_constant(graph: &Graph, id: NodeId) -> Option<(String, Tensor, Dequantize)> {
    let node = graph.node(id)?;
    let (integers, dequantize) = graph.quantized_constant(*node.inputs.first()?)?;
    let (moved, dequantize) = match &node.op {
        Op::Transpose(transpose) => {
            (integers.transpose(&transpose.permutation).ok()?, dequantize.transposed(&transpose.permutation))
        }
        Op::Reshape(reshape) => {
            let dequantize = dequantize.reshaped(integers.shape(), &reshape.shape)?;
            (integers.clone().reshape(reshape.shape.clone()).ok()?, dequantize)
        }
        _ => return None,
    };
    Some((graph.value(node.output()).name.clone(), moved, dequantize))
}

/// The integers that are made real and, by this node, the same integers again.
fn round_trip(graph: &Graph, id: NodeId) -> Option<ValueId> {
    let node = graph.node(id)?;
    let Op::Quantize(Quantize { scale, zero_point, to }) = node.op else { return None };
    let reader = graph.node(graph.producer(node.inputs[0])?)?;
    let Op::Dequantize(dequantize) = &reader.op else { return None };
    let source = reader.inputs[0];
    let same = *dequantize == Dequantize::per_tensor(scale, zero_point) && graph.value(source).dtype == to;
    same.then_some(source)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{apply, operators};
    use super::super::{PassOptions, optimize};
    use super::*;
    use crate::graph::Activation;
    use crate::graph::ops::{Binary, BinaryKind, FullyConnected, Reshape, Transpose};
    use crate::tensor::DataType;

    fn quantize(graph: &mut Graph, value: ValueId, scale: f32) -> ValueId {
        let op = Op::Quantize(Quantize { scale, zero_point: 3, to: DataType::I8 });
        let integers = graph.add_node("quantize", op, &[value]).unwrap();
        let op = Op::Dequantize(Dequantize::per_tensor(scale, 3));
        graph.add_node("dequantize", op, &[integers]).unwrap()
    }

    fn constant(graph: &mut Graph, shape: &[usize], axis: Option<usize>) -> ValueId {
        let count: usize = shape.iter().product();
        let items = (0..count).map(|item| (item * 37 % 251) as u8 as i8).collect();
        let integers = graph.add_constant("q", Tensor::from_vec::<i8>(shape.to_vec(), items).unwrap());
        let size = axis.map_or(1, |axis| shape[axis]);
        let scales = (1..=size).map(|index| index as f32 / 64.0).collect();
        let op = Op::Dequantize(Dequantize { scales, zero_points: vec![0; size], axis });
        graph.add_node("w", op, &[integers]).unwrap()
    }

    #[test]
    fn the_same_integers_are_not_made_twice() {
        for (scale, left) in [(0.25, 2), (0.5, 4)] {
            let mut graph = Graph::new("round trip");
            let x = graph.add_input("x", vec![1, 4], DataType::F32);
            let first = quantize(&mut graph, x, 0.25);
            let second = quantize(&mut graph, first, scale);
            graph.add_output("y", second);
            apply(&mut graph, run);
            assert_eq!(graph.node_count(), left);
        }
    }

    #[test]
    fn movement_reaches_the_integers() {
        let mut graph = Graph::new("constants");
        let x = graph.add_input("x", vec![1, 6], DataType::F32);
        let weights = constant(&mut graph, &[6, 2, 2], Some(1));
        let op = Op::Transpose(Transpose { permutation: vec![1, 2, 0] });
        let turned = graph.add_node("turn", op, &[weights]).unwrap();
        let op = Op::Reshape(Reshape { shape: vec![2, 1, 2, 6] });
        let reshaped = graph.add_node("shape", op, &[turned]).unwrap();
        let sum = graph.add_node("sum", Op::Binary(Binary::new(BinaryKind::Add)), &[x, reshaped]).unwrap();
        graph.add_output("y", sum);
        assert_eq!(apply(&mut graph, run), 2);
        assert_eq!(operators(&graph), ["Dequantize", "Add"]);
    }

    #[test]
    fn a_network_keeps_its_integers() {
        let mut graph = Graph::new("network");
        let x = graph.add_input("x", vec![1, 4, 2, 3], DataType::F32);
        let permute = |graph: &mut Graph, value, permutation: [usize; 4]| {
            let op = Op::Transpose(Transpose { permutation: permutation.to_vec() });
            graph.add_node("transpose", op, &[value]).unwrap()
        };
        // Channels first throughout, as an importer leaves it, with clamps and sums in between.
        let first = permute(&mut graph, x, Transpose::TO_CHANNELS_FIRST);
        let real = quantize(&mut graph, first, 0.0625);
        let shift = constant(&mut graph, &[3, 1, 1], None);
        let sum = graph.add_node("sum", Op::Binary(Binary::new(BinaryKind::Add)), &[real, shift]).unwrap();
        let relu = graph.add_node("relu", Op::Clip(Activation::RELU), &[sum]).unwrap();
        let real = quantize(&mut graph, relu, 0.125);
        let flat = graph.add_node("flat", Op::Reshape(Reshape { shape: vec![1, 24] }), &[real]).unwrap();
        let weights = constant(&mut graph, &[5, 24], Some(0));
        let op = Op::FullyConnected(FullyConnected::default());
        let y = graph.add_node("dense", op, &[flat, weights]).unwrap();
        let y = quantize(&mut graph, y, 2.0);
        graph.add_output("y", y);
        let before = graph.clone();
        optimize(&mut graph, &PassOptions::default()).unwrap();
        super::super::testing::assert_same(&before, &graph);
        let left = operators(&graph);
        assert!(!left.contains(&"Transpose") && !left.contains(&"Clip"), "{graph}");
        assert_eq!(left.iter().filter(|&&name| name == "Dequantize").count(), 5, "{graph}");
        assert_eq!(
            graph.value(graph.nodes().find(|(_, node)| node.name == "dense").unwrap().1.inputs[1]).shape,
            [5, 24]
        );
    }
}
