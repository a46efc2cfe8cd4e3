//! A graph without some of its channels.

use super::channels::{Channels, Unit};
use bantam_tools::graph::ops::Reshape;
use bantam_tools::graph::{Graph, GraphError, Node, Op, ValueId};
use bantam_tools::tensor::Tensor;
use std::collections::{BTreeMap, BTreeSet};

/// What a value that is not there any more was on average, by value and position on its last axis.
pub type Means = BTreeMap<ValueId, Vec<f32>>;

/// The graph without the sets `gone`. What a layer loses of its input is put into its bias, as it was on average (`means`; pixels at
/// the border are taken as all others).
///
/// # Errors
/// [`GraphError`]: a bug in this tool.
pub fn cut(graph: &Graph, channels: &Channels, gone: &BTreeSet<Unit>, means: &Means) -> Result<Graph, GraphError> {
    let mut cutter =
        Cutter { graph, channels, gone, means, result: Graph::new(graph.name.clone()), values: BTreeMap::new() };
    for (index, port) in graph.inputs().iter().enumerate() {
        let value = graph.value(port.value);
        let input = cutter.result.add_input(port.name.clone(), value.shape.clone(), value.dtype);
        cutter.result.set_input_layout(index, port.layout, input);
        cutter.result.rename(input, value.name.clone());
        cutter.values.insert(port.value, input);
    }
    for (_, node) in graph.nodes() {
        cutter.node(node)?;
        if let Some(origin) = graph.origin(&node.name) {
            cutter.result.set_origin(node.name.clone(), origin);
        }
    }
    for (index, port) in graph.outputs().iter().enumerate() {
        let value = cutter.values[&port.value];
        cutter.result.add_output(port.name.clone(), value);
        cutter.result.set_output_layout(index, port.layout, value);
    }
    cutter.result.compact();
    cutter.result.validate()?;
    Ok(cutter.result)
}

struct Cutter<'a> {
    graph: &'a Graph,
    channels: &'a Channels,
    gone: &'a BTreeSet<Unit>,
    means: &'a Means,
    result: Graph,
    /// Where values of the graph are in the result.
    values: BTreeMap<ValueId, ValueId>,
}

