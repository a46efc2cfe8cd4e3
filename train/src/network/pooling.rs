//! Pooling over windows.

use super::elementwise::clamp;
use super::windows::Windows;
use bantam_tools::graph::ops::{AveragePool2d, Pool2d};
use bantam_tools::graph::{Graph, Node};
use candle_core::{Device, Result, Tensor};

fn windows(pool: &Pool2d, graph: &Graph, node: &Node) -> Windows {
    let (input, output) = (&graph.value(node.inputs[0]).shape, &graph.value(node.output()).shape);
    Windows {
        kernel: pool.kernel,
        stride: pool.stride,
        dilation: pool.dilation,
        padding: pool.padding,
        image: [input[1], input[2]],
        count: [output[1], output[2]],
    }
}

/// The largest element of each window. Of equal ones each gets the whole gradient.
pub(super) fn maximum(pool: &Pool2d, graph: &Graph, node: &Node, images: &Tensor) -> Result<Tensor> {
    let largest = windows(pool, graph, node).gather(images, f32::NEG_INFINITY)?.max(3)?;
    clamp(pool.activation, largest)
}

/// The mean of each window.
pub(super) fn average(average: &AveragePool2d, graph: &Graph, node: &Node, images: &Tensor) -> Result<Tensor> {
    let windows = windows(&average.pool, graph, node);
    let all = windows.taps() as f32;
    let counts = windows.inside().into_iter().map(|inside| if average.count_include_pad { all } else { inside });
    let factors: Vec<f32> = counts.map(|count| 1.0 / count).collect();
    let factors = Tensor::from_vec(factors, (1, windows.count[0], windows.count[1], 1), &Device::Cpu)?;
    let sums = windows.gather(images, 0.0)?.sum(3)?;
    clamp(average.pool.activation, sums.broadcast_mul(&factors)?)
}
