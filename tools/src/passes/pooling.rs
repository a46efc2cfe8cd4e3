//! Pooling: means over whole images, and padding moved into convolutions.

use crate::graph::ops::{Pad, Padding, Reduce, ReduceKind};
use crate::graph::{Graph, GraphError, NodeId, Op};

/// Writes an average over the whole image as a mean over its axes, and moves a zero pad of height
/// and width into the convolution that alone reads it.
///
/// # Errors
/// [`GraphError`], never for a valid graph.
pub(super) fn run(graph: &mut Graph) -> Result<usize, GraphError> {
    let mut changes = 0;
    // Of integers, TensorFlow Lite's average over windows is not its mean over axes.
    let is_quantized = graph.is_quantized();
    for id in graph.node_ids() {
        if !is_quantized && is_global_average(graph, id) {
            let reduce = Reduce { kind: ReduceKind::Mean, axes: vec![1, 2], keep_dims: true };
            if let Some(op) = graph.op_mut(id) {
                *op = Op::Reduce(reduce);
            }
            changes += 1;
        } else if merge_pad(graph, id) {
            changes += 1;
        }
    }
    Ok(changes)
}

fn is_global_average(graph: &Graph, id: NodeId) -> bool {
    let Some(node) = graph.node(id) else { return false };
    let Op::AveragePool2d(average) = &node.op else { return false };
    let pool = &average.pool;
    graph.value(node.inputs[0]).shape.get(1..3) == Some(pool.kernel.as_slice())
        && pool.dilation == [1, 1]
        && pool.padding.is_none()
        && pool.activation.is_none()
}

fn merge_pad(graph: &mut Graph, id: NodeId) -> bool {
    let Some(node) = graph.node(id) else { return false };
    let Op::Pad(Pad { before, after, value: 0.0 }) = &node.op else { return false };
    let (&[0, top, left, 0], &[0, bottom, right, 0]) = (before.as_slice(), after.as_slice()) else {
        return false;
    };
    let (source, output) = (node.inputs[0], node.output());
    let Some(consumer) = graph.single_consumer(output) else { return false };
    let is_activation = graph.node(consumer).is_some_and(|consumer| consumer.inputs[0] == output);
    let Some(Op::Conv2d(conv)) = graph.op_mut(consumer).filter(|_| is_activation) else {
        return false;
    };
    conv.padding = Padding {
        top: conv.padding.top + top,
        left: conv.padding.left + left,
        bottom: conv.padding.bottom + bottom,
        right: conv.padding.right + right,
    };
    graph.replace_uses(output, source);
    graph.remove_node(id);
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::{apply, numbers, operators};
    use super::*;
    use crate::graph::Activation;
    use crate::graph::ops::{AveragePool2d, Conv2d, Pool2d};
    use crate::tensor::DataType;

    #[test]
    fn only_an_average_over_everything_is_a_mean() {
        for (kernel, changes) in [([4, 3], 1), ([4, 2], 0)] {
            let mut graph = Graph::new("average");
            let x = graph.add_input("x", vec![1, 4, 3, 2], DataType::F32);
            let pool = Pool2d {
                kernel,
                stride: [2, 2],
                dilation: [1, 1],
                padding: Padding::NONE,
                activation: Activation::NONE,
            };
            let op = Op::AveragePool2d(AveragePool2d { pool, count_include_pad: false });
            let y = graph.add_node("pool", op, &[x]).unwrap();
            graph.add_output("y", y);
            assert_eq!(apply(&mut graph, run), changes);
        }
    }

    #[test]
    fn a_zero_pad_moves_into_the_convolution() {
        for (value, left) in [(0.0, vec!["Conv2d"]), (1.0, vec!["Pad", "Conv2d"])] {
            let mut graph = Graph::new("pad");
            let x = graph.add_input("x", vec![1, 4, 4, 1], DataType::F32);
            let op = Op::Pad(Pad { before: vec![0, 1, 0, 0], after: vec![0, 2, 1, 0], value });
            let padded = graph.add_node("pad", op, &[x]).unwrap();
            let weights = graph.add_constant("w", numbers(&[2, 3, 3, 1], 3));
            let conv = Conv2d {
                stride: [1, 1],
                dilation: [1, 1],
                padding: Padding { top: 1, ..Padding::NONE },
                groups: 1,
                activation: Activation::NONE,
            };
            let y = graph.add_node("conv", Op::Conv2d(conv), &[padded, weights]).unwrap();
            graph.add_output("y", y);
            apply(&mut graph, run);
            assert_eq!(operators(&graph), left);
        }
    }
}