impl Cutter<'_> {
    /// Positions of a value's last axis that stay.
    fn kept(&self, value: ValueId) -> Vec<usize> {
        self.channels.kept(value, self.gone)
    }

    fn operand(&mut self, value: ValueId) -> ValueId {
        if let Some(&known) = self.values.get(&value) {
            return known;
        }
        let own = self.graph.value(value);
        let copy = match &own.constant {
            Some(constant) => self.result.add_constant(own.name.clone(), constant.clone()),
            None => self.result.add_value(own.name.clone(), own.shape.clone(), own.dtype),
        };
        self.values.insert(value, copy);
        copy
    }

    /// A constant of which only some positions along an axis stay.
    fn part(&mut self, value: ValueId, axes: &[(usize, &[usize])]) -> ValueId {
        let Some(constant) = self.graph.constant(value) else { return self.operand(value) };
        let mut tensor = constant.clone();
        for &(axis, positions) in axes {
            tensor = selected(&tensor, axis, positions);
        }
        self.result.add_constant(self.graph.value(value).name.clone(), tensor)
    }

    fn node(&mut self, node: &Node) -> Result<(), GraphError> {
        let output = node.output();
        let kept = self.kept(output);
        let mut op = node.op.clone();
        let inputs = match &mut op {
            Op::Conv2d(conv) if conv.groups == 1 => self.layer(node, 3, &kept),
            Op::Conv2d(conv) => {
                let depthwise = conv.groups == self.channels.roots(node.inputs[0]).len();
                if depthwise {
                    conv.groups = kept.len();
                }
                let mut inputs = vec![self.operand(node.inputs[0])];
                for &value in &node.inputs[1..] {
                    let part = if depthwise { self.part(value, &[(0, &kept)]) } else { self.operand(value) };
                    inputs.push(part);
                }
                inputs
            }
            Op::FullyConnected(_) => self.layer(node, 1, &kept),
            Op::Reshape(Reshape { shape }) => {
                if let Some(last) = shape.last_mut() {
                    *last = kept.len();
                }
                vec![self.operand(node.inputs[0])]
            }
            Op::Slice(slice) => {
                let before = self.kept(node.inputs[0]);
                if let Some(last) = slice.ranges.last_mut().filter(|range| range.step == 1 && !before.is_empty()) {
                    last.start = before.iter().filter(|&&position| position < last.start).count();
                    last.count = kept.len();
                }
                vec![self.operand(node.inputs[0])]
            }
            _ => {
                let width = self.graph.value(output).shape.last().copied().unwrap_or(1);
                let mut inputs = Vec::new();
                for &value in &node.inputs {
                    let own = self.graph.value(value);
                    let follows = kept.len() < width && own.shape.last() == Some(&width);
                    inputs.push(match (&own.constant, follows) {
                        (Some(_), true) => self.part(value, &[(own.shape.len() - 1, &kept)]),
                        _ => self.operand(value),
                    });
                }
                inputs
            }
        };
        let value = self.result.add_node(node.name.clone(), op, &inputs)?;
        self.result.rename(value, self.graph.value(output).name.clone());
        self.values.insert(output, value);
        Ok(())
    }

    /// Operands of a layer whose weights have outputs first and inputs on `axis`.
    fn layer(&mut self, node: &Node, axis: usize, kept: &[usize]) -> Vec<ValueId> {
        let from = self.kept(node.inputs[0]);
        let input = self.operand(node.inputs[0]);
        let weights = self.part(node.inputs[1], &[(0, kept), (axis, &from)]);
        let lost = self.lost(node, &from);
        let bias = match node.inputs.get(2) {
            Some(&bias) => Some(self.part(bias, &[(0, kept)])),
            None if lost.iter().any(|&x| x != 0.0) => {
                let name = format!("{}.bias", node.name);
                Some(self.result.add_constant(name, Tensor::vector(vec![0.0f32; kept.len()])))
            }
            None => None,
        };
        if let Some(items) = bias.and_then(|bias| self.result.constant_mut(bias)?.as_mut_slice::<f32>().ok()) {
            items.iter_mut().zip(kept).for_each(|(bias, &channel)| *bias += lost[channel]);
        }
        [Some(input), Some(weights), bias].into_iter().flatten().collect()
    }

    /// What each output of a layer loses on average with the inputs that go.
    fn lost(&self, node: &Node, from: &[usize]) -> Vec<f32> {
        let weights = self.graph.constant(node.inputs[1]);
        let Some((weights, Ok(items))) = weights.map(|weights| (weights, weights.as_f32())) else { return vec![] };
        let (out, depth) = (weights.shape()[0], weights.shape().last().copied().unwrap_or(1));
        let mut lost = vec![0.0; out];
        let Some(means) = self.means.get(&node.inputs[0]) else { return lost };
        let stays: BTreeSet<usize> = from.iter().copied().collect();
        for (channel, row) in items.chunks_exact((items.len() / out.max(1)).max(1)).enumerate() {
            for (position, weight) in
                row.iter().enumerate().filter(|(position, _)| !stays.contains(&(position % depth)))
            {
                lost[channel] += weight * means[position % depth];
            }
        }
        lost
    }
}

/// Some positions along an axis.
fn selected(tensor: &Tensor, axis: usize, positions: &[usize]) -> Tensor {
    let (shape, Ok(items)) = (tensor.shape(), tensor.as_f32()) else { return tensor.clone() };
    let inner: usize = shape[axis + 1..].iter().product();
    let block = shape[axis] * inner;
    let mut kept = Vec::with_capacity(items.len() / shape[axis].max(1) * positions.len());
    for outer in items.chunks_exact(block.max(1)) {
        for &position in positions {
            kept.extend_from_slice(&outer[position * inner..(position + 1) * inner]);
        }
    }
    let mut shape = shape.to_vec();
    shape[axis] = positions.len();
    Tensor::from_vec(shape, kept).unwrap_or_else(|_| tensor.clone())
}
