//! The layout of graph inputs and outputs.

use crate::graph::ops::Transpose;
use crate::graph::{Graph, GraphError, Layout, Op, ValueId};
use crate::tensor::DataType;
use std::collections::HashSet;

/// Makes NHWC of every NCHW image input that reaches an NHWC operator through elementwise
/// operators only. The port records it.
///
/// # Errors
/// [`GraphError`], never for a valid graph.
pub(super) fn channels_last_inputs(graph: &mut Graph) -> Result<usize, GraphError> {
    let mut changes = 0;
    for index in 0..graph.inputs().len() {
        let port = graph.inputs()[index].clone();
        let facts = graph.facts(port.value);
        let &[batch, channels, height, width] = facts.shape.as_slice() else { continue };
        if port.layout != Layout::Source || !is_image(graph, port.value) {
            continue;
        }
        let Some(&first) = graph.node_ids().first() else { continue };
        let shape = vec![batch, height, width, channels];
        let value = graph.add_value(port.name.clone(), shape, facts.dtype);
        graph.set_input_layout(index, Layout::ChannelsLast, value);
        let op = Op::Transpose(Transpose { permutation: Transpose::TO_CHANNELS_FIRST.to_vec() });
        let source = graph.insert_before(first, port.name, op, &[value])?;
        graph.replace_uses(port.value, source);
        changes += 1;
    }
    Ok(changes)
}

/// Whether elementwise operators lead from `input` to a transpose to NHWC.
fn is_image(graph: &Graph, input: ValueId) -> bool {
    let mut seen = HashSet::from([input]);
    let mut open = vec![input];
    while let Some(value) = open.pop() {
        for &consumer in graph.consumers(value) {
            let Some(node) = graph.node(consumer) else { continue };
            let passes = match &node.op {
                Op::Transpose(transpose) => {
                    if transpose.permutation == Transpose::TO_CHANNELS_LAST {
                        return true;
                    }
                    false
                }
                Op::Binary(_) => {
                    let variable = |&&operand: &&ValueId| !graph.is_known(operand);
                    node.inputs.iter().filter(variable).count() == 1
                }
                Op::Pad(_) => true,
                op => op.is_elementwise_unary(),
            };
            if passes && seen.insert(node.output()) {
                open.push(node.output());
            }
        }
    }
    false
}

/// Makes NHWC of every f32 output that a transpose from NHWC makes. The port records it.
pub(super) fn channels_last_outputs(graph: &mut Graph) -> usize {
    let mut changes = 0;
    for index in 0..graph.outputs().len() {
        let port = &graph.outputs()[index];
        if port.layout != Layout::Source || graph.value(port.value).dtype != DataType::F32 {
            continue;
        }
        let Some(node) = graph.producer(port.value).and_then(|producer| graph.node(producer)) else {
            continue;
        };
        if let Op::Transpose(transpose) = &node.op
            && transpose.permutation == Transpose::TO_CHANNELS_FIRST
        {
            let source = node.inputs[0];
            graph.set_output_layout(index, Layout::ChannelsLast, source);
            changes += 1;
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, numbers, operators};
    use super::super::{PassOptions, optimize};
    use super::*;
    use crate::graph::Activation;
    use crate::graph::ops::{Binary, BinaryKind, Conv2d, Padding};
    use crate::tensor::Tensor;

    #[test]
    fn an_image_input_and_output_lose_their_transposes() {
        let mut graph = Graph::new("image");
        let x = graph.add_input("x", vec![1, 3, 4, 5], DataType::F32);
        let scale = graph.add_constant("scale", Tensor::scalar(0.25f32));
        let op = Op::Binary(Binary::new(BinaryKind::Mul));
        let scaled = graph.add_node("scale", op, &[x, scale]).unwrap();
        let transpose = |graph: &mut Graph, value, permutation: [usize; 4]| {
            let op = Op::Transpose(Transpose { permutation: permutation.to_vec() });
            graph.add_node("transpose", op, &[value]).unwrap()
        };
        let last = transpose(&mut graph, scaled, Transpose::TO_CHANNELS_LAST);
        let weights = graph.add_constant("w", numbers(&[6, 3, 3, 3], 2));
        let conv = Op::Conv2d(Conv2d {
            stride: [1, 1],
            dilation: [1, 1],
            padding: Padding::NONE,
            groups: 1,
            activation: Activation::NONE,
        });
        let y = graph.add_node("conv", conv, &[last, weights]).unwrap();
        let y = transpose(&mut graph, y, Transpose::TO_CHANNELS_FIRST);
        graph.add_output("y", y);
        let before = graph.clone();
        let mut plain = before.clone();
        optimize(&mut plain, &PassOptions::default()).unwrap();
        assert_same(&before, &plain);
        assert_eq!(operators(&plain), ["Mul", "Transpose", "Conv2d", "Transpose"]);
        let options = PassOptions { channels_last_inputs: true, channels_last_outputs: true };
        optimize(&mut graph, &options).unwrap();
        assert_same(&before, &graph);
        assert_eq!(operators(&graph), ["Conv2d"]);
        assert_eq!(graph.inputs()[0].layout, Layout::ChannelsLast);
        assert_eq!(graph.value(graph.inputs()[0].value).shape, [1, 4, 5, 3]);
        assert_eq!(graph.outputs()[0].layout, Layout::ChannelsLast);
    }
}
